"""Retries of single tests in whole runs: what runs again, when, and as what it ends."""

from __future__ import annotations

import pytest
from simulator import Simulator
from simworld import SimCommand
from stories import case, command, file, play, story, suite

from pytest_batchgate.core.events import GateFinished, GateReport
from pytest_batchgate.core.model import Breaker, GateState, Retries, Tests
from pytest_batchgate.core.protocol import StopAsked

LINT = command("lint", retries=Retries(count=1, delay_s=2.0, jitter=False))
HEALS = {"lint": SimCommand(duration_s=1.0, heals_after=1)}
STEADY = Retries(count=2, delay_s=3.0, backoff="constant", jitter=False)


def report(sim: Simulator) -> GateReport:
    found = [event for _, step in sim.steps for event in step.events if isinstance(event, GateFinished)]
    return found[-1].report


def told(sim: Simulator) -> list[str]:
    return story(sim, times=True, only="t")


def test_only_what_failed_runs_again_and_the_others_go_on_meanwhile() -> None:
    tests = [case("test_a", heals_after=1), *(case(f"test_{number}") for number in range(4))]
    sim = play([suite("unit", retries=STEADY)], [file("a.py", *tests)])
    assert told(sim) == [
        "1 gw0 will retry a.py::test_a: attempt 1 of 3 failed, pause 3",
        "2 gw0 ran a.py::test_0: passed",
        "3 gw0 ran a.py::test_1: passed",
        "4 gw0 ran a.py::test_2: passed",
        "5 gw0 ran a.py::test_3: passed",
        "6 gw0 ran a.py::test_a: passed",
    ]
    assert report(sim).state is GateState.FLAKY
    assert report(sim).reason == "1 test passed on a retry"
    assert (report(sim).flaky, report(sim).counts["passed"]) == (1, 5)
    assert len(sim.workers) == 1


def test_nothing_else_to_do_the_worker_waits_for_the_pause() -> None:
    sim = play([suite("unit", retries=STEADY)], [file("a.py", case("test_a", heals_after=2))])
    assert [line.split()[0] for line in told(sim)] == ["1", "5", "9"]
    assert len(sim.workers) == 1


def test_in_turn_the_next_gate_has_the_worker_while_one_only_waits_for_a_pause() -> None:
    """Not before: `unit` keeps its turn as long as it has a test that could run."""
    gates = [suite("unit", paths=["u"], retries=STEADY), suite("more", paths=["m"])]
    files = [
        file("u/a.py", case("test_a", heals_after=1), "test_b"),
        file("m/b.py", "test_c", "test_d", "test_e"),
        file("m/c.py", "test_f"),
    ]
    sim = play(gates, files, sequential=True)
    assert story(sim, times=True, only="gt") == [
        "0 unit starts",
        "1 gw0 will retry u/a.py::test_a: attempt 1 of 3 failed, pause 3",
        "2 gw0 ran u/a.py::test_b: passed",
        "2 more starts",
        "3 gw0 ran m/b.py::test_c: passed",
        "4 gw0 ran m/b.py::test_d: passed",
        "5 gw0 ran m/b.py::test_e: passed",
        "6 gw0 ran m/c.py::test_f: passed",
        "6 more passed",
        "7 gw0 ran u/a.py::test_a: passed",
        "7 unit flaky: 1 test passed on a retry",
    ]
    assert len(sim.workers) == 1


def test_in_turn_a_command_that_is_due_again_does_not_wait_for_who_waits_too() -> None:
    """`unit` began while `lint` paused; `lint` is the first again when `unit` only waits for a pause."""
    files = [file("a.py", case("test_a", heals_after=1))]
    sim = play([LINT, suite("unit", retries=STEADY)], files, commands=HEALS, sequential=True)
    assert story(sim, times=True, only="gt") == [
        "0 lint starts in 0",
        "1 unit starts",
        "2 gw0 will retry a.py::test_a: attempt 1 of 3 failed, pause 3",
        "3 lint starts in 0",
        "4 lint flaky: passed on attempt 2",
        "6 gw0 ran a.py::test_a: passed",
        "6 unit flaky: 1 test passed on a retry",
    ]


def test_in_turn_a_command_that_is_due_again_goes_before_what_began_meanwhile() -> None:
    """What the worker has in hand is run first; the rest of `unit` waits."""
    files = [file(f"{name}.py", "test_a", "test_b") for name in "abcd"]
    sim = play([LINT, suite("unit")], files, commands=HEALS, sequential=True)
    assert story(sim, times=True, only="gt") == [
        "0 lint starts in 0",
        "1 unit starts",
        "2 gw0 ran a.py::test_a: passed",
        "3 gw0 ran a.py::test_b: passed",
        "4 gw0 ran b.py::test_a: passed",
        "5 gw0 ran b.py::test_b: passed",
        "5 lint starts in 0",
        "6 lint flaky: passed on attempt 2",
        "7 gw0 ran c.py::test_a: passed",
        "8 gw0 ran c.py::test_b: passed",
        "9 gw0 ran d.py::test_a: passed",
        "10 gw0 ran d.py::test_b: passed",
        "10 unit passed",
    ]


