"""Logs of commands: no hidden value reaches them, however it is written.  Real processes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_kit import MakeBench, benches, gate, service, until

from pytest_batchgate.core.masking import Masks
from pytest_batchgate.core.model import GateState

pytestmark = pytest.mark.integration


@pytest.fixture(name="bench")
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    with benches(tmp_path) as make:
        yield make


@pytest.fixture(name="masks")
def make_masks() -> Masks:
    masks = Masks(["DEPLOY_KEY"])
    masks.learn({"DEPLOY_KEY": "hunter2"})
    return masks


def test_a_value_in_pieces_and_at_the_end(bench: MakeBench, masks: Masks) -> None:
    """Written in two pieces, as bytes beside it that are no text, cut off by the command's end."""
    line = "printf 'a hun'; sleep 0.2; printf 'ter2\\n\\377hunter2\\n'; echo hunter2 >&2; printf hunt; exit 3"
    ended = bench(gate("a", line), masks=masks).run("a")
    assert (ended.state, ended.reason) == (GateState.FAILED, "exit code 3")
    assert Path(ended.log_path or "").read_bytes() == b"a ***\n\xff***\n***\nhunt"


def test_no_more_memory_for_more_output(bench: MakeBench, masks: Masks) -> None:
    ended = bench(gate("a", "head -c 30000000 /dev/zero; echo hunter2"), masks=masks).run("a")
    with open(ended.log_path or "", "rb") as log:  # noqa: PTH123
        log.seek(-5, 2)
        assert (log.tell(), log.read()) == (30_000_000 - 1, b"\0***\n")


def test_what_a_command_hands_on_is_hidden_in_its_own_log_too(bench: MakeBench) -> None:
    """From then on; variables that do not sound like a secret are not."""
    masks = Masks()
    line = "echo 'made hunter2-hunter2, port 54321'; echo NEW_TOKEN=hunter2-hunter2 > $BATCHGATE_OUTPUT; "
    line += "echo PORT=54321 >> $BATCHGATE_OUTPUT"
    made = bench(gate("a", line), gate("b", "echo $NEW_TOKEN; exit 1"), masks=masks)
    ended = made.run("a")
    assert ended.outputs == {"NEW_TOKEN": "hunter2-hunter2", "PORT": "54321"}
    assert made.log("a") == "made ***, port 54321\n"
    made.run("b", env=ended.outputs)
    assert made.log("b") == "***\n"


def test_a_service_that_hands_on_a_secret(bench: MakeBench) -> None:
    """It is hidden in the log when the service has ended, and for others from the time it is ready."""
    masks = Masks()
    line = "echo key hunter2-hunter2; echo A_SECRET=hunter2-hunter2 > $BATCHGATE_OUTPUT; echo ready; sleep 60"
    made = bench(service("s", line, line="^ready"), masks=masks)
    made.start("s")
    assert made.ready().outputs == {"A_SECRET": "hunter2-hunter2"}
    assert masks.text("hunter2-hunter2") == "***"
    made.stop("s", grace_s=0)
    made.ended()
    assert made.log("s") == "key ***\nready\n"


def test_what_is_said_of_a_command(bench: MakeBench, masks: Masks) -> None:
    """Reasons, and processes that it left behind, by their command lines."""
    ended = bench(gate("a", ["hunter2/nothing"]), masks=masks).run("a")
    assert ended.reason == "command not found: ***/nothing"
    run = f"{sys.executable} -c 'import time; time.sleep(50)' hunter2 & exit 0"
    ended = bench(gate("b", run), masks=masks).run("b")
    assert ended.leaked
    assert "hunter2" not in str(ended)


def test_a_process_that_got_away_does_not_hold_the_run_up(bench: MakeBench, masks: Masks) -> None:
    """It holds the command's output, and neither its environment nor its ancestors tell whose it is."""
    code = "import os,time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(30)"
    line = f'echo hunter2; env -i {sys.executable} -S -E -c "{code}"'
    assert bench(gate("a", line), masks=masks).run("a").state is GateState.PASSED


def test_nobody_is_left_behind(bench: MakeBench, masks: Masks) -> None:
    """The thread that copies ends with the command; without anything to mask there is none."""
    assert bench(gate("a", "echo x"), masks=masks).run("a").state is GateState.PASSED
    until(lambda: not [each for each in threading.enumerate() if each.name == "batchgate-log"])
    made = bench(gate("b", "echo begun; sleep 60"), masks=Masks())
    made.start("b")
    made.wait_log("b", "begun")
    assert not [each for each in threading.enumerate() if each.name == "batchgate-log"]
