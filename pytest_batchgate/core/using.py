"""CPU and memory of tests gates: what a worker used goes to the gates whose tests it ran meanwhile."""

from __future__ import annotations

from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.protocol import TestsFinished
from pytest_batchgate.core.state import RunState


def share(state: RunState, event: TestsFinished) -> None:
    """Divide the CPU of a batch by the time that each gate's tests took of it.

    A batch is of one file, and most files are of one gate.  Memory cannot be divided: each gets the
    worker's peak, and keeps the greatest.
    """
    if not event.cpu_s and not event.peak_rss_bytes:
        return
    worker = state.workers.get(event.worker)
    if worker is None:
        return
    unit = worker.units.get(event.unit) or worker.last
    if unit is None or unit.id != event.unit or unit.file.collected is None:
        return
    gates = unit.file.collected.gates
    took: dict[GateName, float] = {}
    runs: dict[GateName, GateRun] = {}
    for result in event.results:
        run = state.by_claim[gates[result.index]]
        if run is not None:
            runs[run.name] = run
            took[run.name] = took.get(run.name, 0.0) + max(0.0, result.duration_s)
    whole = sum(took.values())
    for name, run in runs.items():
        run.cpu_s += event.cpu_s * (took[name] / whole if whole > 0 else 1 / len(runs))
        run.peak_rss_bytes = max(run.peak_rss_bytes, event.peak_rss_bytes)
