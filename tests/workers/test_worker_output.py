"""What a worker prints while nothing captures it, and what its tests add to the JUnit report."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
from pathlib import Path

from command_kit import until

from pytest_batchgate.core.masking import Masks
from pytest_batchgate.workers import wire
from pytest_batchgate.workers.messages import OutputPrinted
from pytest_batchgate.workers.outbox import Outbox
from pytest_batchgate.workers.overhearing import Overhearing
from pytest_batchgate.workers.worker_junit import JunitRelay


def until_heard(overhearing: Overhearing) -> None:
    until(lambda: not overhearing.is_listening)


def heard_of(folder: Path, *pieces: bytes, masks: Masks | None = None) -> list[str]:
    """The lines that arrive when ``pieces`` are written one after the other and the writer ends."""
    heard: queue.SimpleQueue[OutputPrinted] = queue.SimpleQueue()
    overhearing = Overhearing(folder, heard.put, masks)
    path = overhearing.pipe("gw7")
    assert path is not None
    with open(path, "wb", buffering=0) as pipe:  # noqa: PTH123 (raw, as a file descriptor is)
        pipe.writelines(pieces)
    until_heard(overhearing)
    texts = []
    while not heard.empty():
        printed = heard.get()
        assert printed.worker == "gw7"
        texts.append(printed.text)
    return "\n".join(texts).split("\n")


def test_lines_arrive_whole_however_they_were_written(tmp_path: Path) -> None:
    data = "one\ntwo \u00e9\n\nlast".encode()
    assert heard_of(tmp_path, data) == ["one", "two \u00e9", "", "last"]


def test_bytes_that_are_no_text_show_as_their_codes(tmp_path: Path) -> None:
    assert heard_of(tmp_path, b"a\xffb\n") == ["a\\xffb"]


def test_an_endless_line_is_shown_in_parts(tmp_path: Path) -> None:
    parts = heard_of(tmp_path, *[b"x" * 50_000] * 5)
    assert "".join(parts) == "x" * 250_000
    assert len(parts) > 1


def test_hidden_values_are_masked_wherever_the_output_was_cut(tmp_path: Path) -> None:
    """Within a line that never ends, too, whose parts are shown before it does."""
    masks = Masks()
    masks.learn({"MY_TOKEN": "hunter2-hunter2"})
    begin = b"x" * 65_530
    parts = heard_of(tmp_path, b"a hunter2", b"-hunter2\n", begin + b"hunter2-", b"hunter2 hunt", masks=masks)
    assert parts[0] == "a ***"
    assert "".join(parts[1:]) == "x" * 65_530 + "*** hunt"


def test_a_worker_waits_while_nobody_hears_what_it_prints(tmp_path: Path) -> None:
    """What is on its way stays bounded, however much is printed; nothing is lost."""
    heard: queue.SimpleQueue[OutputPrinted] = queue.SimpleQueue()
    overhearing = Overhearing(tmp_path, heard.put)
    path = overhearing.pipe("gw0")
    assert path is not None
    code = (
        "import sys; file = open(sys.argv[1], 'w'); [file.write('x' * 99 + chr(10)) for _ in range(100_000)]"
    )
    writer = subprocess.Popen([sys.executable, "-S", "-E", "-c", code, path])
    most = total = 0
    try:
        while overhearing.is_listening or not heard.empty():
            unheard: list[OutputPrinted] = []
            while sum(len(printed.text) for printed in unheard) < 2**20 and overhearing.is_listening:
                with contextlib.suppress(queue.Empty):
                    unheard.append(heard.get(timeout=0.05))
            while not heard.empty():
                unheard.append(heard.get())
            most = max(most, sum(len(printed.text) for printed in unheard))
            total += sum(len(printed.text) + 1 for printed in unheard)
            for printed in unheard:
                overhearing.heard(printed)
    finally:
        writer.kill()
        writer.wait()
    assert total == 10_000_000
    assert 2**20 <= most <= 2**20 + 2**16


def test_children_write_into_the_pipe_too(tmp_path: Path) -> None:
    heard: queue.SimpleQueue[OutputPrinted] = queue.SimpleQueue()
    overhearing = Overhearing(tmp_path, heard.put)
    code = (
        "import os, sys; from pytest_batchgate.workers.worker_output import speak_into;"
        "speak_into(sys.argv[1]);"
        "print('out', flush=True); os.system('echo child'); os.write(2, b'err'); os._exit(1)"
    )
    path = overhearing.pipe("gw0")
    assert path is not None
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, env=env, check=False)
    until_heard(overhearing)
    text = []
    while not heard.empty():
        text += heard.get().text.split("\n")
    assert (text, done.stdout, done.stderr) == (["out", "child", "err"], b"", b"")


def test_without_a_folder_for_pipes_nothing_is_heard_and_nothing_fails(tmp_path: Path) -> None:
    overhearing = Overhearing(tmp_path / "missing" / "folder", lambda _: None)
    assert overhearing.pipe("gw0") is None
    assert not overhearing.is_listening


def test_what_tests_add_to_the_report_is_passed_on_as_text() -> None:
    sent: list[wire.Message] = []
    outbox = Outbox(lambda data: sent.extend(wire.decode(data)))
    relay = JunitRelay("xunit1", outbox)
    relay.add_global_property("a", 3)
    relay.node_reporter("t.py::test").add_attribute("assertions", {1})
    outbox.close()
    assert sent == [(wire.JUNIT, None, "a", "3"), (wire.JUNIT, "t.py::test", "assertions", "{1}")]
