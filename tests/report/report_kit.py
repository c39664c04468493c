"""A run with something of everything, as a list of events, and what the reports must make of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pytest_batchgate.core.bus import Subscriber
from pytest_batchgate.core.events import (
    Event,
    FilesListed,
    FileWasCollected,
    GateBecameReady,
    GateFinished,
    GateReport,
    GateStarted,
    GateWillRetry,
    Noticed,
    RunFinished,
    RunResult,
    RunStarted,
    Schedule,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
    WorkerStarted,
    WorkerStopped,
)
from pytest_batchgate.core.model import Command, Finding, Gate, GateName, GateState, Ready, Retries, Tests
from pytest_batchgate.core.protocol import CollectedFile, TestResult, Traits
from pytest_batchgate.report.attempts import Attempts
from pytest_batchgate.report.told import NOTHING, Told

GOLDEN = Path(__file__).parent / "golden" / "reports"
STARTED_UNIX_S = 1_700_000_000.0
RUN_ID = "0123456789abcdef"
S = GateState

# What tests and tools say is never ours: markup of every format, escapes, halves of pairs.
HOSTILE = "</failure>]]>\x1b[31m\x00\u202e::error::x|`<b>@you #1 www.evil.example\n```\n</details>\udc80"


class FakeTeller:
    """Payloads are (start in seconds, Told)."""

    def told(self, event: TestsWereRun, result: TestResult) -> Told:
        payload: Any = result.payload
        return NOTHING if payload is None else payload[1]

    def collection_errors(self, collected: CollectedFile) -> tuple[str, ...]:
        return (str(collected.payload),)

    def start_s(self, result: TestResult) -> float | None:
        payload: Any = result.payload
        return None if payload is None else payload[0]

    def place(self, collected: CollectedFile, index: int) -> tuple[str, int | None]:
        return collected.file, 10 * index + 1


class Written:
    """Stands for a file: keeps each content that it was given."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []

    def __call__(self, content: bytes) -> None:
        self.contents.append(content)

    @property
    def text(self) -> str:
        return self.contents[-1].decode("utf-8")


