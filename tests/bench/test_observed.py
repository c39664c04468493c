"""Runs read from their events: who ran when, beside whom and after whom."""

from __future__ import annotations

import json
from typing import Any

from pytest_batchgate.bench.compare import ABSENT, IN_PARALLEL, IN_TURN, OTHER_ORDER, compare
from pytest_batchgate.bench.observed import WITHHELD, Observed, observed, other_order


def event(kind: str, **values: Any) -> bytes:
    return json.dumps({"event": kind, **values}).encode() + b"\n"


def collected(file: str, *names: str, **traits: dict[str, Any]) -> bytes:
    """``traits`` by the test's name."""
    told = {str(names.index(name)): value for name, value in traits.items()}
    return event("FileWasCollected", at=0.0, tests=[f"{file}::{name}" for name in names], traits=told)


def ran(at: float, worker: str, *results: tuple[str, float], outcome: str = "passed", **more: str) -> bytes:
    """``results``: node id and seconds."""
    rows = [
        {"nodeid": nodeid, "gate": "unit", "outcome": outcome, "duration_s": duration_s, **more}
        for nodeid, duration_s in results
    ]
    return event("TestsWereRun", at=at, worker=worker, results=rows)


def lost(nodeid: str, outcome: str, worker: str | None, reason: str = "why") -> bytes:
    return event(
        "TestWasLost", at=1.0, nodeid=nodeid, gate="unit", outcome=outcome, worker=worker, reason=reason
    )


def test_tests_of_a_batch_ran_one_after_the_other_up_to_its_end() -> None:
    """gw0: x 1..3, y 3..4; gw1: z 2..2.5, later v 5..6"""
    run = observed(
        [
            ran(4.0, "gw0", ("a::x", 2.0), ("a::y", 1.0)),
            ran(2.5, "gw1", ("b::z", 0.5)),
            ran(6.0, "gw1", ("b::v", 1.0)),
        ]
    )
    assert [(one.nodeid, one.begin_s, one.end_s) for one in run.in_order] == [
        ("b::z", 2.0, 2.5),
        ("a::x", 1.0, 3.0),
        ("a::y", 3.0, 4.0),
        ("b::v", 5.0, 6.0),
    ]
    assert run.beside("a::x") == (("b::z", -1.0),), "it began a second before z"
    assert run.beside("b::z") == (("a::x", 1.0),)
    assert run.beside("b::v") == ()
    assert run.before("a::y") == ("b::z", "a::x")
    assert run.before("b::z") == ()
    assert run.before("b::v") == ("b::z", "a::x", "a::y"), "on whatever worker"


def test_what_is_known_of_beginnings_goes_before_what_was_heard_late() -> None:
    """Two tests of a second each, at once; the one that failed was heard of five seconds later."""
    run = observed(
        [
            event("TestsBegan", at=2.0, began_s={"a::x": 1.0}),
            ran(2.0, "gw0", ("a::x", 1.0)),
            event("TestsBegan", at=7.0, began_s={"b::y": 1.1}),
            ran(7.0, "gw1", ("b::y", 0.5), ("b::z", 0.5), outcome="failed"),
        ]
    )
    assert [name for name, _ in run.beside("b::y")] == ["a::x"]
    assert [(one.nodeid, one.begin_s) for one in run.in_order] == [
        ("b::y", 1.1),
        ("a::x", 1.0),
        ("b::z", 6.5),
    ]


def test_who_overlapped_longest_comes_first_and_who_nearly_did_is_not_left_out() -> None:
    run = observed(
        [
            ran(10.0, "gw0", ("a::x", 4.0)),
            ran(9.0, "gw1", ("b::long", 2.0), ("b::short", 0.5)),
            ran(5.95, "gw2", ("c::just_before", 1.0)),
            ran(3.0, "gw3", ("d::long_ago", 1.0)),
        ]
    )
    assert [name for name, _ in run.beside("a::x")] == ["b::long", "b::short", "c::just_before"]


def test_a_fixture_that_fails_late_makes_an_error_of_its_test() -> None:
    run = observed(
        [
            ran(1.0, "gw0", ("a::x", 1.0)),
            ran(2.0, "gw0", ("a::x", 0.1), outcome="error", message="OSError: port\nmore"),
            ran(3.0, "gw0", ("a::y", 1.0), outcome="failed"),
            ran(3.1, "gw0", ("a::y", 0.1)),
        ]
    )
    assert (run.outcome("a::x"), run.tests["a::x"].message) == ("error", "OSError: port")
    assert run.outcome("a::y") == "failed"


