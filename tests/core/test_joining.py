"""Parts of a run joined: the whole that they are, or why they are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from simulator import Simulator
from simworld import SimCommand, SimFile
from stories import case, command, file, play, suite

from pytest_batchgate.core.events import Event, GateFinished, RunFinished, RunResult, RunStarted, TestsWereRun
from pytest_batchgate.core.joining import Joined, Part, faults, join
from pytest_batchgate.core.model import Config, Gate, GateName, GateState, Tests
from pytest_batchgate.core.plan import build_plan
from pytest_batchgate.core.protocol import StopAsked
from pytest_batchgate.core.shards import Share, spared
from pytest_batchgate.core.tally import Ending, Tally

GATES = (command("lint"), suite("unit", "lint"), command("pack", "unit"))
FILES = tuple(file(f"{name}.py", "one", "two") for name in "abcd")
ASSIGNED = {"a.py": 1, "b.py": 2, "c.py": 2, "d.py": 3}


def told(sim: Simulator) -> tuple[Event, ...]:
    return tuple(event for _, step in sim.steps for event in step.events)


def part(
    index: int,
    *,
    gates: Sequence[Gate] = GATES,
    files: Sequence[SimFile] = FILES,
    count: int = 3,
    began_s: float = 0.0,
    ending: Ending | None = None,
    assigned: Mapping[str, int] | None = None,
    commands: Mapping[str, SimCommand] | None = None,
    **more: Any,
) -> Part:
    plan = build_plan(Config(gates=tuple(gates)))
    mine = Share(index=index, count=count, assigned=ASSIGNED if assigned is None else assigned)
    sim = play(gates, files, share=mine, spare=spared(plan, mine), commands=commands, slots=2, **more)
    return as_part(sim, index, count, began_s=began_s, ending=ending)


def as_part(
    sim: Simulator, index: int, count: int, *, began_s: float = 0.0, ending: Ending | None = None
) -> Part:
    events = told(sim)
    started = events[0]
    assert isinstance(started, RunStarted)
    moved = tuple(later(event, began_s) for event in events[1:])
    return Part(
        shown=f"dir{index}",
        index=index,
        count=count,
        facts={"commit": "abc"},
        narrowed=False,
        source="batchgate.yaml",
        run_id="r",
        began_s=began_s,
        workers=started.workers,
        gates=started.gates,
        events=moved,
        result=result_of(events, sim, ending),
    )


def later(event: Event, by_s: float) -> Event:
    moved = replace(event, at=event.at + by_s)
    if isinstance(moved, GateFinished) and moved.report.started_s is not None:
        report = replace(moved.report, started_s=moved.report.started_s + by_s)
        moved = replace(moved, report=report)
    return moved


def result_of(events: Sequence[Event], sim: Simulator, ending: Ending | None = None) -> RunResult:
    tally = Tally(sim.world.plan)
    for event in events:
        tally.handle(event)
    return tally.result(sim.now, ending or Ending(nothing_is_fine=True))


def whole(parts: Sequence[Part], problems: Sequence[str] = ()) -> tuple[RunResult, Joined]:
    joined = join(parts, claims(parts), problems or faults(parts, claims(parts)))
    tally = Tally(joined.plan)
    for event in joined.events:
        tally.handle(event)
    return tally.result(joined.ended_s, joined.ending), joined


def words(parts: Sequence[Part]) -> list[str]:
    return faults(parts, claims(parts))


def claims(parts: Sequence[Part]) -> list[GateName]:
    return [gate.name for gate in build_plan(Config(gates=parts[0].gates)).claims]


def states(result: RunResult) -> dict[str, str]:
    return {report.name: report.state.value for report in result.gates}


def results(events: Sequence[Event]) -> dict[str, str]:
    return {
        event.collected.nodeid(one.index): one.outcome
        for event in events
        if isinstance(event, TestsWereRun)
        for one in event.results
    }


def test_three_shards_are_the_run_that_one_machine_would_have_made() -> None:
    parts = [part(index, began_s=100.0 * index) for index in (3, 1, 2)]
    assert words(parts) == []
    result, joined = whole(parts)
    plain = play(GATES, FILES, slots=2)
    assert results(joined.events) == results(told(plain))
    expected = result_of(told(plain), plain)
    assert (result.verdict, result.exit_code, states(result)) == ("passed", 0, states(expected))
    assert [report.counts for report in result.gates] == [report.counts for report in expected.gates]
    unit = result.gates[1]
    assert (unit.work_s, unit.started_s, unit.wall_s) == (8.0, 1.0, 202.0), "shards began 100 s apart"
    assert result.workers == 6
    workers = {event.worker for event in joined.events if isinstance(event, TestsWereRun)}
    assert workers <= {f"gw{number}" for number in range(6)}
    assert any(worker in workers for worker in ("gw4", "gw5")), "of the third shard"
    times = [event.at for event in joined.events]
    assert times[0] == 0.0
    ends = len(result.gates)
    assert times[:-ends] == sorted(times[:-ends])


def test_a_failure_in_any_shard_fails_the_whole_and_says_where() -> None:
    files = [*FILES[:3], file("d.py", case("one", "failed"), "two")]
    result, _ = whole([part(index, files=files) for index in (1, 2, 3)])
    assert (result.verdict, result.exit_code) == ("failed", 1)
    assert states(result) == {"lint": "passed", "unit": "failed", "pack": "passed"}
    assert result.gates[1].reason == "shard 3/3: 1 of 2 tests failed"


def test_a_command_that_fails_in_one_shard_alone() -> None:
    broken = {"lint": SimCommand(state=GateState.FAILED)}
    parts = [part(1), part(2, commands=broken), part(3)]
    result, _ = whole(parts)
    assert states(result) == {"lint": "failed", "unit": "skipped", "pack": "passed"}
    assert result.exit_code == 1
    assert str(result.gates[0].reason).startswith("shard 2/3: ")


def test_who_is_missing_is_named_and_what_it_had_to_do_was_not_done() -> None:
    parts = [part(2), part(3)]
    assert words(parts) == ["shard 1/3 did not report"]
    result, _ = whole(parts)
    assert (result.verdict, result.exit_code) == ("failed", 1)
    assert states(result) == {"lint": "passed", "unit": "cancelled", "pack": "cancelled"}
    assert result.gates[2].reason == "shard 1/3 did not report"
    assert result.stop_reason == "shard 1/3 did not report"


def test_parts_that_do_not_belong_together() -> None:
    parts = [part(index) for index in (1, 2, 3)]
    other = replace(parts[1], facts={"commit": "def"})
    assert words([parts[0], other, parts[2]]) == [
        "the shards differ in their commit: abc (1/3, 3/3); def (2/3)"
    ]
    twice = replace(parts[1], shown="copy")
    names = ("b.py::one", "b.py::two", "c.py::one", "c.py::two")
    assert words([*parts, twice]) == [
        "dir2 and copy are both shard 2/3",
        f"4 tests ran twice: {', '.join(f'{name} (2/3 and 2/3)' for name in names)}",
    ]
    result, _ = whole([*parts, twice])
    assert (result.exit_code, result.gates[1].counts["passed"]) == (1, 8), "the first of the two counts"
    four = part(2, count=4)
    assert words([parts[0], four, parts[2]])[:2] == [
        "the parts are of different splits: 3 (1/3, 3/3); 4 (2/4)",
        "shard 2/3 did not report",
    ]


def test_parts_that_were_cut_short() -> None:
    killed = replace(part(2), result=None)
    assert words([part(1), killed, part(3)]) == ["shard 2/3 (dir2) did not come to its end"]
    result, _ = whole([part(1), killed, part(3)])
    assert (result.exit_code, states(result)["unit"]) == (1, "cancelled")

    stop = StopAsked("interrupted", "SIGTERM", 2)
    interrupted = part(2, stops=[(1.5, stop)], ending=Ending(stop=stop))
    assert words([part(1), interrupted, part(3)]) == ["shard 2/3 (dir2) was interrupted: SIGTERM"]
    result, _ = whole([part(1), interrupted, part(3)])
    assert (result.verdict, result.exit_code) == ("interrupted", 2)
    assert states(result)["unit"] == "cancelled"


def test_tests_that_ran_twice_or_never() -> None:
    """As when shards did not follow the same plan."""
    parts = [part(1), part(2, assigned={**ASSIGNED, "a.py": 2, "d.py": 2, "c.py": 3}), part(3)]
    twice = [f"a.py::{name} (1/3 and 2/3)" for name in ("one", "two")]
    twice += [f"d.py::{name} (2/3 and 3/3)" for name in ("one", "two")]
    assert words(parts) == [f"4 tests ran twice: {', '.join(twice)}", "no shard has run c.py"]
    silent = part(3)
    events = tuple(event for event in silent.events if not isinstance(event, TestsWereRun))
    assert words([part(1), part(2), replace(silent, events=events)]) == [
        "2 tests never reported: d.py::one, d.py::two"
    ]


def test_a_gate_without_tests_is_empty_where_no_shard_has_one() -> None:
    gates = [*GATES, suite("e2e", paths=["e2e"])]
    parts = [part(index, gates=gates) for index in (1, 2, 3)]
    result, _ = whole(parts)
    assert (result.exit_code, states(result)["e2e"]) == (1, "empty")
    narrowed, _ = whole([replace(each, narrowed=True) for each in parts])
    assert (narrowed.exit_code, states(narrowed)["e2e"]) == (0, "deselected")
    work = Tests(paths=("e2e",), allow_empty=True)
    allowed = Gate(name=GateName("e2e"), work=work)
    parts = [part(index, gates=[*GATES, allowed]) for index in (1, 2, 3)]
    assert states(whole(parts)[0])["e2e"] == "passed"


def test_the_worst_exit_code_of_a_shard_is_that_of_the_whole() -> None:
    def ended(code: int, kind: str) -> list[Part]:
        bad = part(2, ending=Ending(stop=StopAsked(kind, "why", code)))
        return [part(1), bad, part(3)]

    assert whole(ended(3, "internal"))[0].exit_code == 3
    assert whole(ended(4, "usage"))[0].exit_code == 4
    late = part(2, ending=Ending(loose_errors=1, nothing_is_fine=True))
    assert whole([part(1), late, part(3)])[0].exit_code == 1, "of no gate, and yet a failure"
    files = [*FILES[:3], file("d.py", errors=1)]
    assert whole([part(index, files=files) for index in (1, 2, 3)])[0].exit_code == 2
    goes_on = Ending(continue_on_collection_errors=True, nothing_is_fine=True)
    parts = [
        part(index, files=files, ending=goes_on, continue_on_collection_errors=True) for index in (1, 2, 3)
    ]
    assert whole(parts)[0].exit_code == 1
    empty = [part(index, gates=[suite("unit")], files=[], count=2, ending=None) for index in (1, 2)]
    narrowed = [replace(each, narrowed=True) for each in empty]
    assert whole(narrowed)[0].exit_code == 5, "nothing to run anywhere"


def test_the_result_is_that_of_the_tally_and_not_told_twice() -> None:
    _, joined = whole([part(index) for index in (1, 2, 3)])
    assert not any(isinstance(event, RunFinished) for event in joined.events)
    assert sum(isinstance(event, RunStarted) for event in joined.events) == 1
