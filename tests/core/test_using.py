"""CPU and memory of workers, divided among the gates whose tests they ran."""

from __future__ import annotations

import math

from stories import suite

from pytest_batchgate.core.dispatch import Dispatcher
from pytest_batchgate.core.model import Config, Gate
from pytest_batchgate.core.plan import build_plan
from pytest_batchgate.core.protocol import (
    AssignFile,
    CollectedFile,
    FileCollected,
    SpawnWorker,
    TestResult,
    TestsFinished,
    UnitFinished,
    UnitId,
    WorkerListed,
)
from pytest_batchgate.core.state import RunOptions, RunState


def batches(gates: list[Gate], of: tuple[int, ...], *told: tuple[list[TestResult], float, int]) -> RunState:
    """A file whose tests belong to the gates ``of``; each batch with what it cost."""
    dispatcher = Dispatcher(build_plan(Config(gates=tuple(gates))), RunOptions(slots=1))
    (spawn,) = dispatcher.start(0.0).actions
    assert isinstance(spawn, SpawnWorker)
    listed = dispatcher.handle(WorkerListed(spawn.worker, ("a.py",)), 0.0)
    (assign,) = [action for action in listed.actions if isinstance(action, AssignFile)]
    keys = tuple(f"a.py::t{index}" for index in range(len(of)))
    collected = CollectedFile(file="a.py", keys=keys, gates=of)
    dispatcher.handle(FileCollected(spawn.worker, assign.unit, collected, None), 0.0)
    for results, cpu_s, peak in told:
        dispatcher.handle(TestsFinished(spawn.worker, assign.unit, tuple(results), cpu_s, peak), 1.0)
    dispatcher.handle(UnitFinished(spawn.worker, assign.unit), 1.0)
    return dispatcher.state


def used(state: RunState) -> list[tuple[str, float, int]]:
    return [(str(name), round(run.cpu_s, 6), run.peak_rss_bytes) for name, run in state.gates.items()]


def passed(index: int, duration_s: float) -> TestResult:
    return TestResult(index, "passed", duration_s)


def test_the_cpu_of_a_batch_goes_by_the_time_that_the_gates_took() -> None:
    gates = [suite("unit"), suite("slow")]
    first = [passed(0, 1.0), passed(1, 3.0)]
    state = batches(gates, (0, 1, 0), (first, 2.0, 100), ([passed(2, 0.5)], 0.25, 70))
    assert used(state) == [("unit", 0.75, 100), ("slow", 1.5, 100)]


def test_batches_without_time_are_shared_alike() -> None:
    gates = [suite("unit"), suite("slow")]
    state = batches(gates, (0, 1), ([passed(0, 0.0), passed(1, math.nan)], 2.0, 5))
    assert used(state) == [("unit", 1.0, 5), ("slow", 1.0, 5)]


def test_a_gate_that_ends_with_the_batch_reports_what_it_used() -> None:
    state = batches([suite("unit")], (0,), ([passed(0, 0.1)], 0.5, 1_000))
    (run,) = state.gates.values()
    assert run.ended
    report = run.report()
    assert (report.cpu_s, report.peak_rss_bytes) == (0.5, 1_000)


def test_what_is_told_of_a_unit_that_is_not_known_is_nobodys() -> None:
    dispatcher = Dispatcher(build_plan(Config(gates=(suite("unit"),))), RunOptions(slots=1))
    (spawn,) = dispatcher.start(0.0).actions
    assert isinstance(spawn, SpawnWorker)
    dispatcher.handle(TestsFinished(spawn.worker, UnitId(99), (passed(0, 0.1),), 0.5, 1_000), 0.0)
    assert used(dispatcher.state) == [("unit", 0.0, 0)]
