"""Events fold into one result: sums are kept, the bound is a bound, the exit code is pytest's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    GateBecameReady,
    GateFinished,
    GateReport,
    GateStarted,
    RunStarted,
    TestsWereRun,
)
from pytest_batchgate.core.model import Command, Config, Gate, GateName, GateState, Ready, Tests
from pytest_batchgate.core.plan import Plan, build_plan
from pytest_batchgate.core.protocol import CollectedFile, StopAsked, TestResult, Traits
from pytest_batchgate.core.tally import Ending, Tally, exit_code, verdict

S = GateState
UNIT = GateName("unit")


def command(name: str, *needs: str, ready: Ready | None = None) -> Gate:
    work = Command(argv=("true",), ready=ready)
    return Gate(name=GateName(name), work=work, needs=tuple(map(GateName, needs)))


def of_tests(name: str, *needs: str, max_workers: int | None = None) -> Gate:
    work = Tests(expression=name, max_workers=max_workers)
    return Gate(name=GateName(name), work=work, needs=tuple(map(GateName, needs)))


def plan_of(*gates: Gate) -> Plan:
    return build_plan(Config(gates=gates))


def report(
    name: str,
    state: GateState = S.PASSED,
    *,
    wall_s: float = 0.0,
    work_s: float | None = None,
    required: bool = True,
    kind: str = "command",
    is_service: bool = False,
) -> GateReport:
    return GateReport(
        name=GateName(name),
        kind=kind,
        state=state,
        required=required,
        needs=(),
        wall_s=wall_s,
        work_s=wall_s if work_s is None else work_s,
        is_service=is_service,
    )


def tally_of(plan: Plan, *events: Event, workers: int = 2) -> Tally:
    tally = Tally(plan)
    for event in (RunStarted(0.0, plan.gates, workers), *events):
        tally.handle(event)
    return tally


def finished(*reports: GateReport) -> list[Event]:
    return [GateFinished(9.0, found) for found in reports]


def ran(collected: CollectedFile, *durations: float) -> TestsWereRun:
    results = tuple(TestResult(index, "passed", duration) for index, duration in enumerate(durations))
    return TestsWereRun(1.0, "gw0", collected, results)


def stop(kind: str, code: int = 2) -> StopAsked:
    return StopAsked(kind, "because", code)


# --- exit code ------------------------------------------------------------------

GOOD = [state for state in GateState if state.good]
BAD = [state for state in GateState if state.ended and not state.good]


@pytest.mark.parametrize("state", BAD)
def test_a_required_gate_that_is_not_good_fails_the_run(state: GateState) -> None:
    assert exit_code(Ending(), [report("a"), report("b", state)]) == 1
    assert exit_code(Ending(), [report("a"), report("b", state, required=False)]) == 0


@pytest.mark.parametrize("state", GOOD)
def test_good_gates_pass_unless_there_was_nothing_to_run(state: GateState) -> None:
    assert exit_code(Ending(), [report("a", state)]) == (5 if state is S.DESELECTED else 0)


@pytest.mark.parametrize(
    "gates",
    [
        [],
        [report("a", S.DESELECTED)],
        [report("a", S.EMPTY, required=False), report("db", S.PASSED, is_service=True)],
    ],
)
def test_nothing_to_run_is_five_but_where_that_is_fine(gates: list[GateReport]) -> None:
    assert exit_code(Ending(), gates) == 5
    assert exit_code(Ending(nothing_is_fine=True), gates) == 0


def test_the_first_that_applies_is_the_exit_code() -> None:
    """One reason after the other is taken away, from the strongest on."""
    bad, gates = [report("a", S.FAILED)], [report("a")]
    owed = ("junit.xml",)
    assert exit_code(Ending(stop=stop("exit", 77), owed=owed), bad, collection_errors=1) == 77
    assert exit_code(Ending(stop=stop("internal"), owed=()), bad, collection_errors=1) == 3
    assert exit_code(Ending(stop=stop("usage"), owed=owed), bad, collection_errors=1) == 3
    assert exit_code(Ending(stop=stop("usage")), bad, collection_errors=1) == 4
    assert exit_code(Ending(stop=stop("interrupted")), bad) == 2
    assert exit_code(Ending(), bad, collection_errors=1) == 2
    go_on = Ending(continue_on_collection_errors=True)
    assert exit_code(go_on, gates, collection_errors=1) == 1
    assert exit_code(Ending(stop=stop("maxfail", 1)), bad) == 1
    assert exit_code(Ending(loose_errors=1), gates) == 1
    assert exit_code(Ending(), gates) == 0


@pytest.mark.parametrize(
    ("ending", "code", "expected"),
    [
        (Ending(), 0, "passed"),
        (Ending(), 1, "failed"),
        (Ending(), 5, "failed"),
        (Ending(stop=stop("maxfail")), 1, "failed"),
        (Ending(stop=stop("interrupted")), 2, "interrupted"),
        (Ending(stop=stop("exit")), 0, "interrupted"),
    ],
)
def test_the_verdict_follows_from_how_it_ended(ending: Ending, code: int, expected: str) -> None:
    assert verdict(ending, code) == expected


# --- result ---------------------------------------------------------------------


def test_the_result_names_every_gate_once_in_the_plans_order() -> None:
    plan = plan_of(command("a"), command("b", "a"), command("c"))
    done = report("c", wall_s=2.0)
    result = tally_of(plan, *finished(done), workers=3).result(4.0, Ending(stop=stop("interrupted")))
    assert [(gate.name, gate.state) for gate in result.gates] == [
        ("a", S.CANCELLED),
        ("b", S.CANCELLED),
        ("c", S.PASSED),
    ]
    assert (result.wall_s, result.workers, result.stop_reason) == (4.0, 3, "because")
    assert (result.verdict, result.exit_code) == ("interrupted", 2)


def test_a_report_that_fails_after_the_result_changes_the_exit_code() -> None:
    tally = tally_of(plan_of(command("a")), *finished(report("a")))
    assert tally.result(1.0).exit_code == 0
    assert tally.exit_code(Ending(owed=("report.json",))) == 3


def test_collection_errors_are_counted_from_the_events() -> None:
    broken = CollectedFile(file="a.py", keys=(), gates=(), errors=1)
    tally = tally_of(plan_of(command("a")), FileWasCollected(0.1, "gw0", broken), *finished(report("a")))
    assert tally.result(1.0).exit_code == 2
    assert tally.result(1.0, Ending(continue_on_collection_errors=True)).exit_code == 1


# --- schedule -------------------------------------------------------------------


def test_commands_in_a_chain_are_the_critical_path() -> None:
    r"""a(1) -> b(2) -> d(3), c(4): work 10, path 6, on two workers in 8 s."""
    plan = plan_of(command("a"), command("b", "a"), command("c"), command("d", "b"))
    walls = {"a": 1.0, "b": 2.0, "c": 4.0, "d": 3.0}
    events = finished(*(report(name, wall_s=wall) for name, wall in walls.items()))
    schedule = tally_of(plan, *events).schedule(8.0)
    assert (schedule.work_s, schedule.critical_path_s) == (10.0, 6.0)
    assert schedule.critical_path == ("a", "b", "d")
    assert (schedule.lower_bound_s, schedule.efficiency) == (6.0, 0.75)
    alone = tally_of(plan, *events, workers=0).schedule(10.0)
    assert (alone.lower_bound_s, alone.efficiency) == (10.0, 1.0)


def test_a_service_counts_until_it_is_ready_and_is_no_work() -> None:
    plan = plan_of(command("db", ready=Ready(port=1)), command("use", "db"))
    tally = tally_of(
        plan,
        GateStarted(1.0, GateName("db"), ()),
        GateBecameReady(1.5, GateName("db")),
        *finished(report("use", wall_s=2.0), report("db", wall_s=30.0, is_service=True)),
    )
    schedule = tally.schedule(5.0)
    assert (schedule.work_s, schedule.critical_path_s) == (2.0, 2.5)


def test_a_of_tests_takes_at_least_its_longest_test_and_the_collection_before_it() -> None:
    """Not its longest file: that may be split.  Tests of no gate and of gates left out are nobody's."""
    plan = plan_of(of_tests("unit"))
    file = CollectedFile(file="a.py", keys=("a", "b", "c", "d"), gates=(0, 0, 0, NO_GATE), duration_s=0.5)
    assert tally_of(plan, ran(file, 1.0, 3.0, 2.0, 50.0)).spans() == {"unit": 3.5}


