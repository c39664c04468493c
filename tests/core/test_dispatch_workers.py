"""Workers: losing them, replacing them, environments, and the sequential mode."""

from __future__ import annotations

from simworld import SimCommand, SimFile, SimTest
from stories import case, command, file, play, story, suite

from pytest_batchgate.core.dispatch import Dispatcher
from pytest_batchgate.core.events import TestsWereRun
from pytest_batchgate.core.model import Config
from pytest_batchgate.core.plan import build_plan
from pytest_batchgate.core.protocol import (
    AssignFile,
    CollectedFile,
    FileCollected,
    SpawnWorker,
    TestResult,
    TestsFinished,
    UnitFinished,
    WorkerEnded,
    WorkerListed,
)
from pytest_batchgate.core.state import RunOptions


def test_a_crash_is_blamed_on_the_test_that_ran_and_the_rest_runs_elsewhere() -> None:
    run = play([suite("unit")], [file("a.py", "x", case("boom", crashes=True), "y")])
    assert story(run) == [
        "spawn gw0",
        "gw0 collects a.py",
        "unit starts",
        "gw0 ran a.py::x: passed",
        "a.py::boom failed: worker gw0 signal 9 while running a.py::boom",
        "gw0 ended: signal 9",
        "spawn gw0",
        "gw0 gets 2 of a.py",
        "gw0 finishes",
        "gw0 ran a.py::y: passed",
        "unit failed: 1 of 3 tests failed",
        "gw0 ended",
    ]


def test_an_import_that_crashes_is_a_collection_error_and_is_not_tried_again() -> None:
    files = [SimFile(name="a.py", crashes=True), file("b.py", "x")]
    run = play([suite("unit")], files, continue_on_collection_errors=True)
    assert story(run) == [
        "spawn gw0",
        "gw0 collects a.py",
        "gw0 collects b.py",
        "gw0 ended: signal 11",
        "spawn gw0",
        "gw0 collects b.py",
        "unit starts",
        "gw0 finishes",
        "gw0 ran b.py::x: passed",
        "unit failed: 1 error during collection",
        "gw0 ended",
    ]


def test_at_the_restart_limit_what_did_not_run_is_an_error_by_name() -> None:
    run = play(
        [suite("unit")], [file("a.py", *[case(f"boom{i}", crashes=True) for i in range(4)])], max_restarts=1
    )
    assert story(run, only="tg") == [
        "unit starts",
        "a.py::boom0 failed: worker gw0 signal 9 while running a.py::boom0",
        "a.py::boom1 failed: worker gw0 signal 9 while running a.py::boom1",
        "a.py::boom2 error: not run: its tests took 2 workers down (the last signal 9)",
        "a.py::boom3 error: not run: its tests took 2 workers down (the last signal 9)",
        "unit crashed: its tests took 2 workers down (the last signal 9)",
    ]


def test_tests_gates_with_their_own_environment_get_their_own_workers_after_their_needs() -> None:
    """unit (plain);  build (writes URL) -> it (env DB=1), in a pool of one"""
    gates = [
        command("build"),
        suite("unit", paths=["u"]),
        suite("it", "build", paths=["i"], env={"DB": "1"}),
    ]
    files = [file("u/a.py", "x", "y"), file("i/b.py", "z")]
    run = play(gates, files, commands={"build": SimCommand(outputs={"URL": "pg"})})
    assert story(run, times=True) == [
        "0 build starts in 0",
        "0 run build",
        "0 spawn gw0",
        "1 build passed",
        "1 gw0 collects u/a.py",
        "1 unit starts",
        "2 gw0 ran u/a.py::x: passed",
        "2 gw0 parks",
        "3 gw0 ran u/a.py::y: passed",
        "3 unit passed",
        "3 gw0 finishes",
        "3 gw0 ended",
        "3 spawn gw0 {'URL': 'pg', 'DB': '1'}",
        "3 gw0 collects i/b.py",
        "3 it starts",
        "3 gw0 finishes",
        "4 gw0 ran i/b.py::z: passed",
        "4 it passed",
        "4 gw0 ended",
    ]


