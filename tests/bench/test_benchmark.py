"""Numbers in, document out: medians, speedups, outcomes held to those in turn, and what is made of noise."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from figures import GOOD, PASSED, run, runs, told, usual
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.bench.baseline import compare, read_baseline
from pytest_batchgate.bench.benchmark import SCHEMA_PATH
from pytest_batchgate.bench.noise import compared, rounds
from pytest_batchgate.errors import OptionError

SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
TIMES = st.lists(st.floats(0.001, 1000), min_size=1, max_size=7)


def test_the_document_has_what_the_interface_names_and_is_valid() -> None:
    found = told(usual(), usual())
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(json.loads(json.dumps(found)))
    assert (found["schema"], found["outcomes_equal"], found["rounds"]) == (1, True, 3)
    two = found["levels"][1]
    assert (two["workers"], two["wall_s"], two["tests_per_s"]) == (2, 6.3, 2 / 6.3)
    assert two["speedup"] == pytest.approx(11.6 / 6.3)
    assert two["efficiency"] == pytest.approx(11.6 / 6.3 / 2)
    assert found["levels"][0]["rounds_s"] == [11.5, 11.7], "the first run of all fills caches"
    assert found["cold_s"] == 19.0
    assert (two["lower_bound_s"], two["cpu_s"], two["peak_rss_bytes"]) == (5.5, 1.5, 104_857_600)
    assert [level["workers"] for level in found["levels"]] == [1, 2, 4]
    assert found["variants"][0]["beside_first"]["4"] == {"wall_ratio": 1.0, "answer": "same"}
    assert found["bounds"]["path"] == ("build", "unit")
    assert found["projection"]["cpu_floor_s"] == 1.5 / 2


def test_no_floor_is_claimed_that_a_level_has_gone_below() -> None:
    """The first run fills caches: with one round in turn the CPU time of that counts."""
    cold, warm = replace(run(5.0), cpu_s=8.0), replace(run(2.0, 2), cpu_s=3.0)
    assert told({1: [cold], 2: [warm]})["projection"]["cpu_floor_s"] == 3.0 / 2


@pytest.mark.parametrize(
    ("place", "value"),
    [(("schema",), 2), (("levels",), []), (("levels", 0, "workers"), 0), (("outcomes_equal",), "yes")],
)
def test_the_schema_refuses(place: tuple[Any, ...], value: object) -> None:
    found = json.loads(json.dumps(told(usual())))
    *way, last = place
    inner = found
    for step in way:
        inner = inner[step]
    inner[last] = value
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(found)


def test_every_node_id_and_gate_is_held_to_the_first_run_in_turn() -> None:
    """Once failed, once absent, and a gate: each is named with its outcomes at each level."""
    each = usual()
    each[2][1] = run(6.0, 2, outcomes={**PASSED, "t.py::slow": "failed"}, bad=("unit",))
    each[4][0] = run(6.0, 4, outcomes={"t.py::slow": "passed"}, states={**GOOD, "lint": "timed-out"})
    found = told(each)
    assert found["outcomes_equal"] is False
    assert found["differing_count"] == 3
    assert found["failed_gates"] == ["unit"]
    assert {one["id"]: one["outcomes"] for one in found["differing"]} == {
        "lint": {"1": ["passed"], "2": ["passed"], "4": ["timed-out", "passed"]},
        "t.py::slow": {"1": ["passed"], "2": ["passed", "failed"], "4": ["passed"]},
        "t.py::fast": {"1": ["passed"], "2": ["passed"], "4": ["absent", "passed"]},
    }


def test_what_always_fails_is_no_difference() -> None:
    each = {n: [run(1.0, n, outcomes={"a": "failed"}, bad=("unit",))] for n in (1, 2)}
    found = told(each)
    assert (found["outcomes_equal"], found["failed_gates"]) == (True, ["unit"])


# --- noise ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        ((1.0, 1.1, 1.2), (2.0, 2.1, 2.2), "faster"),
        ((2.0, 2.1, 2.2), (1.0, 1.1, 1.2), "slower"),
        ((2.0, 2.01, 2.1), (2.02, 2.05, 2.1), "same"),
        ((1.0, 1.1, 2.5), (2.0, 2.1, 2.2), "unclear"),
        ((1.0,), (2.0,), "faster"),
        ((1.0,), (1.0,), "same"),
        # from five rounds on a single outlier hides nothing
        ((1.0, 1.1, 1.1, 1.2, 9.0), (2.0, 2.0, 2.1, 2.1, 2.2), "faster"),
    ],
)
def test_two_things_differ_where_their_rounds_do_not_overlap(
    one: tuple[float, ...], other: tuple[float, ...], answer: str
) -> None:
    assert compared(rounds(one), rounds(other)) == answer


@given(TIMES, TIMES)
def test_who_is_faster_is_never_said_both_ways(one: list[float], other: list[float]) -> None:
    turned = {"faster": "slower", "slower": "faster"}
    answer = compared(rounds(one), rounds(other))
    assert compared(rounds(other), rounds(one)) == turned.get(answer, answer)
    low, high = rounds(one).middle
    assert min(one) <= low <= rounds(one).median <= high <= max(one)
    if answer == "faster":
        assert rounds(one).median < rounds(other).median


# --- the baseline -----------------------------------------------------------------


def baseline(levels: list[dict[str, Any]], **more: Any) -> str:
    return json.dumps({"schema": 1, "levels": levels, "outcomes_equal": True, **more})


def level(workers: int, *rounds_s: float) -> dict[str, Any]:
    return {"workers": workers, "wall_s": sorted(rounds_s)[len(rounds_s) // 2], "rounds_s": list(rounds_s)}


@pytest.mark.parametrize(
    ("before", "now", "answer"),
    [
        ((1.0, 1.0, 1.02), (1.05, 1.06, 1.07), "within"),  # slower for sure, and within 10 %
        ((1.0, 1.0, 1.02), (1.2, 1.21, 1.3), "regression"),
        ((1.0, 1.0, 1.25), (1.2, 1.21, 1.3), "unclear"),
        ((1.2, 1.21, 1.3), (1.0, 1.0, 1.02), "faster"),
        ((1.2, 1.21, 1.3), (1.0, 1.0, 1.25), "within"),
        ((1.0,), (1.2, 1.3, 1.4), "regression"),
        ((1.0,), (0.9, 1.3, 1.4), "unclear"),
    ],
)
def test_a_regression_is_one_past_the_tolerance_that_noise_does_not_explain(
    before: tuple[float, ...], now: tuple[float, ...], answer: str
) -> None:
    known = read_baseline(baseline([level(2, *before)]), "b.json", [2])
    (one,) = compare(known, [level(2, *now), level(8, 9.0)], 0.1)
    assert (one.workers, one.answer) == (2, answer)


@given(TIMES, TIMES, st.floats(0, 2))
def test_what_is_called_a_regression_is_slower_in_the_median_by_more(
    before: list[float], now: list[float], tolerance: float
) -> None:
    known = read_baseline(baseline([level(1, *before)]), "b.json", [1])
    (one,) = compare(known, [level(1, *now)], tolerance)
    assert (one.answer in {"regression", "unclear"}) == (
        rounds(now).median > rounds(before).median * (1 + tolerance)
    )
    (same,) = compare(known, [level(1, *before)], tolerance)
    assert same.answer == "within", "nothing is slower than itself"


def test_a_document_of_ours_is_a_baseline_and_so_is_one_with_the_named_keys_alone() -> None:
    found = json.loads(json.dumps(told(usual())))
    known = read_baseline(json.dumps(found), "b.json", [1, 2, 4])
    assert [one.answer for one in compare(known, found["levels"], 0.0)] == ["within"] * 3
    bare = baseline([{"workers": 2, "wall_s": 2}])
    assert read_baseline(bare, "b.json", [2]).walls_s[2].values == (2.0,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "--batch-baseline: b.json is no JSON: "),
        ("[" * 100_000, "--batch-baseline: b.json is no JSON: "),
        ("[]", "--batch-baseline: b.json is no benchmark.json. Name the"),
        (baseline([level(2, 1.0)], schema=2), "b.json has the schema 2, and 1 is understood"),
        (
            baseline([level(1, 1.0), level(4, 1.0)]),
            "b.json has measured 1, 4, and not 2. Use --batch-benchmark=1,4",
        ),
        (baseline([]), "b.json has measured nothing, and not 2"),
        (baseline([{"workers": 2}]), "a level lacks `workers` or `wall_s`"),
        (baseline([{"workers": 2, "wall_s": 0}]), "a level lacks `workers` or `wall_s`"),
        (baseline([2]), "a level is no object"),  # type: ignore[list-item]
        ('{"schema": 1, "levels": 3}', "its `levels` are no list"),
    ],
)
def test_what_is_no_baseline_is_refused_in_one_message(text: str, said: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_baseline(text, "b.json", [2])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_round_has_no_spread() -> None:
    found = told(runs(n1=(4.0,), n2=(2.0,)))
    assert found["cold_s"] is None
    (one, two) = found["levels"]
    assert (one["spread"], two["spread"], two["beside_in_turn"]) == (0, 0, "faster")
