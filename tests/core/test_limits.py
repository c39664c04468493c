"""Limits of single tests: who is ended, when, and what becomes of the others."""

from __future__ import annotations

import pytest
from stories import case, file, play, story, suite

from pytest_batchgate.core.dispatch import Dispatcher
from pytest_batchgate.core.model import Config, Retries
from pytest_batchgate.core.plan import build_plan
from pytest_batchgate.core.protocol import (
    AssignFile,
    CollectedFile,
    FileCollected,
    KillWorker,
    MemoryUsed,
    SpawnWorker,
    TestResult,
    TestsFinished,
    TestsRunning,
    UnitFinished,
    WorkerListed,
    WorkerLost,
)
from pytest_batchgate.core.state import RunOptions


def test_a_test_over_its_gates_limit_fails_and_the_rest_runs_elsewhere() -> None:
    """gw0: x, hang, y.  No restart is charged: with none allowed the rest still runs."""
    tests = file("a.py", "x", case("hang", hangs=True), case("hang2", hangs=True), "y")
    run = play([suite("unit", test_timeout_s=5.0)], [tests], max_restarts=0)
    assert story(run, times=True, only="t") == [
        "1 gw0 ran a.py::x: passed",
        "6.02 a.py::hang failed: timed out after 5 s (test-timeout)",
        "11.04 a.py::hang2 failed: timed out after 5 s (test-timeout)",
        "12.04 gw0 ran a.py::y: passed",
    ]
    assert run.watch.reports["unit"].reason == "2 of 4 tests failed"
    assert run.dispatcher.state.restarts == 0


@pytest.mark.parametrize("on", [("timed-out",), ("failed", "crashed")])
def test_a_test_that_timed_out_is_tried_again_where_the_gate_says_so(on: tuple[str, ...]) -> None:
    retries = Retries(count=1, delay_s=2.0, jitter=False, on=on)
    tests = file("a.py", case("hang", hangs=True, heals_after=1), "x")
    run = play([suite("unit", test_timeout_s=5.0, retries=retries)], [tests])
    again = [
        "gw0 will retry a.py::hang: attempt 1 of 2 timed-out, pause 2",
        "gw0 ran a.py::x: passed",
        "gw0 ran a.py::hang: passed",
    ]
    failed = ["a.py::hang failed: timed out after 5 s (test-timeout)", "gw0 ran a.py::x: passed"]
    assert story(run, only="t") == (again if "timed-out" in on else failed)


def test_too_much_memory_is_tried_again_as_a_failure() -> None:
    gate = suite("unit", memory_limit_bytes=1000, retries=Retries(count=1, delay_s=1.0, on=("failed",)))
    run = play([gate], [file("a.py", case("much", rss_bytes=2000))])
    assert [line.partition(":")[0] for line in story(run, only="t")] == [
        "gw0 will retry a.py",
        "a.py",
    ]
    words = "1 of 1 tests failed (memory: 0.0 MiB used, limit 0.0 MiB)"
    assert run.watch.reports["unit"].reason == words


def test_a_marker_counts_before_the_option_and_the_shorter_of_marker_and_gate() -> None:
    """0 is no limit of its own; the gate's still holds."""
    tests = [
        case("by_option", hangs=True),
        case("by_marker", hangs=True, timeout_s=1.0),
        case("free", duration_s=9.0, timeout_s=0.0),
        case("by_gate", hangs=True, timeout_s=60.0),
    ]
    gates = [suite("unit", test_timeout_s=20.0)]
    run = play(gates, [file("a.py", *tests)], test_limit_s=3.0, test_spare_s=0.5)
    assert story(run, only="t") == [
        "a.py::by_option failed: timed out after 3 s (timeout)",
        "a.py::by_marker failed: timed out after 1 s (timeout)",
        "gw0 ran a.py::free: passed",
        "a.py::by_gate failed: timed out after 20 s (test-timeout)",
    ]


def test_a_short_limit_is_kept_behind_a_test_with_a_long_one_that_ended_early() -> None:
    """long is seen at 0.3 and may run until 60, ends at 1, and hang follows it unseen."""
    tests = [case("long", timeout_s=60.0), case("hang", hangs=True, timeout_s=0.3)]
    run = play([suite("unit")], [file("a.py", *tests)])
    when, _, what = story(run, times=True, only="t")[1].partition(" ")
    assert what == "a.py::hang failed: timed out after 0.3 s (timeout)"
    assert 1.3 <= float(when) <= 1.7


def test_looks_are_as_rare_as_the_shortest_limit_and_nobody_looks_without_one() -> None:
    """40 tests of a second with a limit of 10 s: a look when work begins, and one in ten seconds."""
    names = [f"t{number}" for number in range(40)]
    limited = play([suite("unit", test_timeout_s=10.0)], [file("a.py", *names)])
    free = play([suite("unit")], [file("a.py", *names)])
    assert 1 <= len(limited.steps) - len(free.steps) <= 7
    assert free.dispatcher.next_look() is None


def test_a_test_that_uses_more_than_its_gate_allows_fails() -> None:
    """b's test may: it has no limit, nor has the other one, which stays within."""
    mib = 1024 * 1024
    gates = [suite("a", paths=["a"], memory_limit_bytes=100 * mib), suite("b", paths=["b"])]
    files = [
        file("a/a.py", case("much", rss_bytes=150 * mib), case("less", rss_bytes=90 * mib)),
        file("b/b.py", case("free", rss_bytes=150 * mib)),
    ]
    run = play(gates, files, max_restarts=0)
    assert story(run, only="t") == [
        "a/a.py::much failed: memory: 150 MiB used, limit 100 MiB",
        "gw0 ran a/a.py::less: passed",
        "gw0 ran b/b.py::free: passed",
    ]
    words = "1 of 2 tests failed (memory: 150 MiB used, limit 100 MiB)"
    assert [run.watch.reports[name].reason for name in ("a", "b")] == [words, None]


