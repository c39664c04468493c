"""A plan with other gates: what `pytest_batchgate_modify_plan` makes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_batchgate.core.model import Command, Config, Gate, GateName, Tests
from pytest_batchgate.core.plan import build_plan, parse_select
from pytest_batchgate.errors import PlanError


def gate(name: str, *needs: str, tests: bool = False) -> Gate:
    work = Tests(rest=True) if tests else Command(argv=("true",))
    return Gate(name=GateName(name), work=work, needs=tuple(map(GateName, needs)))


# a -> b -> c, and unit
CONFIG = Config(gates=(gate("a"), gate("b", "a"), gate("c", "b"), gate("unit", tests=True)))
PLAN = build_plan(CONFIG)


def test_the_same_gates_give_the_same_plan() -> None:
    assert PLAN.with_gates(PLAN.gates) == PLAN
    part = build_plan(CONFIG, select=parse_select("b"))
    assert part.with_gates(part.gates) == part


def test_a_gate_of_a_known_name_takes_the_place_of_the_other() -> None:
    plan = PLAN.with_gates([*PLAN.gates[1:], replace(PLAN.gates[0], timeout_s=1.0)])
    assert [each.name for each in plan.gates] == ["a", "b", "c", "unit"]
    assert plan.gate(GateName("a")).timeout_s == 1.0
    assert plan.config.gates == plan.gates


def test_a_gate_that_is_missing_is_left_out_and_still_claims_its_tests() -> None:
    plan = PLAN.with_gates([PLAN.gates[0], PLAN.gates[2]])
    assert plan.order == ("a", "c")
    assert plan.needs == {"a": (), "c": ()}
    assert plan.dropped == {"c": ("b",)}
    assert plan.left_out == {"b": "left out by a plugin", "unit": "left out by a plugin"}
    assert [each.name for each in plan.claims] == ["unit"]


def test_a_new_gate_comes_last_and_may_be_needed() -> None:
    plan = PLAN.with_gates([gate("new"), replace(PLAN.gates[0], needs=(GateName("new"),))])
    assert [each.name for each in plan.gates] == ["a", "new"]
    assert plan.order == ("new", "a")


def test_reasons_of_the_selection_outlive_it() -> None:
    part = build_plan(CONFIG, select=parse_select("b"))
    plan = part.with_gates([*part.gates, gate("new")])
    assert plan.left_out == {"c": "not selected", "unit": "not selected"}
    assert plan.pulled_in == {"a": "b"}


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ([gate("a", "c")], "gates need one another in a circle: a -> c -> b -> a"),
        ([gate("x"), gate("x")], "two gates are called 'x'"),
        ([gate("x", "nowhere")], "gate 'x' needs 'nowhere', which is no gate"),
    ],
)
def test_a_graph_that_cannot_run_is_refused(gates: list[Gate], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        PLAN.with_gates([*gates, *PLAN.gates[1:]])