def test_a_gate_with_needs_may_have_been_collected_while_they_ran() -> None:
    plan = plan_of(command("lint"), of_tests("unit", "lint"))
    file = CollectedFile(file="a.py", keys=("a", "b"), gates=(0, 0), duration_s=0.5)
    tally = tally_of(plan, ran(file, 1.0, 3.0), *finished(report("lint", wall_s=1.0)))
    assert tally.spans() == {"lint": 1.0, "unit": 3.0}


def test_tests_that_must_follow_one_another_add_up() -> None:
    plan = plan_of(command("x"), of_tests("unit", "x"))
    traits = {0: Traits(group="g"), 1: Traits(group="g", serial=("db",)), 2: Traits(serial=("db", ""))}
    file = CollectedFile(file="a.py", keys=("a", "b", "c", "d"), gates=(0, 0, 0, 0), traits=traits)
    assert tally_of(plan, ran(file, 1.0, 3.0, 4.0, 5.0)).spans()[UNIT] == 7.0  # b and c share "db"


def test_a_limit_of_workers_bounds_a_of_tests_by_its_work() -> None:
    plan = plan_of(command("x"), of_tests("unit", "x", max_workers=2))
    file = CollectedFile(file="a.py", keys=("a", "b", "c"), gates=(0, 0, 0))
    assert tally_of(plan, ran(file, 1.0, 2.0, 3.0)).spans()[UNIT] == 3.0
    assert tally_of(plan, ran(file, 2.0, 2.0, 2.0)).spans()[UNIT] == 3.0