def test_the_last_attempt_counts() -> None:
    sim = play([suite("unit", retries=STEADY)], [file("a.py", case("test_a", "failed"))])
    assert told(sim)[-1] == "9 gw0 ran a.py::test_a: failed"
    assert report(sim).counts["failed"] == 1
    assert report(sim).state is GateState.FAILED


def test_fail_on_flaky() -> None:
    gate = suite("unit", retries=STEADY)
    gate = type(gate)(name=gate.name, work=Tests(rest=True, fail_on_flaky=True), retries=STEADY)
    sim = play([gate], [file("a.py", case("test_a", heals_after=1))])
    assert report(sim).state is GateState.FAILED
    assert report(sim).reason == "1 test passed on a retry only (fail-on-flaky)"


def test_a_test_that_crashed_runs_again_in_another_process() -> None:
    sim = play(
        [suite("unit", retries=STEADY)], [file("a.py", case("test_a", crashes=True, heals_after=1), "test_b")]
    )
    lines = told(sim)
    assert lines[0] == "1 gw0 will retry a.py::test_a: attempt 1 of 3 crashed, pause 3"
    assert lines[-1].endswith("ran a.py::test_a: passed")
    assert len(sim.workers) == 2
    assert report(sim).state is GateState.FLAKY


def test_a_constrained_test_keeps_its_constraints() -> None:
    """test_b waits for test_a, which passes on its second attempt."""
    tests = [case("test_a", heals_after=1, serial=("db",)), case("test_b", depends_on=("test_a",))]
    sim = play([suite("unit", retries=STEADY)], [file("a.py", *tests)])
    assert [line.split(" ", 1)[1] for line in told(sim)] == [
        "gw0 will retry a.py::test_a: attempt 1 of 3 failed, pause 3",
        "gw0 ran a.py::test_a: passed",
        "gw0 ran a.py::test_b: passed",
    ]


@pytest.mark.parametrize("crashes", [False, True])
def test_a_stop_ends_a_test_between_two_attempts_as_it_last_ended(*, crashes: bool) -> None:
    stops = [(2.0, StopAsked("maxfail", "stopping after 1 failures", 1))]
    tests = [case("test_a", "failed", crashes=crashes), case("test_b", duration_s=9.0)]
    sim = play([suite("unit", retries=STEADY)], [file("a.py", *tests)], stops=stops)
    assert sim.watch.outcomes["a.py::test_a"] == "failed"
    assert report(sim).state is GateState.FAILED
    assert report(sim).counts["failed"] == 1
    assert report(sim).counts["not_run"] == 0


def test_a_broken_gate_ends_its_pending_attempts_as_failures() -> None:
    """Not skipped: they have run."""
    gate = suite("db", retries=STEADY, breaker=Breaker(threshold=2))
    tests = [case(f"test_{number}", "failed") for number in range(6)]
    sim = play([gate], [file("a.py", *tests)])
    assert report(sim).state is GateState.BROKEN
    assert report(sim).counts["failed"] == 3
    assert report(sim).counts["skipped"] == 3
    assert sum("will retry" in line for line in told(sim)) == 1


def test_a_time_limit_ends_them_too() -> None:
    gate = suite("unit", retries=Retries(count=1, delay_s=50.0, jitter=False), timeout_s=10.0)
    sim = play([gate], [file("a.py", case("test_a", "failed"))])
    assert told(sim)[-1] == "10 gw0 ran a.py::test_a: failed"
    assert report(sim).state is GateState.TIMED_OUT


def test_an_attempt_that_runs_when_its_gate_is_given_up_counts() -> None:
    """test_b takes the one worker down that may die, while test_a runs again."""
    gate = suite("unit", retries=Retries(count=1, delay_s=0.0, on=("failed",)))
    files = [
        file("a.py", case("test_a", duration_s=1.0, heals_after=1)),
        file("b.py", case("test_b", duration_s=1.5, crashes=True)),
    ]
    sim = play([gate], files, slots=2, max_restarts=0)
    assert told(sim) == [
        "1 gw0 will retry a.py::test_a: attempt 1 of 2 failed, pause 0",
        "1.5 b.py::test_b failed: worker gw1 signal 9 while running b.py::test_b",
        "2 gw0 ran a.py::test_a: passed",
    ]
    assert report(sim).state is GateState.CRASHED
    assert (report(sim).flaky, report(sim).counts["passed"]) == (1, 1)
