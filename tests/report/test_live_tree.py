"""The live tree as text: what is folded from events, what is shown, what is left out where room is short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.core.breaker import BreakerChange, BreakerState, Trigger
from pytest_batchgate.core.events import (
    BreakerChanged,
    Event,
    FilesListed,
    FileWasCollected,
    GateBecameReady,
    GateFinished,
    GateReport,
    GateStarted,
    GateWillRetry,
    Noticed,
    RunStarted,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
    WorkerStopped,
)
from pytest_batchgate.core.model import Command, Config, Estimates, Gate, GateName, GateState, Ready, Tests
from pytest_batchgate.core.plan import build_plan
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.report.livestate import AtWork, LiveState
from pytest_batchgate.report.livetree import draw
from pytest_batchgate.report.plain import PlainReport

S = GateState


def command(name: str, *needs: str, **more: Any) -> Gate:
    return Gate(name=GateName(name), work=Command(argv=("true",)), needs=tuple(map(GateName, needs)), **more)


def suite(name: str, *needs: str, **more: Any) -> Gate:
    work = Tests(expression=name)
    return Gate(name=GateName(name), work=work, needs=tuple(map(GateName, needs)), **more)


def service(name: str) -> Gate:
    return Gate(name=GateName(name), work=Command(argv=("db",), ready=Ready(port=1)))


def live(*gates: Gate, events: Sequence[Event] = (), stages: Sequence[str] = (), **more: Any) -> LiveState:
    plan = build_plan(Config(gates=gates, stages=tuple(stages)))
    state = LiveState(plan, more.pop("estimates", Estimates()), workers=2, **more)
    for event in (RunStarted(0.0, plan.gates, 2), *events):
        state.fold(event)
    return state


def started(name: str, *slots: int, at: float = 0.5) -> GateStarted:
    return GateStarted(at, GateName(name), slots)


def ended(name: str, how: GateState = S.PASSED, **more: Any) -> GateFinished:
    fields = {"kind": "command", "required": True, "needs": (), "started_s": 0.5, "wall_s": 1.25, **more}
    return GateFinished(2.0, GateReport(name=GateName(name), state=how, **fields))


def collected(file: str, count: int, claim: int = 0) -> FileWasCollected:
    keys = tuple(f"{file}::test_{number}" for number in range(count))
    return FileWasCollected(1.0, "gw0", CollectedFile(file=file, keys=keys, gates=(claim,) * count))


def ran(of: FileWasCollected, *outcomes: str, worker: str = "gw0") -> TestsWereRun:
    results = tuple(TestResult(index, outcome, 0.1) for index, outcome in enumerate(outcomes))
    return TestsWereRun(1.5, worker, of.collected, results)


def text(
    state: LiveState,
    *at_work: AtWork,
    at: float = 7.9,
    width: int = 100,
    height: int = 30,
    unicode: bool = True,
) -> str:
    lines = draw(state, state.running_tests(at_work, at), at, width=width, height=height, unicode=unicode)
    return "".join("".join(piece for piece, _ in line) + "\n" for line in lines)


UNIT = collected("test_a.py", 4)


def test_a_run_with_stages_needs_a_service_and_a_failure() -> None:
    """lint, typecheck | unit, integration (needs unit, database) | docs, which stands in no stage."""
    state = live(
        command("lint", stage="static"),
        command("typecheck", stage="static", required=False),
        suite("unit", stage="test"),
        suite("integration", "unit", "database", stage="test"),
        service("database"),
        command("docs", "lint"),
        stages=["static", "test"],
        estimates=Estimates(
            commands={"lint": 2.0, "typecheck": 30.0, "docs": 1.0},
            work={"unit": 24.0, "integration": 8.0},
            tests={"unit": 40, "integration": 8},
        ),
        events=[
            started("lint", 0),
            started("typecheck", 1),
            ended("lint"),
            started("database"),
            GateBecameReady(1.0, GateName("database")),
            ended("typecheck", S.FAILED, required=False, reason="exit code 1"),
            FilesListed(1.0, ("test_a.py", "test_b.py")),
            UNIT,
            started("unit"),
            ran(UNIT, "passed", "failed"),
            TestWasLost(2.0, "gw1", UNIT.collected, 2, "error", "no"),
        ],
    )
    shown = text(state, AtWork("gw0", "test_a.py", 3, 3.4), AtWork("gw1", "test_zzz.py", 0, 1.0))
    assert shown == (
        "7s of ~46s · 2 of 6 gates · 3 of ~48 tests · 2 failed · 1 gate not good\n"
        "├─ static\n"
        "│  ├─ ✓ lint         passed      1.2s\n"
        "│  └─ ✗ typecheck    failed      1.2s           not required, exit code 1\n"
        "├─ test\n"
        "│  ├─ ● unit         running     7s of ~12s     3 of ~40, 1 failed, 1 error\n"
        "│  │  └─ gw0       3s  test_a.py::test_3\n"
        "│  └─ ○ integration  waiting     ~4s            for unit\n"
        "├─ ● database        ready       7s\n"
        "└─ ○ docs            waiting     ~1.0s          for a worker\n"
    )


@pytest.mark.parametrize(
    ("gates", "events", "reason"),
    [
        ((command("a"), command("x", "a")), [], "for a"),
        ((command("a"), command("x", "a")), [ended("a")], "for a worker"),
        ((command("a", required=False), command("x", "a")), [ended("a", S.FAILED)], "for a worker"),
        ((command("a"), command("x", "a", when="always")), [ended("a", S.FAILED)], "for a worker"),
        ((service("a"), command("x", "a")), [started("a")], "for a"),
        (
            (service("a"), command("x", "a")),
            [started("a"), GateBecameReady(1.0, GateName("a"))],
            "for a worker",
        ),
        (
            (command("a", resources=("db",)), command("x", resources=("db",))),
            [started("a")],
            "for db, which a holds",
        ),
        (
            (command("x"),),
            [started("x"), GateWillRetry(1.0, GateName("x"), 1, 3, S.FAILED, "exit code 1", 2.0)],
            "for attempt 2 of 3",
        ),
        ((service("x"), command("y", "x")), [], "for a gate that needs it"),
    ],
)
def test_what_a_gate_waits_for(gates: Sequence[Gate], events: Sequence[Event], reason: str) -> None:
    state = live(*gates, events=events)
    line = next(line for line in text(state).splitlines() if "○ x" in line)
    assert line.endswith(f"waiting     {'':13}  {reason}")


def breaker(after: BreakerState, reason: str, wakes_at: float | None = None) -> BreakerChanged:
    """Of a gate `unit`, as far as the tree cares."""
    change = BreakerChange(
        at=2.0,
        before=BreakerState.HALF_OPEN,
        after=after,
        trigger=Trigger.RELAPSED,
        reason=reason,
        wakes_at=wakes_at,
    )
    return BreakerChanged(2.0, GateName("unit"), change, 3)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (
            breaker(BreakerState.OPEN, "2 failures in a row", 12.0),
            "1 of 4, breaker open: 2 failures in a row, tried again in 4s",
        ),
        (breaker(BreakerState.HALF_OPEN, "after 9 s"), "1 of 4, breaker half-open: after 9 s"),
        (breaker(BreakerState.CLOSED, "the probe passed"), "1 of 4"),
    ],
)
def test_a_breaker_says_why_the_gate_stands_still(change: BreakerChanged, shown: str) -> None:
    listed = FilesListed(1.0, ("test_a.py",))
    state = live(suite("unit"), events=[listed, started("unit"), UNIT, ran(UNIT, "passed"), change])
    assert text(state).splitlines()[1].endswith(f"  {shown}")


def test_tests_that_run_again_are_counted() -> None:
    again = TestWillRetry(
        at=1.0,
        gate=GateName("unit"),
        worker="gw0",
        collected=UNIT.collected,
        result=TestResult(1, "failed", 0.1),
        state=S.FAILED,
        attempt=1,
        most=3,
        pause_s=1.0,
    )
    listed = FilesListed(1.0, ("test_a.py",))
    state = live(suite("unit"), events=[listed, started("unit"), UNIT, ran(UNIT, "passed"), again])
    assert text(state).splitlines()[1].endswith("  1 of 4, 1 retry")


def test_a_stage_is_named_where_it_is_the_stage_that_is_waited_for() -> None:
    state = live(
        command("a", stage="one"), command("b", stage="one"), command("x", stage="two"), stages=["one", "two"]
    )
    assert "for stage one\n" in text(state)


def test_in_turn_a_gate_waits_for_its_turn() -> None:
    state = live(command("a"), command("x"), events=[started("a", 0)], sequential=True)
    assert "for its turn\n" in text(state)


def test_numbers_of_tests_are_exact_once_all_files_are_collected() -> None:
    """A second environment that collects the same file adds nothing."""
    events: list[Event] = [FilesListed(0.5, ("test_a.py",)), UNIT, UNIT, started("unit"), ran(UNIT, "passed")]
    state = live(suite("unit"), events=events, estimates=Estimates(tests={"unit": 99}))
    assert " · 1 of 4 tests" in text(state)
    assert "running     7s             1 of 4\n" in text(state)


def test_a_narrowed_run_does_not_expect_what_whole_gates_took() -> None:
    estimates = Estimates(tests={"unit": 99}, work={"unit": 50.0}, commands={"lint": 5.0})
    shown = text(live(suite("unit"), command("lint"), estimates=estimates, narrowed=True))
    assert "99" not in shown
    assert shown.startswith("7s · 0 of 2 gates · 0 of 0+ tests\n")
    assert "~5s" in shown


def test_a_test_that_is_not_known_yet_is_left_out() -> None:
    state = live(suite("unit"), events=[UNIT, started("unit")])
    assert "gw0" not in text(state, AtWork("gw0", "test_a.py", 4, 0.0), AtWork("gw0", "other.py", 0, 0.0))


def test_a_worker_between_two_tests_keeps_its_line_for_half_a_second() -> None:
    state = live(suite("unit"), events=[UNIT, started("unit")])
    assert "4+ tests" in text(state, AtWork("gw0", "test_a.py", 1, 0.0), at=5.0)
    assert "test_a.py::test_1" in text(state, at=5.5)
    assert "test_a.py::test_1" not in text(state, at=5.6)
    assert "test_a.py::test_2" in text(state, AtWork("gw0", "test_a.py", 2, 0.0), at=5.7)
    state.fold(ended("unit"))
    assert "gw0" not in text(state, at=5.7)


def test_beside_the_tree_only_what_must_last_is_written() -> None:
    """And everything again once the tree has been taken down."""
    written: list[str] = []
    beside = True

    def write(text: str, /, **markup: bool) -> None:
        written.append(text)

    plain = PlainReport(write, beside_tree=lambda: beside)

    def told(*events: Event) -> list[str]:
        written.clear()
        for event in events:
            plain.handle(event)
        return [line.partition("] ")[2].split("  ")[0] for line in written]

    events: list[Event] = [
        started("good"),
        ended("good"),
        ended("bad", S.FAILED),
        ended("late", S.CANCELLED),
        Noticed(1.0, "mind the gap"),
        WorkerStopped(1.0, "gw1", "was killed"),
        WorkerStopped(1.0, "gw0", None),
    ]
    assert told(*events) == ["bad", "note: mind the gap", "gw1 was lost: was killed"]
    beside = False
    assert told(*events[:4]) == ["good", "good", "bad", "late"]


def test_where_room_is_short_running_tests_go_first_then_what_ended_well() -> None:
    state = live(
        command("good"),
        command("bad"),
        suite("unit"),
        command("late"),
        events=[
            started("good", 0),
            started("bad", 1),
            ended("good"),
            ended("bad", S.FAILED),
            UNIT,
            started("unit"),
        ],
    )
    at_work = [AtWork(f"gw{number}", "test_a.py", number, 9.0 - number) for number in range(3)]

    def names(height: int) -> list[str]:
        shown = text(state, *at_work, height=height).splitlines()
        assert len(shown) <= height
        return [line.split()[2] for line in shown[1:] if line.split()[1] in "○●✓✗"] + [
            line[3:] for line in shown if "not shown" in line
        ]

    assert names(8) == ["good", "bad", "unit", "late"]
    assert names(7) == ["good", "bad", "unit", "late", "not shown: 2 running tests"]
    assert names(6) == ["good", "bad", "unit", "late", "not shown: 3 running tests"]
    assert names(5) == ["bad", "unit", "late", "not shown: 3 running tests, 1 finished gate"]
    assert names(4) == ["bad", "unit", "not shown: 3 running tests, 1 finished gate, 1 waiting gate"]
    assert names(3) == ["unit", "not shown: 3 running tests, 2 finished gates, 1 waiting gate"]
    assert names(1) == []
    kept = text(state, *at_work, height=7)
    assert "gw0       9s" in kept, "the test that runs longest"


def test_a_stage_whose_gates_are_all_hidden_gives_its_line_too() -> None:
    state = live(
        command("a", stage="one"), command("b", stage="two"), stages=["one", "two"], events=[ended("a")]
    )
    assert "one" not in text(state, height=4).replace("stage one", "")
    assert "two" in text(state, height=4)


def test_names_of_tests_can_do_nothing_but_be_read() -> None:
    file = CollectedFile(file="t.py", keys=("t.py::test[\x1b[2J\x1b]0;title\x07\nred]",), gates=(0,))
    state = live(suite("unit"), events=[FileWasCollected(1.0, "gw0", file), started("unit")])
    shown = text(state, AtWork("gw0", "t.py", 0, 0.0))
    assert "t.py::test[ red]" in shown
    assert "\x1b" not in shown


def test_without_unicode_every_line_is_ascii_and_cut_with_dots() -> None:
    file = CollectedFile(file="t.py", keys=("t.py::test_\u00e4" + "x" * 90,), gates=(0,))
    state = live(
        suite("unit"), command("x", "unit"), events=[FileWasCollected(1.0, "gw0", file), started("unit")]
    )
    shown = text(state, AtWork("gw0", "t.py", 0, 0.0), unicode=False, width=40)
    assert shown.isascii()
    assert "|- * unit" in shown
    assert "|  `- gw0       0s  t.py::test_\\xe4xx...\n" in shown
    assert max(map(len, shown.splitlines())) == 40


@given(
    gates=st.integers(0, 12),
    finished=st.integers(0, 12),
    at_work=st.integers(0, 8),
    staged=st.booleans(),
    width=st.integers(0, 50),
    height=st.integers(0, 25),
)
def test_the_tree_is_never_larger_than_the_screen(
    gates: int, finished: int, at_work: int, staged: bool, width: int, height: int
) -> None:
    stages = ["one", "two"] if staged else []
    names = [f"g{number}" for number in range(gates)]
    made = [suite(name, stage=stages[number % 2] if staged else None) for number, name in enumerate(names)]
    file = collected("test_a.py", 8)
    events: list[Event] = [file] if gates else []
    events += [
        ended(name, S.PASSED if number % 3 else S.FAILED) for number, name in enumerate(names[:finished])
    ]
    state = live(*made, stages=stages, events=events)
    running = [AtWork(f"gw{number}", "test_a.py", number, 1.0) for number in range(at_work)]
    shown = text(state, *running, width=width, height=height, unicode=False).splitlines()
    assert len(shown) <= max(height, 1)
    assert all(len(line) <= width for line in shown)
    if height > 1 and gates and len(shown) < 1 + gates:
        assert "not shown" in shown[-1] or width < 20