def test_tests_of_a_gate_that_was_left_out_are_nobodys() -> None:
    both = (of_tests("unit"), of_tests("slow"))
    whole = plan_of(*both)
    plan = Plan(
        config=whole.config,
        gates=both[:1],
        claims=whole.claims,
        needs={},
        dependents={},
        order=(both[0].name,),
    )
    file = CollectedFile(file="a.py", keys=("a", "b"), gates=(0, 1))
    assert tally_of(plan, ran(file, 1.0, 9.0)).spans() == {"unit": 1.0}


def test_a_run_without_gates_has_a_schedule() -> None:
    result = tally_of(plan_of()).result(0.0)
    assert (result.gates, result.exit_code, result.schedule.efficiency) == ((), 5, 0.0)


durations = st.floats(0.0, 1000.0)


@given(st.data())
def test_any_events_keep_their_sums(data: st.DataObject) -> None:
    """Random gates, files and batches: nothing is lost, and the bound obeys its definition."""
    count = data.draw(st.integers(1, 6))
    gates: list[Gate] = []
    for number in range(count):
        needs = data.draw(st.lists(st.sampled_from([g.name for g in gates]), unique=True)) if gates else []
        gate = command(f"g{number}", *needs) if data.draw(st.booleans()) else of_tests(f"g{number}", *needs)
        gates.append(gate)
    plan = plan_of(*gates)
    work = dict.fromkeys((gate.name for gate in plan.gates), 0.0)
    tally = tally_of(plan, workers=(workers := data.draw(st.integers(0, 9))))
    claims = st.integers(NO_GATE, len(plan.claims) - 1)
    for name in ("a.py", "b.py"):
        owners = tuple(data.draw(st.lists(claims, max_size=8)))
        file = CollectedFile(
            file=name, keys=tuple(map(str, range(len(owners)))), gates=owners, duration_s=data.draw(durations)
        )
        tally.handle(FileWasCollected(0.1, "gw0", file))
        times = data.draw(st.lists(durations, min_size=len(owners), max_size=len(owners)))
        tally.handle(ran(file, *times))
        for owner, seconds in zip(owners, times, strict=True):
            if owner != NO_GATE:
                work[plan.claims[owner].name] += seconds
    states = data.draw(st.lists(st.sampled_from(GOOD + BAD), min_size=count, max_size=count))
    for gate, state in zip(plan.gates, states, strict=True):
        if gate.kind == "command":
            work[gate.name] = data.draw(durations)
        wall = work[gate.name]
        event = GateFinished(9.0, report(gate.name, state, wall_s=wall, work_s=wall, kind=gate.kind))
        tally.handle(event)
    wall_s = data.draw(st.floats(0.001, 5000.0))
    result = tally.result(wall_s)
    schedule = result.schedule
    assert [gate.state for gate in result.gates] == states
    assert math.isclose(schedule.work_s, sum(work.values()), abs_tol=1e-9)
    assert schedule.lower_bound_s >= schedule.critical_path_s >= max(tally.spans().values())
    assert schedule.lower_bound_s >= schedule.work_s / max(1, workers) - 1e-9
    assert math.isclose(schedule.critical_path_s, sum(tally.spans()[name] for name in schedule.critical_path))
    assert 0.0 <= schedule.efficiency <= 1.0
    assert (result.exit_code == 1) == any(not state.good for state in states)