def test_an_import_that_uses_too_much_is_a_collection_error() -> None:
    """The file's gates are those for which it is collected."""
    plan = build_plan(Config(gates=(suite("unit", memory_limit_bytes=1000),)))
    dispatcher = Dispatcher(plan, RunOptions(slots=1))
    (spawn,) = dispatcher.start(0.0).actions
    assert isinstance(spawn, SpawnWorker)
    dispatcher.handle(WorkerListed(spawn.worker, ("a.py",)), 0.0)
    assert dispatcher.handle(MemoryUsed(spawn.worker, ("a.py", -1), 1000), 0.1).actions == ()
    (kill,) = dispatcher.handle(MemoryUsed(spawn.worker, ("a.py", -1), 3_000_000), 0.2).actions
    assert isinstance(kill, KillWorker)
    assert kill.reason == "was ended (memory: 2.9 MiB used, limit 0.0 MiB)"
    dispatcher.handle(WorkerLost(spawn.worker, ("a.py", -1), kill.reason), 0.3)
    report = dispatcher.state.gates[plan.order[0]].report()
    assert report.reason == "1 error during collection"


def test_a_short_test_does_not_slip_through_with_too_much_memory() -> None:
    """x was measured, and has ended when that is heard of: its gate fails, y is run elsewhere."""
    dispatcher, spawn, assign = started(memory_limit_bytes=1000)
    dispatcher.handle(TestsFinished(spawn.worker, assign.unit, (TestResult(0, "passed", 0.1),)), 1.0)
    (kill,) = dispatcher.handle(MemoryUsed(spawn.worker, ("a.py", 0), 50_000_000), 1.0).actions
    assert isinstance(kill, KillWorker)
    step = dispatcher.handle(WorkerLost(spawn.worker, ("a.py", 1), "killed"), 1.1)
    assert "memory: 48 MiB used, limit 0.0 MiB in a.py::x" in str(step.events)
    run = dispatcher.state.gates[dispatcher.state.plan.order[0]]
    assert (run.counts["passed"], run.counts["failed"], run.remaining) == (1, 0, 1)
    assert run.trouble == "memory: 48 MiB used, limit 0.0 MiB in a.py::x"


def started(**limits: float) -> tuple[Dispatcher, SpawnWorker, AssignFile]:
    """One worker with one file of two tests, both of them out."""
    plan = build_plan(Config(gates=(suite("unit", **limits),)))  # type: ignore[arg-type]
    dispatcher = Dispatcher(plan, RunOptions(slots=1))
    (spawn,) = dispatcher.start(0.0).actions
    assert isinstance(spawn, SpawnWorker)
    listed = dispatcher.handle(WorkerListed(spawn.worker, ("a.py",)), 0.0).actions
    (assign,) = [action for action in listed if isinstance(action, AssignFile)]
    collected = CollectedFile(file="a.py", keys=("a.py::x", "a.py::y"), gates=(0, 0))
    dispatcher.handle(FileCollected(spawn.worker, assign.unit, collected, None), 0.0)
    return dispatcher, spawn, assign


def test_one_that_ends_in_the_last_moment_is_not_blamed_nor_is_its_successor() -> None:
    """The order to kill and the report cross: y, which ran then, runs again elsewhere."""
    dispatcher, spawn, assign = started(test_timeout_s=2.0)
    step = dispatcher.handle(TestsRunning({spawn.worker: ("a.py", 0, 2.0)}), 2.0)
    assert step.actions == (KillWorker(spawn.worker, 1.0, "timed out after 2 s (test-timeout)"),)
    assert dispatcher.handle(TestsRunning({spawn.worker: ("a.py", 0, 2.5)}), 2.5).actions == ()
    dispatcher.handle(TestsFinished(spawn.worker, assign.unit, (TestResult(0, "passed", 2.1),)), 2.6)
    step = dispatcher.handle(WorkerLost(spawn.worker, ("a.py", 1), "killed"), 2.7)
    run = dispatcher.state.gates[dispatcher.state.plan.order[0]]
    assert (run.counts["passed"], run.counts["failed"], run.remaining) == (1, 0, 1)
    assert [type(action) for action in step.actions] == [SpawnWorker]
    assert dispatcher.state.late_errors == 0


def test_a_session_fixture_that_hangs_in_its_teardown_fails_the_run() -> None:
    """All tests have been reported; what runs on behalf of the last one is ended, and counted."""
    dispatcher, spawn, assign = started(test_timeout_s=2.0)
    both = (TestResult(0, "passed", 0.1), TestResult(1, "passed", 0.1))
    dispatcher.handle(TestsFinished(spawn.worker, assign.unit, both), 1.0)
    dispatcher.handle(UnitFinished(spawn.worker, assign.unit), 1.0)
    step = dispatcher.handle(TestsRunning({spawn.worker: ("a.py", 1, 2.0)}), 3.0)
    assert [type(action) for action in step.actions] == [KillWorker]
    step = dispatcher.handle(WorkerLost(spawn.worker, None, "killed"), 3.1)
    assert "the teardown of session fixtures timed out after 2 s (test-timeout)" in str(step.events)
    assert dispatcher.state.late_errors == 1
    assert dispatcher.finished
