"""What a run leaves for the one that continues it: all that it heard of, however it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.carry import PastFile, PastGate, PastTest
from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    GateFinished,
    GateReport,
    RunFinished,
    RunResult,
    RunStarted,
    Schedule,
    TestsWereCarried,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
)
from pytest_batchgate.core.model import Finding, GateName, GateState
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.store.checkpoint import NAME, Checkpoint
from pytest_batchgate.store.pastrun import Past, read_past

IDENTITY = {"content": {"the commit": "abc", "a.py": "#1"}, "dependencies": {}}
FINDING = Finding(path="a.py", line=3, column=None, rule="F401", severity="error", message="ünused")
SCHEDULE = Schedule(work_s=0, critical_path_s=0, critical_path=(), lower_bound_s=0, efficiency=0)
FINISHED = RunFinished(
    9.0, RunResult(verdict="passed", exit_code=0, wall_s=1, workers=2, gates=(), schedule=SCHEDULE)
)
STARTED = RunStarted(0.0, (), 2, (GateName("unit"), GateName("slow")))
FILE = CollectedFile(
    file="a.py",
    keys=("a.py::one", "a.py::tw\udc80o", "a.py::three", "a.py::same", "a.py::same\0002"),
    gates=(0, 1, NO_GATE, 0, 0),
    deselected=("a.py::gone",),
)
OTHER = CollectedFile(file="b.py", keys=(), gates=(), errors=1)


def report(name: str, state: GateState = GateState.PASSED, **more: object) -> GateFinished:
    return GateFinished(
        5.0,
        GateReport(name=GateName(name), kind="command", state=state, required=True, needs=(), **more),  # type: ignore[arg-type]
    )


RUN: tuple[Event, ...] = (
    STARTED,
    FileWasCollected(1.0, "gw0", OTHER),
    FileWasCollected(1.0, "gw0", FILE),
    TestsWereRun(2.0, "gw0", FILE, (TestResult(0, "passed", 0.5), TestResult(1, "failed", 0.25, object()))),
    TestWasLost(2.0, "gw0", FILE, 3, "failed", "the worker died"),
    TestWillRetry(
        2.0, GateName("unit"), "gw0", FILE, TestResult(4, "failed", 0.1), GateState.FAILED, 1, 2, 0.0
    ),
    TestsWereRun(3.0, "gw0", FILE, (TestResult(4, "passed", 0.2),)),
    report("lint", findings=(FINDING,), more_findings=2, wrote_outputs=True),
)


def write(
    folder: Path,
    *events: Event,
    before: bytes = b"",
    started_unix_s: float = 1000.0,
    identity: Mapping[str, Mapping[str, str]] = IDENTITY,
) -> Path:
    path = folder / "batchgate" / NAME
    checkpoint = Checkpoint(path, started_unix_s=started_unix_s, measure=lambda: identity, before=before)
    for event in events:
        checkpoint.handle(event)
        if checkpoint._thread is not None:
            checkpoint._thread.join()
    checkpoint.close()
    return path


def read(path: Path) -> Past:
    past = read_past(path)
    assert past is not None
    return past


def test_what_is_read_is_what_happened(tmp_path: Path) -> None:
    past = read(write(tmp_path, *RUN))
    assert past.run.files == [
        PastFile(file="b.py", nodeids=(), gates=(), errors=1),
        PastFile(
            file="a.py",
            nodeids=("a.py::one", "a.py::tw\udc80o", "a.py::three", "a.py::same", "a.py::same"),
            gates=("unit", "slow", None, "unit", "unit"),
            deselected=("a.py::gone",),
            results={
                0: PastTest("unit", "passed", 0.5),
                1: PastTest("slow", "failed", 0.25),
                3: PastTest("unit", None, 0.0),
                4: PastTest("unit", "passed", 0.2, tried=True),
            },
        ),
    ]
    assert past.run.gates == {
        "lint": PastGate(state=GateState.PASSED, findings=(FINDING,), more_findings=2, wrote_outputs=True)
    }
    assert (past.identity, past.started_unix_s, past.ended) == (IDENTITY, 1000.0, False)
    assert read(write(tmp_path, *RUN, FINISHED)).ended


def test_every_line_is_written_at_once_and_one_that_is_cut_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / NAME
    checkpoint = Checkpoint(path, started_unix_s=1.0, measure=dict)
    counts = []
    for event in RUN:
        checkpoint.handle(event)
        past = read(path)
        counts.append((len(past.run.files), sum(len(file.results) for file in past.run.files)))
    checkpoint.close()
    assert counts == [(0, 0), (1, 0), (2, 0), (2, 2), (2, 3), (2, 4), (2, 4), (2, 4)]
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    cut = read(path)
    assert not cut.run.gates
    assert len(cut.run.files) == 2
    assert whole.startswith(cut.lines)
    assert cut.lines.endswith(b"\n")


def test_a_run_that_continues_another_one_keeps_all_of_it(tmp_path: Path) -> None:
    """Killed before it has done anything, or after: nothing is lost, and what is carried is told once."""
    first = read(write(tmp_path, *RUN))
    again = read(write(tmp_path, STARTED, before=first.lines, started_unix_s=2000.0))
    assert (again.run, again.started_unix_s) == (first.run, 2000.0)
    carried = CollectedFile(file="a.py", keys=FILE.keys, gates=FILE.gates)
    later = (
        STARTED,
        FileWasCollected(0.0, "", carried),
        TestsWereCarried(0.0, carried, (TestResult(0, "passed", 0.5),)),
        FileWasCollected(1.0, "gw0", FILE),
        TestsWereRun(2.0, "gw0", FILE, (TestResult(1, "passed", 0.1),)),
        report("lint", GateState.CARRIED),
        FINISHED,
    )
    third = read(write(tmp_path, *later, before=again.lines, started_unix_s=3000.0))
    assert [file.file for file in third.run.files] == ["b.py", "a.py", "a.py"]
    assert third.run.files[1:] == [
        first.run.files[1],
        PastFile(
            file="a.py",
            nodeids=first.run.files[1].nodeids,
            gates=first.run.files[1].gates,
            deselected=("a.py::gone",),
            results={1: PastTest("slow", "passed", 0.1)},
        ),
    ]
    assert third.run.gates["lint"].state is GateState.CARRIED
    assert third.ended


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage\n",
        b"[]\n",
        b"7\n",
        b'{"schema":99,"started_unix_s":1}\n',
        b'{"of":3,"results":[[0,"passed",1]]}\n',
        b'{"gate":"lint","state":"splendid","findings":[],"more":0,"outputs":false}\n',
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\x00\n",
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_record_is_no_run(content: bytes, tmp_path: Path) -> None:
    """Or one of which nothing is known."""
    path = tmp_path / NAME
    path.write_bytes(content)
    past = read_past(path)
    assert past is None or (past.identity is None and not past.run.files)
    assert read_past(tmp_path) is None
    assert read_past(tmp_path / "nowhere") is None


def test_where_nothing_can_be_written_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "batchgate").write_text("a file")
    write(tmp_path, *RUN, FINISHED)
    assert (tmp_path / "batchgate").read_text() == "a file"
    folder = tmp_path / "other" / "batchgate" / NAME / "full"
    folder.mkdir(parents=True)
    write(tmp_path / "other", *RUN, FINISHED)
    assert [path.name for path in (tmp_path / "other" / "batchgate").iterdir()] == [NAME], "no litter"


def test_a_run_of_which_it_is_not_known_what_it_is_of_says_so(tmp_path: Path) -> None:
    def fails() -> dict[str, dict[str, str]]:
        raise OSError("no such repository")

    path = tmp_path / NAME
    checkpoint = Checkpoint(path, started_unix_s=1.0, measure=fails)
    for event in (*RUN, FINISHED):
        checkpoint.handle(event)
    assert read(path).identity is None
    assert all("identity" not in json.loads(line) for line in path.read_text().splitlines())
