"""The forecast: a schedule that a person can follow, and its bounds on any graph."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.core.forecast import Forecast, forecast
from pytest_batchgate.core.model import Command, Config, Estimates, Gate, GateName, Ready, Tests
from pytest_batchgate.core.plan import build_plan


def command(name: str, *needs: str, weight: int = 1, priority: int = 0, resource: str = "") -> Gate:
    return Gate(
        name=GateName(name),
        work=Command(argv=("x",), weight=weight),
        needs=tuple(map(GateName, needs)),
        priority=priority,
        resources=(resource,) if resource else (),
    )


def suite(name: str, *needs: str, max_workers: int | None = None) -> Gate:
    return Gate(
        name=GateName(name),
        work=Tests(expression=name, max_workers=max_workers),
        needs=tuple(map(GateName, needs)),
    )


def play(*gates: Gate, workers: int, took: Estimates) -> Forecast:
    return forecast(build_plan(Config(gates=gates)), took, workers)


def test_commands_in_a_row_and_side_by_side() -> None:
    #   w0 |--a 2--|--c 3-----|
    #   w1 |--b 4------|
    took = Estimates(commands={"a": 2.0, "b": 4.0, "c": 3.0})
    view = play(command("a"), command("b"), command("c", "a"), workers=2, took=took)
    assert view.starts == {"a": 0.0, "b": 0.0, "c": 2.0}
    assert (view.wall_s, view.work_s, view.lower_bound_s) == (5.0, 9.0, 5.0)
    assert (view.critical_path_s, view.critical_path) == (5.0, ("a", "c"))
    assert view.unknown == ()


def test_the_sequential_mode_takes_the_whole_work() -> None:
    took = Estimates(commands={"a": 2.0, "b": 4.0}, work={"unit": 5.0})
    view = play(command("a"), command("b"), suite("unit"), workers=0, took=took)
    assert view.wall_s == view.lower_bound_s == 11.0


def test_tests_spread_over_what_commands_leave() -> None:
    #   w0 |--lint 2--|unit|     unit: 6 of work, 2 done beside lint, 4 left for two
    #   w1 |--unit 2--|unit|
    view = play(
        command("lint"), suite("unit"), workers=2, took=Estimates(commands={"lint": 2.0}, work={"unit": 6.0})
    )
    assert view.wall_s == 4.0
    assert view.spans[GateName("unit")] == 3.0  # alone, on two workers


def test_max_workers_narrows_tests() -> None:
    view = play(suite("unit", max_workers=1), workers=4, took=Estimates(work={"unit": 6.0}))
    assert view.wall_s == view.spans[GateName("unit")] == 6.0


def test_weight_and_resources_keep_commands_apart() -> None:
    took = Estimates(commands={"a": 1.0, "b": 2.0})
    assert play(command("a", weight=9), command("b"), workers=2, took=took).wall_s == 3.0
    assert play(command("a", resource="db"), command("b", resource="db"), workers=2, took=took).wall_s == 3.0
    assert play(command("a"), command("b"), workers=2, took=took).wall_s == 2.0


def test_priority_then_the_longer_remaining_path_goes_first() -> None:
    took = Estimates(commands={"short": 1.0, "long": 2.0, "after": 1.0, "urgent": 1.0})
    view = play(
        command("short"),
        command("after", "long"),
        command("long"),
        command("urgent", priority=1),
        workers=1,
        took=took,
    )
    assert sorted(view.starts, key=view.starts.__getitem__) == ["urgent", "long", "short", "after"]


def test_a_service_takes_no_worker_and_no_time() -> None:
    service = Gate(name=GateName("db"), work=Command(argv=("x",), ready=Ready(port=1)))
    view = play(service, suite("it", "db"), workers=1, took=Estimates(work={"it": 2.0}))
    assert view.wall_s == 2.0
    assert view.unknown == ()


def test_gates_without_history_are_named_and_count_nothing() -> None:
    view = play(
        command("a"), command("b", "a"), suite("unit"), workers=1, took=Estimates(commands={"b": 2.0})
    )
    assert view.unknown == ("a", "unit")
    assert view.wall_s == 2.0
    assert "a" not in view.spans


def test_files_tell_the_work_of_the_only_tests_gate() -> None:
    took = Estimates(files={"a.py": 2.0, "b.py": 1.0}, collects={"a.py": 0.5})
    assert play(suite("unit"), workers=1, took=took).work_s == 3.5
    assert play(suite("unit"), suite("slow"), workers=1, took=took).unknown == ("unit", "slow")


@st.composite
def runs(draw: st.DrawFn) -> tuple[Config, Estimates, int]:
    """Gates that need earlier ones, in any order of the file."""
    gates: list[Gate] = []
    for index in range(draw(st.integers(1, 10))):
        needs = (
            draw(st.lists(st.sampled_from(gates), unique_by=lambda g: g.name, max_size=3)) if gates else []
        )
        names = [g.name for g in needs]
        gates.append(
            draw(
                st.sampled_from(
                    [
                        command(f"g{index}", *names),
                        command(f"g{index}", *names, weight=2, resource="r"),
                        command(f"g{index}", *names, resource="r", priority=5),
                        suite(f"g{index}", *names),
                        suite(f"g{index}", *names, max_workers=1),
                    ]
                )
            )
        )
    took: dict[str, float] = {g.name: draw(st.floats(0, 100)) for g in gates if draw(st.booleans())}
    return (
        Config(gates=tuple(draw(st.permutations(gates)))),
        Estimates(commands=took, work=took),
        draw(st.integers(0, 5)),
    )


@given(runs())
def test_any_forecast_is_possible(run: tuple[Config, Estimates, int]) -> None:
    config, took, workers = run
    plan = build_plan(config)
    view = forecast(plan, took, workers)
    assert view.wall_s >= view.lower_bound_s * (1 - 1e-9)
    assert view.wall_s <= sum(took.work.values()) * 5 + 1e-9
    assert set(view.starts) == set(plan.order)
    for name in plan.order:
        for need in plan.needs[name]:
            assert view.starts[name] >= (view.starts[need] + view.spans.get(need, 0.0)) * (1 - 1e-9)
    if workers <= 1:
        assert view.wall_s == pytest.approx(view.work_s)
