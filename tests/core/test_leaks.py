"""What tests leave running, per gate: fail, warn or ignore."""

from __future__ import annotations

import pytest
from stories import case, command, file, play, story, suite

from pytest_batchgate.core.leaks import listed, sort_out
from pytest_batchgate.core.model import Config, GateState
from pytest_batchgate.core.plan import build_plan
from pytest_batchgate.core.protocol import Leftover


def test_the_gate_ends_with_its_workers_and_fails_before_others_build_on_it() -> None:
    """unit -> deploy; gw0 runs x, which leaves a process, and y, and is looked after when it has ended."""
    gates = [suite("unit", leaks="fail"), command("deploy", "unit")]
    run = play(gates, [file("a.py", case("x", leaves=True), "y")])
    assert story(run, times=True) == [
        "0 spawn gw0",
        "0 gw0 collects a.py",
        "0 unit starts",
        "1 gw0 ran a.py::x: passed",
        "1 gw0 finishes",
        "2 gw0 ran a.py::y: passed",
        "2 gw0 ended",
        "2 unit failed: left processes behind: sleep 9 (pid 7) of a.py::x",
        "2 deploy skipped: needs unit, which failed",
    ]


@pytest.mark.parametrize("leaks", ["warn", "ignore"])
def test_other_gates_end_with_their_last_test(leaks: str) -> None:
    """The notice, if any, comes with the end of the worker."""
    run = play([suite("unit", leaks=leaks)], [file("a.py", case("x", leaves=True))])
    words = "notice: tests left processes behind, which have been ended: sleep 9 (pid 7) of a.py::x"
    expected = ["unit starts", "unit passed"] + ([words] if leaks == "warn" else [])
    assert story(run, only="g") == expected


def test_a_worker_goes_when_a_gate_has_to_know_and_another_takes_the_rest() -> None:
    """strict's tests are run first; gw0 leaves, and its successor runs the other gate's."""
    gates = [suite("strict", paths=["s"], leaks="fail", priority=5), suite("easy", paths=["e"])]
    files = [file("s/a.py", "x"), file("e/b.py", case("y", leaves=True), "z")]
    run = play(gates, files)
    assert run.watch.reports["strict"].state is GateState.PASSED
    assert run.watch.reports["easy"].state is GateState.PASSED
    assert sum(line == "spawn gw0" for line in story(run)) <= 2


def test_what_a_dead_worker_leaves_is_told_and_charged_to_nobody() -> None:
    """It may be a session fixture's.  One that is killed for its test's time leaves nothing to tell of."""
    crash = [file("a.py", case("x", leaves=True), case("dies", crashes=True))]
    run = play([suite("unit", leaks="fail")], crash)
    assert run.watch.reports["unit"].reason == "1 of 2 tests failed"
    assert "notice: tests left processes behind" in str(story(run))
    hang = [file("a.py", case("x", leaves=True), case("hangs", hangs=True))]
    run = play([suite("unit", leaks="fail", test_timeout_s=1.0)], hang)
    assert run.watch.reports["unit"].reason == "1 of 2 tests failed"
    assert "left" not in str(story(run))


def test_failures_and_leaks_are_both_told() -> None:
    run = play([suite("unit", leaks="fail")], [file("a.py", case("x", "failed", leaves=True))])
    reason = run.watch.reports["unit"].reason
    assert reason == "1 of 1 tests failed; left processes behind: sleep 9 (pid 7) of a.py::x"


def test_what_is_found_at_the_very_end() -> None:
    """Ignored for a gate that says so, told for others and for what has no name, failing where asked."""
    gates = (suite("a", leaks="ignore"), suite("b"), suite("c", leaks="fail"))
    plan = build_plan(Config(gates=gates))
    left = [Leftover(what=f"p{name}", gate=name) for name in "ab"] + [Leftover(what="p")]
    assert sort_out(plan, left) == (["pb", "p"], False)
    assert sort_out(plan, [Leftover(what="q", gate="c", test="t.py::t")]) == (["q of t.py::t"], True)
    assert listed(list("abcdefg")) == "a, b, c, d, e and 2 more"