def test_an_environment_does_not_wait_for_all_the_work_of_another() -> None:
    """unit (plain, 40 tests);  it (env): two slots, both could go to unit"""
    gates = [command("build"), suite("unit", paths=["u"]), suite("it", "build", paths=["i"], env={"DB": "1"})]
    files = [*(file(f"u/t{n}.py", "x", "y", "z", "w") for n in range(10)), file("i/b.py", "z")]
    run = play(gates, files, slots=2, commands={"build": SimCommand(duration_s=2.0)})
    assert run.watch.reports["it"].started_s is not None
    assert run.watch.reports["it"].started_s < 15


def test_one_gate_at_a_time_in_order_and_files_as_listed() -> None:
    """unit -> lint;  it;  first.  The record would have run u/a.py before u/b.py."""
    gates = [command("lint", "unit"), suite("unit", paths=["u"]), suite("it", paths=["i"]), command("first")]
    files = [file("i/b.py", "z"), file("u/b.py", "b"), file("u/a.py", "a")]
    run = play(gates, files, sequential=True, record={"u/a.py": 9.0})
    assert story(run) == [
        "spawn gw0",
        "gw0 collects u/b.py",
        "gw0 collects u/a.py",
        "unit starts",
        "gw0 ran u/b.py::b: passed",
        "gw0 parks",
        "gw0 ran u/a.py::a: passed",
        "unit passed",
        "lint starts in 0",
        "run lint",
        "lint passed",
        "gw0 collects i/b.py",
        "it starts",
        "gw0 finishes",
        "gw0 ran i/b.py::z: passed",
        "it passed",
        "first starts in 0",
        "run first",
        "gw0 ended",
        "first passed",
    ]


def test_ids_that_no_other_process_finds_run_where_they_were_collected() -> None:
    """b.py's tests differ from process to process; the thief finds none, the collector runs them."""
    odd = SimFile(name="b.py", tests=[SimTest(name=f"t{i}", duration_s=1.0) for i in range(8)], unstable=True)
    run = play([suite("unit")], [odd], slots=2, record={"b.py": 8.0})
    ran = [line for line in story(run, only="t") if "ran" in line]
    assert len(ran) == 8
    assert all(line.endswith("passed") for line in ran)
    assert run.watch.reports["unit"].state.good


def test_a_session_fixture_that_fails_after_the_last_report_fails_the_run() -> None:
    """The test was reported as passed and its gate has ended; the error is counted all the same."""
    plan = build_plan(Config(gates=(suite("unit"),)))
    dispatcher = Dispatcher(plan, RunOptions(slots=1))
    (spawn,) = dispatcher.start(0.0).actions
    assert isinstance(spawn, SpawnWorker)
    (assign,) = [
        action
        for action in dispatcher.handle(WorkerListed(spawn.worker, ("a.py",)), 0.0).actions
        if isinstance(action, AssignFile)
    ]
    collected = CollectedFile(file="a.py", keys=("a.py::x",), gates=(0,))
    dispatcher.handle(FileCollected(spawn.worker, assign.unit, collected, None), 0.0)
    passed, broken = TestResult(0, "passed", 0.1), TestResult(0, "error", 0.0)
    dispatcher.handle(TestsFinished(spawn.worker, assign.unit, (passed,)), 0.0)
    dispatcher.handle(UnitFinished(spawn.worker, assign.unit), 0.0)
    events = dispatcher.handle(TestsFinished(spawn.worker, assign.unit, (broken,)), 0.0).events
    assert [event.late for event in events if isinstance(event, TestsWereRun)] == [True]
    dispatcher.handle(WorkerEnded(spawn.worker), 0.0)
    assert dispatcher.finished
    assert dispatcher.state.late_errors == 1


def test_messages_of_a_worker_that_is_gone_are_dropped() -> None:
    plan = build_plan(Config(gates=(suite("unit"),)))
    dispatcher = Dispatcher(plan, RunOptions(slots=1))
    (spawn,) = dispatcher.start(0.0).actions
    assert isinstance(spawn, SpawnWorker)
    dispatcher.handle(WorkerEnded(spawn.worker), 0.0)
    step = dispatcher.handle(WorkerListed(spawn.worker, ("a.py",)), 0.0)
    assert step.events == ()
    assert step.actions == ()
