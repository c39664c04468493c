"""What simulated tests leave running, and what must follow for their gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simworld import SimTest

from pytest_batchgate.core.events import GateReport
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.protocol import Leftover, ProcessesLeft

if TYPE_CHECKING:
    from invariants import Watch
    from simulator import SimWorker


def note(worker: SimWorker, file: str, test: SimTest) -> None:
    if test.leaves:
        worker.left.append(f"{file}::{test.name}")


def tell(worker: SimWorker) -> None:
    """When its process is gone, and before anything else is said of that."""
    if not worker.left:
        return
    nameless = worker.sim.world.nameless
    left = []
    for nodeid in worker.left:
        gate, _ = worker.sim.watch.of_test[nodeid]
        name = None if nameless or gate is None else str(gate.name)
        left.append(Leftover(what="sleep 9 (pid 7)", gate=name, test=None if nameless else nodeid))
    worker.send(ProcessesLeft(worker.id, tuple(left), orderly=not worker.lost))


def check(watch: Watch, report: GateReport) -> None:
    """With `leaks: fail` a gate is never good whose tests left something, nor blamed for nothing."""
    gate = watch.gates[GateName(report.name)]
    if gate.kind == "command":
        return
    mine = [
        nodeid
        for worker in watch.sim.workers.values()
        if not worker.lost
        for nodeid in worker.left
        if watch.of_test[nodeid][0] is gate
    ]
    if gate.leaks == "fail" and mine:
        assert not report.state.good, f"{report.name} passed, and {mine} left processes"
    if "left processes behind" in str(report.reason):
        assert gate.leaks == "fail"
        assert mine or watch.sim.world.nameless
