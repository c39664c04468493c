"""The recorder gathers from events what the history keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    GateReport,
    RunFinished,
    RunResult,
    Schedule,
    TestsWereRun,
    TestWasLost,
)
from pytest_batchgate.core.model import GateName, GateState
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.store.history import History
from pytest_batchgate.store.record import FileSample, RunRecord, TimedTest
from pytest_batchgate.store.recorder import HistoryRecorder

SCHEDULE = Schedule(work_s=0, critical_path_s=0, critical_path=(), lower_bound_s=0, efficiency=0)
GATE = GateReport(
    name=GateName("lint"), kind="command", state=GateState.PASSED, required=True, needs=(), wall_s=2.0
)
RESULT = RunResult(verdict="passed", exit_code=0, wall_s=1, workers=2, gates=(GATE,), schedule=SCHEDULE)
FILE = CollectedFile(
    file="t/a.py", keys=("t/a.py::one", "t/a.py::two", "t/a.py::three"), gates=(0, 1, NO_GATE), duration_s=0.5
)
COLLECTED = FileWasCollected(0.0, "gw0", FILE)


def ran(*results: tuple[int, str, float], file: CollectedFile = FILE) -> TestsWereRun:
    return TestsWereRun(1.0, "gw0", file, tuple(TestResult(*result) for result in results))


class Written(History):
    """A history that keeps the record it was given."""

    got: RunRecord

    def record(self, run: RunRecord) -> bool:
        self.got = run
        return True


def recorded(*events: Event, narrowed: bool = False) -> RunRecord:
    history = Written(Path("nowhere"))
    recorder = HistoryRecorder(history, run_id="abc", narrowed=narrowed)
    for event in (*events, RunFinished(9.0, RESULT)):
        recorder.handle(event)
    return history.got


WHOLE = (ran((0, "passed", 0.5)), ran((1, "skipped", 0.25)))


def test_a_whole_file_is_trusted_and_slow_tests_have_rows() -> None:
    """The third test belongs to no gate, so nobody waits for it."""
    got = recorded(COLLECTED, ran((0, "passed", 0.004)), ran((1, "xfailed", 0.25)))
    assert got.files == {"t/a.py": FileSample(2, 0.254, 0.5, True)}
    assert got.tests == [TimedTest("t/a.py", "t/a.py::two", 0.25, "xfailed")]
    assert (got.run_id, got.result) == ("abc", RESULT)


@pytest.mark.parametrize(
    "events",
    [
        (COLLECTED, WHOLE[0]),
        WHOLE,
        (COLLECTED, ran((0, "passed", 0.5), (1, "failed", 0.25))),
        (COLLECTED, ran((0, "error", 0.0), (1, "passed", 0.75))),
        (COLLECTED, *WHOLE, TestWasLost(2.0, None, FILE, 2, "failed", "the worker died")),
        (
            FileWasCollected(0.0, "gw0", CollectedFile(file="t/a.py", keys=("k",), gates=(0,), errors=1)),
            *WHOLE,
        ),
    ],
    ids=["part", "uncollected", "failed", "error", "lost", "collection error"],
)
def test_a_doubtful_file_is_not_trusted(events: tuple[Event, ...]) -> None:
    assert not recorded(*events).files["t/a.py"].trusted


def test_a_narrowed_run_trusts_nothing() -> None:
    got = recorded(COLLECTED, *WHOLE, narrowed=True)
    assert got.narrowed
    assert not got.files["t/a.py"].trusted


def test_a_fast_failure_has_a_row_and_a_repeated_key_its_node_id() -> None:
    twice = CollectedFile(file="a.py", keys=("a.py::t", "a.py::t\0002"), gates=(0, 0))
    got = recorded(ran((1, "failed", 0.001), file=twice))
    assert got.tests == [TimedTest("a.py", "a.py::t", 0.001, "failed")]


def test_a_file_of_two_environments_counts_once() -> None:
    assert recorded(COLLECTED, COLLECTED, *WHOLE).files == {"t/a.py": FileSample(2, 0.75, 0.5, True)}


def test_a_file_that_ran_nothing_has_no_sample() -> None:
    assert recorded(COLLECTED).files == {}


def test_from_events_to_the_next_runs_estimates(tmp_path: Path) -> None:
    recorder = HistoryRecorder(History.open(tmp_path), run_id="abc")
    for event in (COLLECTED, *WHOLE, RunFinished(9.0, RESULT)):
        recorder.handle(event)
    estimates = History.open(tmp_path).estimates()
    assert estimates.commands == {"lint": 2.0}
    assert (estimates.files, estimates.collects) == ({"t/a.py": 0.75}, {"t/a.py": 0.5})
