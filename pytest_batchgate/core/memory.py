"""The limit of a gate's resident memory, as far as its tests use it."""

from __future__ import annotations

from pytest_batchgate.core.agreed import IN_COLLECTION, NO_GATE
from pytest_batchgate.core.gating import kill_worker
from pytest_batchgate.core.limits import LEAST_GRACE_S
from pytest_batchgate.core.protocol import MemoryUsed
from pytest_batchgate.core.state import Doom, RunState, WorkerRun

_MIB = 1024 * 1024


def breach(used_bytes: int, limit_bytes: int | None) -> str | None:
    """What is said of a tree of processes over its limit; None of one that is within."""
    if limit_bytes is None or used_bytes <= limit_bytes:
        return None
    return f"memory: {_mib(used_bytes)} used, limit {_mib(limit_bytes)}"


def _mib(size: int) -> str:
    return f"{size / _MIB:.0f} MiB" if size >= 10 * _MIB else f"{size / _MIB:.1f} MiB"


def on_memory_used(state: RunState, event: MemoryUsed) -> None:
    """End a worker that uses more than the gate of its running test allows; that test fails.

    If it has ended since it was looked at, its gate does: short tests must not slip through.
    """
    worker = state.workers.get(event.worker)
    if worker is None or worker.killed:
        return
    name, index = event.running
    limits = [
        run.gate.memory_limit_bytes
        for claim in _claims(worker, name, index)
        if (run := state.run_of(claim)) is not None and run.gate.memory_limit_bytes is not None
    ]
    words = breach(event.rss_bytes, min(limits, default=None))
    if words is None:
        return
    if index == IN_COLLECTION:
        kill_worker(state, worker.id, LEAST_GRACE_S, f"was ended ({words})")
    else:
        collected = worker.realm.files[name].collected
        assert collected is not None
        late = f"{words} in {collected.nodeid(index)}"
        worker.doom = Doom(name, index, words, memory=True, late=late)
        kill_worker(state, worker.id, LEAST_GRACE_S, words)


def _claims(worker: WorkerRun, name: str, index: int) -> set[int]:
    """The gates for which the worker does what it does."""
    if index == IN_COLLECTION:
        return {claim for unit in worker.units.values() if unit.file.name == name for claim in unit.gates}
    file = worker.realm.files.get(name)
    if file is None or file.collected is None:
        return set()
    return {file.collected.gates[index]} - {NO_GATE}
