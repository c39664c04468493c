"""What a run uses, told as events: who looks, and what the numbers belong to."""

from __future__ import annotations

from collections.abc import Callable

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.events import CommandUse, Sampled, WorkerUse
from pytest_batchgate.core.ledger import FileRun
from pytest_batchgate.core.state import RunState
from pytest_batchgate.plugin.doing import Doer
from pytest_batchgate.workers.messages import Measured, WorkerMeasured
from pytest_batchgate.workers.pool import WorkerPool
from pytest_batchgate.workers.sampling import Sampler


def start_sampler(
    pool: WorkerPool, doer: Doer, put: Callable[[Measured], None], wanted: Callable[[], bool]
) -> Sampler:
    """``wanted`` is asked before each look."""
    sampler = Sampler(pool.processes, doer.commands_use, put, wanted=wanted)
    sampler.start()
    return sampler


def sampled(measured: Measured, state: RunState, *, at: float, began: float) -> Sampled:
    """``measured``, with the tests and gates that workers were busy with called by their names.

    ``at`` is now on the run's clock, ``began`` what `time.monotonic` was when that began.
    """
    return Sampled(
        at,
        tuple(_worker_use(worker, state) for worker in measured.workers),
        tuple(
            CommandUse(
                gate=each.gate,
                cpu_s=each.cpu_s,
                rss_bytes=each.rss_bytes,
                looked_at=max(0.0, each.looked - began),
            )
            for each in measured.commands
        ),
    )


def _worker_use(worker: WorkerMeasured, state: RunState) -> WorkerUse:
    gate = test = seconds = None
    if worker.running is not None:
        name, index, seconds = worker.running
        file = _file(state, worker.worker, name)
        if file is not None and file.collected is not None and 0 <= index < len(file.collected.keys):
            test = file.collected.nodeid(index)
            claim = file.collected.gates[index]
            gate = state.plan.claims[claim].name if claim != NO_GATE else None
    return WorkerUse(
        worker=worker.worker,
        cpu_s=worker.cpu_s,
        rss_bytes=worker.rss_bytes,
        gate=gate,
        test=test,
        running_s=seconds if test is not None else None,
    )


def _file(state: RunState, worker: str, name: str) -> FileRun | None:
    return next((run.realm.files.get(name) for run in state.workers.values() if run.name == worker), None)