def test_a_crash_is_a_failure_and_what_was_held_back_is_neither() -> None:
    run = observed(
        [
            lost("a::x", "failed", "gw0", "worker gw0 crashed"),
            lost("a::y", "skipped", None, "depends on a::x, which failed"),
            lost("a::z", "not_run", None),
        ]
    )
    assert {name: one.outcome for name, one in run.tests.items()} == {"a::x": "failed", "a::y": WITHHELD}


def test_the_end_of_a_run_and_the_commands_that_went_wrong() -> None:
    def finished(name: str, kind: str, state: str) -> bytes:
        return event("GateFinished", report={"name": name, "kind": kind, "state": state})

    run = observed(
        [
            finished("db", "command", "timed-out"),
            finished("build", "command", "passed"),
            finished("unit", "tests", "failed"),
            event("RunFinished", result={"wall_s": 2.5, "exit_code": 1}),
        ]
    )
    assert (run.troubles, run.wall_s, run.exit_code) == ({"db": "timed-out"}, 2.5, 1)


def test_a_run_that_was_killed_has_no_exit_code_and_keeps_what_it_told() -> None:
    run = observed([ran(1.0, "gw0", ("a::x", 1.0)), b'{"event": "TestsWereR'])
    assert run.exit_code is None
    assert list(run.tests) == ["a::x"]


def test_companions_are_what_markers_ask_for_in_the_order_of_collection() -> None:
    """last depends on mid, mid on the parameters of first; g2 is in a group with g1."""
    run = observed(
        [
            collected(
                "t/a.py",
                "first[1]",
                "first[2]",
                "mid",
                "K::inner",
                "last",
                "free",
                "g1",
                "g2",
                mid={"depends_on": ["first", "gate:lint"]},
                last={"depends_on": ["mid", "t/b.py::K"]},
                g1={"group": "db"},
                g2={"group": "db"},
            ),
            collected("t/b.py", "K::one", "other"),
        ]
    )
    assert run.companions("t/a.py::last") == (
        "t/a.py::first[1]",
        "t/a.py::first[2]",
        "t/a.py::mid",
        "t/b.py::K::one",
    )
    assert run.companions("t/a.py::g2") == ("t/a.py::g1",)
    assert run.companions("t/a.py::g1") == run.companions("t/a.py::free") == ()
    assert run.gates_named == {"lint"}


def test_a_class_comes_before_its_module_and_a_circle_ends() -> None:
    run = observed(
        [
            collected(
                "a.py",
                "x",
                "K::x",
                "K::y",
                "p",
                "q",
                **{"K::y": {"depends_on": ["x"]}, "p": {"depends_on": ["q"]}, "q": {"depends_on": ["p"]}},
            )
        ]
    )
    assert set(run.companions("a.py::K::y")) == {"a.py::K::x", "a.py::x"}, "either may be meant"
    assert run.companions("a.py::p") == ("a.py::q",)


def test_the_other_order_is_backwards_but_within_groups() -> None:
    run = observed(
        [
            collected("a.py", "v", "g1", "w", "g2", "x", g1={"group": "g"}, g2={"group": "g"}),
            ran(5.0, "gw0", *((f"a.py::{name}", 1.0) for name in ("v", "g1", "w", "g2", "x"))),
        ]
    )
    assert [name[6:] for name in other_order(run)] == ["x", "g1", "w", "g2", "v"]


def simple(**outcomes: str) -> Observed:
    lines = [collected("a.py", *outcomes)]
    lines += [ran(1.0, "gw0", (f"a.py::{name}", 0.1), outcome=told) for name, told in outcomes.items()]
    return observed(lines)


def test_what_differs_is_named_with_each_outcome() -> None:
    runs = {
        IN_TURN: simple(x="passed", y="failed", z="passed"),
        IN_PARALLEL: simple(x="passed", y="failed", z="skipped", new="passed"),
        OTHER_ORDER: simple(x="passed", y="failed", z="passed"),
    }
    cases = compare(runs)
    assert [(case.nodeid, tuple(case.outcomes.values())) for case in cases] == [
        ("a.py::z", ("passed", "skipped", "passed")),
        ("a.py::new", (ABSENT, "passed", ABSENT)),
    ]
    assert [case.was_collected_always for case in cases] == [True, False]
    assert not any(case.follows for case in cases[:1])