def check(name: str, text: str) -> None:
    """Against the golden file; `BATCHGATE_GOLDEN=write` writes it anew."""
    path = GOLDEN / name
    if os.environ.get("BATCHGATE_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def feed(subscriber: Subscriber, events: Iterable[Event], *, attempts: bool = True) -> None:
    """As a run with retries does; ``attempts``: each told as a result."""
    if attempts:
        subscriber = Attempts(subscriber)
    for event in events:
        subscriber.handle(event)


# --- gates --------------------------------------------------------------------------


def command(name: str, *argv: str, **more: Any) -> Gate:
    return Gate(name=GateName(name), work=Command(argv=argv or ("true",)), **more)


def gate_of_tests(name: str, *paths: str, **more: Any) -> Gate:
    return Gate(name=GateName(name), work=Tests(paths=paths, rest=not paths), **more)


SERVICE = Gate(name=GateName("db"), work=Command(argv=("server",), ready=Ready(port=5433)))


def ended(name: str, state: GateState = S.PASSED, **more: Any) -> GateReport:
    fields = {
        "kind": "command",
        "required": True,
        "needs": (),
        "started_s": 0.5,
        "wall_s": 1.0,
        "attempts": 1,
    }
    return GateReport(name=GateName(name), state=state, **{**fields, **more})


def result(
    *gates: GateReport,
    verdict: str = "passed",
    exit_code: int = 0,
    path: Sequence[str] = (),
    stop_reason: str | None = None,
) -> RunResult:
    schedule = Schedule(
        work_s=8.0,
        critical_path_s=4.0,
        critical_path=tuple(map(GateName, path)),
        lower_bound_s=4.0,
        efficiency=0.784,
    )
    return RunResult(
        verdict=verdict,
        exit_code=exit_code,
        wall_s=5.1,
        workers=2,
        gates=gates,
        schedule=schedule,
        stop_reason=stop_reason,
    )


# --- the story ------------------------------------------------------------------------

FINDINGS = (
    Finding(
        path="src/a.py", line=3, column=1, rule="F401", severity="error", message="`os` imported but unused"
    ),
    Finding(
        path="src/a.py", line=9, column=1, rule="F401", severity="error", message="`os` imported but unused"
    ),
    Finding(path="src/sp ace.py", line=1, column=None, rule="W291", severity="warning", message="x | y"),
    Finding(path=None, line=None, column=None, rule=None, severity="note", message="2 files checked"),
)

FILE = CollectedFile(
    file="tests/test_a.py",
    keys=(
        "tests/test_a.py::test_ok",
        "tests/test_a.py::TestC::test_fails[a<b-&]",
        "tests/test_a.py::test_skips",
        "tests/test_a.py::test_flaky",
        "tests/test_a.py::test_xfails",
        "tests/test_a.py::test_crashes",
        "tests/test_a.py::test_leaves_a_broken_fixture",
        "tests/test_a.py::test_fails_twice",
    ),
    gates=(0, 0, 0, 0, 0, 0, 0, 0),
    traits={0: Traits(serial=("db",))},
    deselected=("tests/test_a.py::test_left_out",),
    duration_s=0.1,
)
SLOW = CollectedFile(
    file="tests/test_slow.py", keys=("tests/test_slow.py::test_a",), gates=(1,), duration_s=0.05
)
BROKEN = CollectedFile(
    file="tests/test_broken.py", keys=(), gates=(), errors=1, duration_s=0.01, payload="SyntaxError: nope"
)

FAILS = Told(
    message="assert 1 == 2",
    text="def test_fails(n):\n>   assert 1 == 2\nE   assert 1 == 2\n\ntests/test_a.py:12: AssertionError",
    output=(("Captured stdout call", "printed <this>\n"),),
    properties=(("ticket", "BG-7"),),
)
TIMED_OUT = Told(message="TimeoutError: no answer", text="E   TimeoutError: no answer")
SKIPS = Told(message="no database here")
FIXTURE = Told(message='failed on teardown with "OSError"', text="E   OSError")

GATES = (
    command("lint", "ruff", "check", "."),
    command("docs", "make", "docs", retries=Retries(count=1)),
    SERVICE,
    gate_of_tests("unit", retries=Retries(count=1), env={"TOKEN": "not for reports"}),
    gate_of_tests("slow", "tests/test_slow.py", needs=(GateName("lint"),)),
)
_COUNTS = {"passed": 1, "failed": 3, "skipped": 1, "xfailed": 1, "xpassed": 0, "error": 1, "not_run": 0}
LINT = ended(
    "lint", S.FAILED, started_s=0.1, wall_s=0.9, work_s=0.9, cpu_s=0.8, peak_rss_bytes=5_000_000,
    reason="exit code 1", findings=FINDINGS, more_findings=2,
)  # fmt: skip
UNIT = ended(
    "unit",
    S.FAILED,
    kind="tests",
    started_s=0.2,
    wall_s=3.5,
    work_s=6.0,
    counts=_COUNTS,
    reason="3 of 8 tests failed",
)
SLOW_GATE = ended(
    "slow", S.SKIPPED, kind="tests", started_s=None, wall_s=0.0, attempts=0, needs=(GateName("lint"),),
    reason="needs lint, which failed", counts={"skipped": 1},
)  # fmt: skip
DOCS = ended("docs", S.FLAKY, started_s=1.1, wall_s=2.5, work_s=2.0, attempts=2, reason="passed on attempt 2")
DB = ended("db", is_service=True, started_s=0.1, wall_s=4.5)


def ran(index: int, outcome: str, start_s: float, took_s: float = 0.25, told: Told = NOTHING) -> TestResult:
    return TestResult(index, outcome, took_s, (start_s, told))


def again(at: float, result: TestResult, *, worker: str = "gw0", died: bool = False) -> TestWillRetry:
    """The first of two attempts, of a test of FILE."""
    return TestWillRetry(
        at=at,
        gate=GateName("unit"),
        worker=worker,
        collected=FILE,
        result=result,
        state=S.CRASHED if died else S.FAILED,
        attempt=1,
        most=2,
        pause_s=0.0,
    )


def story() -> list[Event]:
    """Fresh events of a failed run on two workers."""
    unit, lint, docs, slow = map(GateName, ("unit", "lint", "docs", "slow"))
    return [
        RunStarted(0.0, GATES, 2, (unit, slow)),
        Noticed(0.0, "-n from addopts is ignored"),
        GateStarted(0.1, lint, (1,)),
        GateStarted(0.1, GateName("db"), ()),
        WorkerStarted(0.1, "gw0"),
        FilesListed(0.2, (FILE.file, SLOW.file, BROKEN.file)),
        GateBecameReady(0.3, GateName("db")),
        FileWasCollected(0.4, "gw0", FILE),
        GateStarted(0.4, unit, ()),
        FileWasCollected(0.45, "gw0", SLOW),
        FileWasCollected(0.46, "gw0", BROKEN),
        TestsWereRun(
            1.0,
            "gw0",
            FILE,
            (
                ran(0, "passed", 0.5),
                ran(1, "failed", 0.75, told=FAILS),
                ran(2, "skipped", 1.0, 0.0, SKIPS),
            ),
        ),
        again(1.0, ran(3, "failed", 1.0, told=TIMED_OUT)),
        TestsWereRun(1.0, "gw0", FILE, (ran(4, "xfailed", 1.25, told=Told(message="a bug of theirs")),)),
        GateFinished(1.0, LINT),
        TestWasLost(1.1, None, SLOW, 0, "skipped", "needs lint, which failed"),
        GateFinished(1.1, SLOW_GATE),
        GateStarted(1.1, docs, (1,)),
        GateWillRetry(1.6, docs, 1, 2, S.TIMED_OUT, "timed out after 0.5 s", 0.5),
        WorkerStopped(2.0, "gw0", "killed by SIGSEGV"),
        TestWasLost(2.0, "gw0", FILE, 5, "failed", "worker gw0 was killed by SIGSEGV while it ran this test"),
        WorkerStarted(2.1, "gw0"),
        GateStarted(2.1, docs, (1,)),
        TestsWereRun(
            2.8,
            "gw0",
            FILE,
            (
                ran(3, "passed", 2.2),
                ran(6, "passed", 2.45, 0.1),
            ),
        ),
        again(2.8, ran(7, "failed", 2.5, 0.1, TIMED_OUT)),
        TestsWereRun(2.8, "gw0", FILE, (ran(7, "failed", 2.6, 0.1, FAILS),)),
        TestsWereRun(3.0, "gw0", FILE, (TestResult(6, "error", 0.05, (2.9, FIXTURE)),), late=True),
        GateFinished(3.6, DOCS),
        GateFinished(3.7, UNIT),
        GateFinished(4.6, DB),
        RunFinished(
            5.1,
            result(LINT, DOCS, DB, UNIT, SLOW_GATE, verdict="failed", exit_code=1, path=["unit"]),
        ),
    ]


def hostile() -> list[Event]:
    """A short run in which whatever is not ours is hostile."""
    file = CollectedFile(file=f"t{HOSTILE}.py", keys=(f"t.py::test[{HOSTILE}]", "t.py::ok"), gates=(0, 0))
    told = Told(message=HOSTILE, text=HOSTILE, output=((HOSTILE, HOSTILE),), properties=((HOSTILE, HOSTILE),))
    found = Finding(path=HOSTILE, line=1, column=1, rule=HOSTILE, severity="error", message=HOSTILE)
    gates = (gate_of_tests("unit"), command("lint", "x"))
    unit = ended("unit", S.FAILED, kind="tests", reason=HOSTILE, counts={"failed": 1, "passed": 1})
    lint = ended("lint", S.FAILED, reason=HOSTILE, findings=(found,))
    return [
        RunStarted(0.0, gates, 1, (GateName("unit"),)),
        Noticed(0.1, HOSTILE),
        FileWasCollected(0.2, "gw0", file),
        TestsWereRun(
            1.0,
            "gw0",
            file,
            (TestResult(0, "failed", float("nan"), (float("inf"), told)), TestResult(1, "passed", 0.1)),
        ),
        GateFinished(1.0, unit),
        GateFinished(1.0, lint),
        RunFinished(
            2.0, result(unit, lint, verdict="interrupted", exit_code=2, path=["unit"], stop_reason=HOSTILE)
        ),
    ]


def many(tests_of_file: int, files: int) -> list[Event]:
    """A run of so many passed tests, as workers report them: 200 at a time."""
    events: list[Event] = [RunStarted(0.0, (gate_of_tests("unit"),), 2, (GateName("unit"),))]
    for number in range(files):
        name = f"tests/test_{number}.py"
        keys = tuple(f"{name}::test_number[{index}]" for index in range(tests_of_file))
        file = CollectedFile(file=name, keys=keys, gates=(0,) * tests_of_file)
        events.append(FileWasCollected(1.0, "gw0", file))
        for begin in range(0, tests_of_file, 200):
            indexes = range(begin, min(begin + 200, tests_of_file))
            events.append(
                TestsWereRun(
                    2.0,
                    "gw0",
                    file,
                    tuple(TestResult(index, "passed", 0.001, (1.0, NOTHING)) for index in indexes),
                )
            )
    unit = ended("unit", kind="tests", counts={"passed": tests_of_file * files})
    return [*events, GateFinished(3.0, unit), RunFinished(3.0, result(unit))]
