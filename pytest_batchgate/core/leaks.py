"""Processes that tests left running: whose they are, and what that means for a gate.

While a worker lives, what its tests started may be a session fixture's; once it is
gone, what is left belongs to nobody.  A gate that fails for what its tests left
(`leaks: fail`) therefore ends only when the workers that ran its tests have: they
get no more work, and others take their places.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_batchgate.core.events import Noticed
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.plan import Plan
from pytest_batchgate.core.protocol import Leftover, ProcessesLeft
from pytest_batchgate.core.state import RunState

_SHOWN = 5


def matter(plan: Plan) -> bool:
    """Whether workers must be looked after when they end, and not only at the run's end."""
    return any(gate.kind == "tests" and gate.leaks == "fail" for gate in plan.gates)


def awaits_workers(state: RunState, run: GateRun) -> bool:
    """Whether a gate that is through has to wait for its workers; lets them go."""
    if run.gate.leaks != "fail":
        return False
    mine = [worker for worker in state.workers.values() if run.claim in worker.served]
    for worker in mine:
        worker.leaving = True
    return bool(mine)


def on_processes_left(state: RunState, event: ProcessesLeft) -> None:
    """Charge each to the gate whose test started it; what has lost its name, to all it may be of.

    A worker that died could not tear its fixtures down: that is told, and no leak of its tests.
    """
    worker = state.workers.get(event.worker)
    if worker is None or worker.killed:
        return
    told = []
    for left in event.left:
        run = state.gates.get(GateName(left.gate)) if left.gate is not None else None
        served = [state.run_of(claim) for claim in sorted(worker.served)]
        runs = [run] if run is not None and run.claim is not None else [each for each in served if each]
        failing = [each for each in runs if each.gate.leaks == "fail" and not each.ended and event.orderly]
        for each in failing:
            each.leaked.append(left.words)
        if not failing and any(each.gate.leaks != "ignore" for each in runs):
            told.append(left.words)
    if told:
        state.tell(Noticed(state.now, notice(told)))


def notice(told: Sequence[str]) -> str:
    return f"tests left processes behind, which have been ended: {listed(told)}"


def listed(told: Sequence[str]) -> str:
    """The first few of them."""
    shown = ", ".join(told[:_SHOWN])
    return f"{shown} and {len(told) - _SHOWN} more" if len(told) > _SHOWN else shown


def sort_out(plan: Plan, left: Sequence[Leftover]) -> tuple[list[str], bool]:
    """At the run's end: what to tell of, and whether any of it fails the run."""
    gates = {gate.name: gate for gate in plan.gates}
    meant = [(gates.get(GateName(each.gate or "")), each.words) for each in left]
    told = [words for gate, words in meant if gate is None or gate.leaks != "ignore"]
    return told, any(gate is not None and gate.leaks == "fail" for gate, _ in meant)
