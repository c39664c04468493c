"""Resuming: what was good is carried, and a run that was cut anywhere ends as if it had not been.

More examples: ``TESTS_EXAMPLES=5000 pytest tests/core/test_carry.py``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulator import Simulator
from simworld import SimCommand, SimFile, SimTest, World
from worlds import calm_worlds

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.carry import (
    GOOD,
    Carried,
    PastFile,
    PastGate,
    PastRun,
    PastTest,
    differences,
    listed,
    what_to_carry,
)
from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    GateFinished,
    GateStarted,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
)
from pytest_batchgate.core.model import Command, Config, Gate, GateName, GateState, Ready, Tests
from pytest_batchgate.core.plan import Plan, build_plan
from pytest_batchgate.core.state import RunOptions

EXAMPLES = int(os.environ.get("TESTS_EXAMPLES", "50"))
PROFILE = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def events_of(sim: Simulator) -> list[Event]:
    return [event for _, step in sim.steps for event in step.events]


def past_of(plan: Plan, events: Sequence[Event]) -> PastRun:
    """What a journal of these events would tell."""
    names = [gate.name for gate in plan.claims]
    files: dict[int, tuple[FileWasCollected, dict[int, PastTest]]] = {}
    gates: dict[str, PastGate] = {}

    def note(collected: object, index: int, outcome: str | None) -> None:
        event, results = files[id(collected)]
        tried = index in results and results[index].outcome is None
        results[index] = PastTest(names[event.collected.gates[index]], outcome, 0.1, tried)

    for event in events:
        match event:
            case FileWasCollected(_, _, collected):
                files[id(collected)] = (event, {})
            case TestsWereRun(_, _, collected, results):
                for result in results:
                    note(collected, result.index, result.outcome)
            case TestWasLost(_, _, collected, index, _, _):
                note(collected, index, None)
            case TestWillRetry():
                note(event.collected, event.result.index, None)
            case GateFinished(_, report):
                gates[report.name] = PastGate(state=report.state, wrote_outputs=report.wrote_outputs)
    return PastRun(
        gates=gates,
        files=[
            PastFile(
                file=event.collected.file,
                nodeids=event.collected.keys,
                gates=tuple(None if claim == NO_GATE else names[claim] for claim in event.collected.gates),
                errors=event.collected.errors,
                deselected=event.collected.deselected,
                results=results,
            )
            for event, results in files.values()
        ],
    )


def resume(world: World, carried: Carried, seed: int = 0) -> Simulator:
    return Simulator(replace(world, options=replace(world.options, carried=carried)), seed).run()


def ran_in(sim: Simulator) -> set[str]:
    return {
        event.collected.nodeid(result.index)
        for event in events_of(sim)
        if isinstance(event, TestsWereRun)
        for result in event.results
    }


@PROFILE
@given(world=calm_worlds().filter(lambda world: not world.options.collect_only), data=st.data())
def test_a_run_that_was_killed_anywhere_ends_as_if_it_had_not_been(world: World, data: st.DataObject) -> None:
    """Nothing good runs twice, and neither tests nor gates end otherwise."""
    whole = Simulator(world, 1).run()
    events = events_of(whole)
    past = past_of(world.plan, events[: data.draw(st.integers(0, len(events)))])
    carried = what_to_carry(past, world.plan)
    resumed = resume(world, carried, seed=2)
    strict = {gate.name for gate in world.plan.gates if gate.work.fail_on_flaky}
    good = {
        seen.nodeids[index]
        for seen in past.files
        for index, test in seen.results.items()
        if test.outcome in GOOD and not (test.tried and test.gate in strict)  # a pass on a retry fails it
    }
    again = ran_in(resumed) & good
    assert all(resumed.watch.of_test[test][0].name not in carried.gates for test in again)  # type: ignore[union-attr]
    blameless = {name for name, gate in past.gates.items() if not gate.state.good}
    assert all(resumed.watch.of_test[test][0].name in blameless for test in again)  # type: ignore[union-attr]
    assert resumed.watch.outcomes == whole.watch.outcomes
    started = {event.gate for event in events_of(resumed) if isinstance(event, GateStarted)}
    for gate in world.plan.gates:
        if gate.is_service:
            continue
        before, after = (sim.watch.reports[gate.name].state for sim in (whole, resumed))
        same = after is before or (after is GateState.CARRIED and before.good)
        # What was flaky may be among the carried.
        assert same or (after is GateState.PASSED and before is GateState.FLAKY), gate.name
        known = past.gates.get(gate.name)
        if gate.kind == "command" and known is not None and known.state.good and not known.wrote_outputs:
            assert gate.name not in started


# --- by hand -----------------------------------------------------------------------

LINT = Gate(name=GateName("lint"), work=Command(argv=("lint",)))
UNIT = Gate(name=GateName("unit"), work=Tests(rest=True), needs=(LINT.name,))


def plan_of(*gates: Gate) -> Plan:
    return build_plan(Config(gates=gates))


def past_file(outcomes: dict[str, str | None], *, file: str = "test_a.py", gate: str = "unit") -> PastFile:
    """``outcomes`` by name; a test that is missing there did not end."""
    return PastFile(
        file=file,
        nodeids=tuple(f"{file}::{name}" for name in outcomes),
        gates=(gate,) * len(outcomes),
        results={
            index: PastTest(gate, outcome or None, 1.0)
            for index, outcome in enumerate(outcomes.values())
            if outcome is not None
        },
    )


def carried_names(carried: Carried) -> set[str]:
    return {nodeid.rpartition("::")[2] for known in carried.tests.values() for nodeid in known}


def test_only_what_was_good_is_carried() -> None:
    """Skips and expected failures are; losses ("") and what did not end are not."""
    outcomes = {
        "ok": "passed", "skip": "skipped", "x": "xfailed", "xp": "xpassed",
        "bad": "failed", "err": "error", "lost": "", "never": None,
    }  # fmt: skip
    carried = what_to_carry(PastRun(files=[past_file(outcomes)]), plan_of(LINT, UNIT))
    assert carried_names(carried) == {"ok", "skip", "x", "xp"}
    assert carried.count == 4
    assert not carried.files
    assert not carried.gates
    assert not carried.commands


def test_a_later_result_counts_and_an_ambiguous_name_does_not() -> None:
    """A fixture that fails after its test passed; a retry; a test of the run before that is run again."""
    first = past_file({"a": "passed", "b": "failed", "same": "passed"})
    second = past_file({"a": "error", "b": "passed", "same": None})
    twice = past_file({"c": "passed", "d": "passed"}, file="test_b.py")
    twice = replace(twice, nodeids=("test_b.py::c", "test_b.py::c"))
    carried = what_to_carry(PastRun(files=[first, second, twice]), plan_of(LINT, UNIT))
    assert carried_names(carried) == {"b", "same"}


def test_a_pass_on_a_retry_is_carried_unless_it_fails_its_gate() -> None:
    flaky = past_file({"a": "passed", "b": "passed"})
    flaky = replace(flaky, results={**flaky.results, 1: PastTest("unit", "passed", 1.0, tried=True)})
    past = PastRun(files=[flaky])
    assert carried_names(what_to_carry(past, plan_of(LINT, UNIT))) == {"a", "b"}
    strict = replace(UNIT, work=replace(UNIT.work, fail_on_flaky=True))
    assert carried_names(what_to_carry(past, plan_of(LINT, strict))) == {"a"}


def test_files_of_which_nothing_has_to_run_are_not_collected() -> None:
    done = past_file({"a": "passed", "b": "skipped"})
    other = past_file({"c": "passed", "d": "failed"}, file="test_b.py")
    broken = replace(past_file({"e": "passed"}, file="test_c.py"), errors=1)
    nobodys = replace(past_file({"f": "passed"}, file="test_d.py"), gates=(None,), results={})
    plan = plan_of(LINT, UNIT)
    carried = what_to_carry(PastRun(files=[done, other, broken, nobodys]), plan)
    assert set(carried.files) == {"test_a.py"}
    assert carried.files["test_a.py"].keys == done.nodeids
    differs = replace(done, nodeids=("test_a.py::a", "test_a.py::z"))
    assert not what_to_carry(PastRun(files=[done, differs]), plan).files, "environments disagree"


@pytest.mark.parametrize(
    ("state", "carries"),
    [("passed", True), ("cancelled", True), ("skipped", True), ("timed-out", False), ("failed", False)],
)
def test_a_gate_that_was_not_good_with_no_test_to_blame_runs_whole(state: str, carries: bool) -> None:
    past = PastRun(
        gates={"unit": PastGate(state=GateState(state))}, files=[past_file({"a": "passed", "b": None})]
    )
    assert bool(carried_names(what_to_carry(past, plan_of(LINT, UNIT)))) is carries
    blamed = replace(past, files=[past_file({"a": "passed", "b": "failed"})])
    assert carried_names(what_to_carry(blamed, plan_of(LINT, UNIT))) == {"a"}


def test_a_gate_needs_nothing_only_if_all_that_was_seen_of_it_is_carried() -> None:
    known = {"unit": PastGate(state=GateState.PASSED)}
    for last, gates in (("passed", {"unit"}), (None, set())):
        past = PastRun(gates=known, files=[past_file({"a": "passed", "b": last})])
        assert what_to_carry(past, plan_of(LINT, UNIT)).gates == gates
    cut = PastRun(files=[past_file({"a": "passed"})])
    assert not what_to_carry(cut, plan_of(LINT, UNIT)).gates, "other files of it may not have been collected"


def test_commands_are_carried_unless_others_want_of_them_what_only_a_run_gives() -> None:
    service = Gate(name=GateName("db"), work=Command(argv=("db",), ready=Ready(port=1)))
    known = {
        "lint": PastGate(state=GateState.FLAKY, more_findings=3),
        "db": PastGate(state=GateState.PASSED),
    }
    plan = plan_of(LINT, UNIT, service)
    assert what_to_carry(PastRun(gates=known), plan).commands == {"lint": known["lint"]}
    writes = {**known, "lint": PastGate(state=GateState.PASSED, wrote_outputs=True)}
    assert not what_to_carry(PastRun(gates=writes), plan).commands, "unit has to run, and needs its outputs"
    done = {**writes, "unit": PastGate(state=GateState.PASSED)}
    assert set(what_to_carry(PastRun(gates=done), plan).commands) == {"lint"}
    failed = {"lint": PastGate(state=GateState.FAILED)}
    assert not what_to_carry(PastRun(gates=failed), plan).commands


def test_a_gate_that_is_carried_whole_starts_neither_worker_nor_service() -> None:
    """All it needs is the list of files; the gate that failed collects its own file alone."""
    service = Gate(name=GateName("db"), work=Command(argv=("db",), ready=Ready(port=1)))
    slow = Gate(name=GateName("slow"), work=Tests(paths=("slow",)), needs=(service.name,))
    unit = replace(UNIT, needs=())
    world = World(
        plan=plan_of(service, slow, unit),
        options=RunOptions(slots=1),
        files=[
            SimFile(name="slow/test_s.py", tests=[SimTest(name="s")]),
            SimFile(name="test_a.py", tests=[SimTest(name="a"), SimTest(name="b")]),
        ],
        commands={"db": SimCommand(ready_s=0.1)},
    )
    past = PastRun(
        gates={"slow": PastGate(state=GateState.PASSED), "unit": PastGate(state=GateState.FAILED)},
        files=[
            past_file({"s": "passed"}, file="slow/test_s.py", gate="slow"),
            past_file({"a": "passed", "b": "failed"}),
        ],
    )
    sim = resume(world, what_to_carry(past, world.plan))
    assert ran_in(sim) == {"test_a.py::b"}
    assert {name: report.state.value for name, report in sim.watch.reports.items()} == {
        "db": "deselected",
        "slow": "carried",
        "unit": "passed",
    }
    assert sim.watch.reports["unit"].reason == "1 of 2 tests carried"
    collected = {
        event.collected.file: event.worker for event in events_of(sim) if isinstance(event, FileWasCollected)
    }
    assert collected == {"slow/test_s.py": "", "test_a.py": "gw0"}


def test_differences_name_what_changed_and_show_what_can_be_read() -> None:
    before = {"src/a.py": "#1", "src/b.py": "#2", "commit": "abc", "package x": "1.0", "same": "#3"}
    now = {"src/a.py": "#9", "src/c.py": "#2", "commit": "def", "package y": "2", "same": "#3"}
    assert differences(before, now) == [
        "commit is def, was abc",
        "package x is gone, was 1.0",
        "package y is 2, was nothing",
        "src/a.py has changed",
        "src/b.py is gone",
        "src/c.py is new",
    ]
    assert differences(before, before) == []
    assert listed("abcdefg", most=3) == "a, b, c and 4 more"
    assert listed("ab") == "a, b"
