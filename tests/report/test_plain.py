"""The plain output, whole, against golden files.  `BATCHGATE_GOLDEN=write` writes them anew."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_batchgate.core.breaker import BreakerChange, BreakerState, Trigger
from pytest_batchgate.core.events import (
    BreakerChanged,
    Event,
    GateBecameReady,
    GateFinished,
    GateReport,
    GateStarted,
    Noticed,
    RunFinished,
    RunResult,
    RunStarted,
    Schedule,
    TestWillRetry,
    WorkerStopped,
)
from pytest_batchgate.core.model import Command, Gate, GateName, GateState, Tests
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.report.plain import PlainReport
from pytest_batchgate.report.tail import tail

GOLDEN = Path(__file__).parent / "golden" / "plain"
S = GateState


class Screen:
    """Keeps lines and their markup."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, bool]]] = []

    def __call__(self, text: str, /, **markup: bool) -> None:
        self.lines.append((text, markup))

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line, _ in self.lines)


def show(events: Sequence[Event], *, width: int = 80, unicode: bool = True) -> Screen:
    screen = Screen()
    plain = PlainReport(screen, width=width, unicode=unicode)
    for event in events:
        plain.handle(event)
    return screen


def check(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("BATCHGATE_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def gate(name: str, *, kind: str = "command") -> Gate:
    work = Command(argv=("true",)) if kind == "command" else Tests(expression=name)
    return Gate(name=GateName(name), work=work)


def report(name: str, state: GateState = S.PASSED, *, needs: Sequence[str] = (), **more: Any) -> GateReport:
    fields = {"kind": "command", "required": True, "started_s": 0.1, **more}
    return GateReport(name=GateName(name), state=state, needs=tuple(map(GateName, needs)), **fields)


def run(
    *reports: GateReport,
    events: Sequence[Event] = (),
    verdict: str = "passed",
    exit_code: int = 0,
    wall_s: float = 5.1,
    work_s: float = 8.0,
    path: Sequence[str] = (),
    stop_reason: str | None = None,
) -> list[Event]:
    """A run of these gates: started, the events given, each gate finished half a second after another."""
    schedule = Schedule(
        work_s=work_s,
        critical_path_s=4.0,
        critical_path=tuple(map(GateName, path)),
        lower_bound_s=4.0,
        efficiency=0.784,
    )
    result = RunResult(
        verdict=verdict,
        exit_code=exit_code,
        wall_s=wall_s,
        workers=2,
        gates=reports,
        schedule=schedule,
        stop_reason=stop_reason,
    )
    gates = tuple(gate(found.name, kind=found.kind) for found in reports)
    ends = [GateFinished(1.0 + number / 2, found) for number, found in enumerate(reports)]
    return [RunStarted(0.0, gates, 2), *events, *ends, RunFinished(wall_s, result)]


def started(at: float, name: str, *slots: int) -> GateStarted:
    return GateStarted(at, GateName(name), slots)


def unit(state: GateState = S.PASSED, **more: Any) -> GateReport:
    counts = {"passed": 1234, "failed": 0 if state.good else 2, "skipped": 3}
    return report("unit", state, kind="tests", counts=counts, wall_s=4.0, work_s=7.1, **more)


LINT = report("lint", wall_s=0.9, work_s=0.9)

PASSED = run(
    LINT,
    report("typecheck", S.CACHED, started_s=None, reason="nothing it reads has changed"),
    unit(),
    report("database", is_service=True, wall_s=4.5),
    report("flaky-one", S.FLAKY, wall_s=65.0, work_s=65.0, attempts=2),
    events=[
        started(0.3, "lint", 0),
        started(0.3, "unit"),
        started(0.4, "database"),
        GateBecameReady(0.6, GateName("database")),
        Noticed(0.7, "-n 4 of addopts is ignored"),
        started(0.8, "flaky-one", 0, 1),
    ],
    path=["database", "unit"],
)

FAILED = run(
    report("lint", S.FAILED, wall_s=0.9, work_s=0.9, reason="exit code 1"),
    unit(S.FAILED),
    report("security", S.TIMED_OUT, required=False, wall_s=30.0, work_s=30.0, reason="30s"),
    report("integration", S.SKIPPED, kind="tests", started_s=None, needs=["database", "unit"]),
    report("docs", S.SKIPPED, started_s=None, needs=["lint"], reason="needs lint, which failed"),
    report("none", S.EMPTY, kind="tests", reason="no test matches 'none'"),
    report("late", S.CANCELLED, started_s=None, reason="fail-fast: lint failed"),
    report("shaky", S.BROKEN, kind="tests", counts={"failed": 5, "skipped": 9}, wall_s=1.0, work_s=1.0),
    report("worker", S.CRASHED, kind="tests", counts={"error": 1, "passed": 1}, wall_s=1.0, work_s=1.0),
    events=[
        started(0.3, "lint", 0),
        WorkerStopped(0.5, "gw0", None),
        WorkerStopped(0.9, "gw1", "killed by SIGKILL"),
    ],
    verdict="failed",
    exit_code=1,
    path=["lint"],
)

INTERRUPTED = run(
    LINT,
    unit(S.CANCELLED, reason="interrupted"),
    events=[started(0.3, "lint", 0), started(0.3, "unit")],
    verdict="interrupted",
    exit_code=2,
    stop_reason="Ctrl-C",
)

HOSTILE = run(
    report("lint", S.FAILED, reason="\x1b[2J::error::x\n::set-env name=A::b\r##[error]\u202e caf\u00e9"),
    events=[Noticed(0.1, "::stop-commands::x\n\x1b]0;title\x07end")],
    verdict="failed",
    exit_code=1,
)


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("passed", PASSED),
        ("failed", FAILED),
        ("interrupted", INTERRUPTED),
        ("hostile", HOSTILE),
        (
            "maxfail",
            run(unit(S.FAILED), verdict="failed", exit_code=1, stop_reason="stopping after 1 failure"),
        ),
        ("no-gates", run(verdict="failed", exit_code=5, work_s=0.0)),
        ("nothing-to-do", run(verdict="passed", exit_code=0, work_s=0.0)),
        ("collection-error", run(LINT, verdict="failed", exit_code=2)),
        (
            "only-optional",
            run(report("security", S.FAILED, required=False, wall_s=1.0, work_s=1.0), LINT),
        ),
        (
            "many-culprits",
            run(*(report(f"g{i}", S.FAILED) for i in range(13)), verdict="failed", exit_code=1),
        ),
    ],
)
def test_the_whole_output(name: str, events: list[Event]) -> None:
    check(name, show(events).text)


