"""Bounds hold, projections never rise, and advice is about what bounds the run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from figures import SHAPE, gate
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.bench.improve import bounds, improvements
from pytest_batchgate.bench.measured import GateShape, Shape, measured
from pytest_batchgate.bench.observed import observed
from pytest_batchgate.bench.project import project, serial_fraction, worth_showing


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Random graphs in which each gate needs some of those before it, and no span exceeds its work."""
    gates: list[GateShape] = []
    for number in range(draw(st.integers(1, 8))):
        work_s = draw(st.floats(0, 100, allow_subnormal=False))  # of which the least has no half
        needs = draw(st.sets(st.sampled_from([one.name for one in gates]))) if gates else set()
        kind = draw(st.sampled_from(["command", "tests"]))
        if kind == "tests":
            span_s = draw(st.floats(0, 1)) * work_s
            longest_s = draw(st.floats(0, 1)) * span_s
            more = {"longest": ("t", longest_s), "second_s": draw(st.floats(0, 1)) * longest_s}
        else:
            span_s, more = work_s, {}
        gates.append(gate(f"g{number}", span_s, *sorted(needs), kind=kind, work_s=work_s, **more))
    return Shape(gates=tuple(gates))


@given(shapes(), st.integers(1, 64))
def test_the_bound_holds_for_every_schedule_and_falls_with_workers(shape: Shape, workers: int) -> None:
    path_s, path = shape.path()
    bound_s = shape.bound_s(workers)
    assert bound_s >= path_s == pytest.approx(sum(one.span_s for one in shape.gates if one.name in path))
    assert bound_s * workers >= shape.work_s * 0.999999
    assert shape.bound_s(workers + 1) <= bound_s
    for before, after in pairwise(path):
        assert before in next(one.needs for one in shape.gates if one.name == after)


@given(shapes(), st.integers(1, 16), st.floats(0, 50))
def test_no_improvement_saves_more_than_the_bound_nor_less_than_nothing(
    shape: Shape, workers: int, cpu_s: float
) -> None:
    found = improvements(shape, workers, cpu_s=cpu_s, cpus=2)
    assert all(0 < one.saves_s <= shape.bound_s(workers) for one in found)
    assert [one.saves_s for one in found] == sorted((one.saves_s for one in found), reverse=True)


@given(
    st.dictionaries(st.integers(2, 64), st.floats(0.01, 100), min_size=1, max_size=5),
    st.floats(0.01, 100),
)
def test_the_fitted_share_is_one_and_its_projection_never_rises(
    walls: dict[int, float], alone: float
) -> None:
    walls_s = {1: alone, **walls}
    share = serial_fraction(walls_s)
    assert share is not None
    assert 0 <= share <= 1
    points = project(SHAPE, walls_s).points
    fits = [point.fit_s for point in points if point.fit_s is not None]
    assert len(fits) == len(points)
    assert fits == sorted(fits, reverse=True)
    models = [point.model_s for point in points]
    assert models == sorted(models, reverse=True)
    assert [point.workers for point in points if point.wall_s is not None] == sorted(walls_s)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_fit_finds_the_share_that_made_the_times(share: float) -> None:
    walls_s = {n: 10 * (share + (1 - share) / n) for n in (1, 2, 4, 8)}
    assert serial_fraction(walls_s) == pytest.approx(share)


def test_nothing_is_fitted_to_a_single_number_of_workers() -> None:
    assert serial_fraction({1: 5.0}) is None
    assert serial_fraction({2: 5.0}) is None
    assert [point.fit_s for point in project(SHAPE, {1: 5.0}).points] == [None] * 4


def test_what_is_worth_showing() -> None:
    assert worth_showing((1,)) == (1, 2, 4, 8)
    assert worth_showing((1, 3)) == (1, 2, 3, 4, 8)
    assert worth_showing((1, 2, 8)) == (1, 2, 4, 8, 16)


