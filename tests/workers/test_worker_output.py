"""What a worker prints while nothing captures it, and what its tests add to the JUnit report."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from pathlib import Path

from pytest_batchgate.workers import wire
from pytest_batchgate.workers.messages import OutputPrinted
from pytest_batchgate.workers.outbox import Outbox
from pytest_batchgate.workers.overhearing import Overhearing
from pytest_batchgate.workers.worker_junit import JunitRelay


def heard_of(folder: Path, *pieces: bytes) -> list[str]:
    """The lines that arrive when ``pieces`` are written one after the other and the writer ends."""
    heard: queue.SimpleQueue[OutputPrinted] = queue.SimpleQueue()
    overhearing = Overhearing(folder, heard.put)
    path = overhearing.pipe("gw7")
    assert path is not None
    with open(path, "wb", buffering=0) as pipe:  # noqa: PTH123 (raw, as a file descriptor is)
        pipe.writelines(pieces)
    overhearing.settle(30.0)
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
    overhearing.settle(30.0)
    text = []
    while not heard.empty():
        text += heard.get().text.split("\n")
    assert (text, done.stdout, done.stderr) == (["out", "child", "err"], b"", b"")


def test_without_a_folder_for_pipes_nothing_is_heard_and_nothing_fails(tmp_path: Path) -> None:
    overhearing = Overhearing(tmp_path / "missing" / "folder", lambda _: None)
    assert overhearing.pipe("gw0") is None
    overhearing.settle(1.0)


def test_what_tests_add_to_the_report_is_passed_on_as_text() -> None:
    sent: list[wire.Message] = []
    outbox = Outbox(lambda data: sent.extend(wire.decode(data)))
    relay = JunitRelay("xunit1", outbox)
    relay.add_global_property("a", 3)
    relay.node_reporter("t.py::test").add_attribute("assertions", {1})
    outbox.close()
    assert sent == [(wire.JUNIT, None, "a", "3"), (wire.JUNIT, "t.py::test", "assertions", "{1}")]