def test_a_narrow_stream_without_unicode() -> None:
    text = show([*PASSED, *HOSTILE], width=40, unicode=False).text
    assert text.isascii()
    check("narrow-ascii", text)


def test_colours_follow_the_state_and_what_it_means() -> None:
    colours = {}
    for text, markup in show(FAILED).lines:
        for name in ("lint", "security", "docs"):
            if text.startswith(f"{name} "):
                colours[name] = markup
    assert colours == {"lint": {"red": True}, "security": {"yellow": True}, "docs": {"yellow": True}}
    assert show(PASSED).lines[-1][1] == {"bold": True, "green": True}
    assert show(FAILED).lines[-1][1] == {"bold": True, "red": True}
    assert show(INTERRUPTED).lines[-1][1] == {"bold": True, "yellow": True}


# --- logs -----------------------------------------------------------------------


def with_log(path: Path, state: GateState = S.FAILED) -> str:
    events = run(report("lint", state, log_path=str(path)), verdict="failed", exit_code=1)
    return show(events).text.replace(str(path), "lint.log")


def test_the_end_of_a_failed_commands_log_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "lint.log"
    path.write_text("".join(f"line {number}\n" for number in range(1, 101)))
    text = with_log(path)
    assert "lint failed, its log: lint.log\nlint | (earlier output is in the log)\nlint | line 61\n" in text
    assert "lint | line 100\n\ngate " in text
    assert "line 60\n" not in text


@pytest.mark.parametrize("state", [S.PASSED, S.CANCELLED, S.SKIPPED])
def test_other_logs_are_not_shown(tmp_path: Path, state: GateState) -> None:
    path = tmp_path / "lint.log"
    path.write_text("hello")
    assert "hello" not in with_log(path, state)