def test_with_few_workers_the_work_bounds_and_with_many_the_path() -> None:
    """lint 1 s beside build 2 s -> unit, 8 s of tests of which the longest takes 3 s."""
    few, many = bounds(SHAPE, 2, 6.0), bounds(SHAPE, 4, 5.25)
    assert (few.by, few.bound_s, few.beyond_s) == ("work", 5.5, 0.5)
    assert (many.by, many.bound_s, many.path, many.beyond_s) == ("path", 5.0, ("build", "unit"), 0.25)


def test_the_gate_and_the_test_on_the_critical_path_are_named_with_what_they_would_save() -> None:
    found = improvements(SHAPE, 8, cpu_s=1.0, cpus=8)
    assert {(one.kind, one.target): one.saves_s for one in found} == {
        ("cache", "build"): 2.0,
        ("split", "t.py::slow"): 1.5,
        ("split", "build"): 1.0,
    }


def test_more_workers_help_as_long_as_work_is_shared_and_cpus_are_left() -> None:
    def saved(cpu_s: float) -> list[float]:
        found = improvements(SHAPE, 2, cpu_s=cpu_s, cpus=2)
        return [one.saves_s for one in found if one.kind == "workers"]

    assert saved(1.0) == [0.5]
    assert saved(11.0) == [], "the work is all CPU, and both CPUs are taken"


def test_tests_that_must_follow_one_another_are_told_from_a_long_one() -> None:
    chain = Shape(gates=(gate("db", 6.0, kind="tests", work_s=6.0, longest=("t", 1.0), second_s=1.0),))
    (one,) = improvements(chain, 4, cpu_s=0.0, cpus=4)
    assert (one.kind, one.target, one.saves_s) == ("apart", "db", 4.5)
    service = replace(chain.gates[0], kind="command", is_service=True, longest=None)
    assert improvements(Shape(gates=(service,)), 4, cpu_s=0.0, cpus=4) == ()


def test_a_run_is_read_from_its_events() -> None:
    """Its gates with what they need and took, its longest tests, and what was required and not good."""
    reports = [
        {
            "name": name,
            "kind": kind,
            "needs": needs,
            "is_service": False,
            "work_s": work_s,
            "state": state,
            "required": required,
        }
        for name, kind, needs, work_s, state, required in (
            ("lint", "command", [], 1.0, "failed", False),
            ("unit", "tests", ["lint"], 5.0, "failed", True),
        )
    ]
    schedule = {"lower_bound_s": 3.0, "spans": {"lint": 1.0, "unit": 2.0}}
    ran = [
        {"nodeid": f"t::{name}", "gate": "unit", "outcome": outcome, "duration_s": took_s}
        for name, outcome, took_s in (("a", "passed", 2.0), ("b", "failed", 1.0), ("c", "skipped", 1.5))
    ]
    events: list[dict[str, object]] = [
        {"event": "TestsWereRun", "at": 5.0, "worker": "gw0", "results": ran},
        {
            "event": "RunFinished",
            "result": {"wall_s": 4.0, "exit_code": 1, "gates": reports, "schedule": schedule},
        },
    ]
    run = measured(observed(_lines(events)), wall_s=4.5, cpu_s=3.0, peak_rss_bytes=7)
    assert (run.wall_s, run.lower_bound_s, run.tests, run.bad) == (4.5, 3.0, 3, ("unit",))
    assert run.outcomes == {"t::a": "passed", "t::b": "failed", "t::c": "skipped"}
    assert run.states == {"lint": "failed", "unit": "failed"}
    unit = run.shape.gates[1]
    assert (unit.needs, unit.span_s, unit.longest, unit.second_s) == (("lint",), 2.0, ("t::a", 2.0), 1.5)
    assert run.shape.path() == (3.0, ("lint", "unit"))


def _lines(events: Sequence[Mapping[str, object]]) -> list[bytes]:
    return [json.dumps(event).encode() for event in events]