def test_an_empty_and_a_missing_log_are_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "lint.log"
    assert "lint | (the log cannot be read: No such file or directory)\n" in with_log(path)
    path.touch()
    assert "lint | (no output)\n" in with_log(path)


def test_no_line_of_a_log_begins_as_the_tool_likes(tmp_path: Path) -> None:
    path = tmp_path / "lint.log"
    path.write_bytes(b"::error::a\r::add-mask::b\n\n\x1b[1A##[warning]c\x0b::d\x85::e\xff\xfe")
    lines = [line for line in with_log(path).splitlines() if line.startswith("lint |")]
    assert lines == [
        "lint | ::error::a",
        "lint | ::add-mask::b",
        "lint |",
        "lint | ## [warning]c",
        "lint | ::d\ufffd::e\ufffd\ufffd",
    ]


def test_a_huge_log_is_read_from_its_end(tmp_path: Path) -> None:
    """200 MB, sparse, so that reading all of it would show as memory, not as disk."""
    path = tmp_path / "lint.log"
    with path.open("wb") as file:
        file.seek(200_000_000)
        file.write(b"\nlast but one\nlast\n")
    assert tail(path)[-2:] == ["last but one", "last"]


@pytest.mark.parametrize("size", [1000, 100_000])
def test_an_endless_line_is_cut(tmp_path: Path, size: int) -> None:
    path = tmp_path / "lint.log"
    path.write_bytes(b"x" * size)
    line = tail(path)[-1]
    assert (len(line), line[-4:]) == (500, "x...")


@pytest.mark.parametrize("content", [bytes(range(256)) * 400, b"\x1b" * 100_000, "\u00e9".encode() * 65_535])
def test_any_bytes_can_be_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lint.log"
    path.write_bytes(content)
    for line in tail(path, unicode=False):
        assert line.isascii()
        assert line.isprintable()


def test_a_pipe_in_the_place_of_a_log_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lint.log")
    assert tail(tmp_path / "lint.log") == []


def changed(after: BreakerState, reason: str, held: int, *, wakes_at: float | None = None) -> BreakerChanged:
    change = BreakerChange(
        at=2.0,
        before=BreakerState.CLOSED,
        after=after,
        trigger=Trigger.TRIPPED,
        reason=reason,
        wakes_at=wakes_at,
    )
    return BreakerChanged(2.0, GateName("unit"), change, held)


def test_changes_of_a_breaker_say_what_they_mean_for_the_tests() -> None:
    screen = show(
        [
            changed(BreakerState.OPEN, "5 failures in a row", 37, wakes_at=32.0),
            changed(BreakerState.HALF_OPEN, "after 30 s", 37),
            changed(BreakerState.CLOSED, "the probe passed", 36),
            changed(BreakerState.BROKEN, "5 failures in a row, and no cooldown is set", 1),
            changed(BreakerState.BROKEN, "\x1b[31m2 failures", 0),
        ]
    )
    assert [line.partition("] ")[2].split(maxsplit=2)[1:] for line, _ in screen.lines] == [
        ["open", "breaker: 5 failures in a row; 37 tests held back; tried again in 30.0s"],
        ["half-open", "breaker: after 30 s; of 37 tests some are tried"],
        ["closed", "breaker: the probe passed; 36 tests to go"],
        ["broken", "breaker: 5 failures in a row, and no cooldown is set; 1 test not run"],
        ["broken", "breaker: 2 failures"],
    ]


def test_of_very_many_retries_the_first_are_told() -> None:
    collected = CollectedFile(file="a.py", keys=("a.py::test_a",), gates=(0,))
    again = TestWillRetry(
        at=1.0,
        gate=GateName("unit"),
        worker="gw0",
        collected=collected,
        result=TestResult(0, "failed", 0.1),
        state=S.FAILED,
        attempt=1,
        most=3,
        pause_s=0.5,
    )
    lines = show([again] * 30).lines
    assert len(lines) == 20
    assert lines[0][0].endswith("retry       a.py::test_a: attempt 1 of 3 failed; again in 0.5s")
    assert lines[-1][0].endswith("again in 0.5s (further ones are not shown)")
