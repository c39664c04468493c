"""What time alone brings about: limits that are reached, pauses and cooldowns that are over."""

from __future__ import annotations

from pytest_batchgate.core.gating import close, cooled_at, is_between, kill_worker
from pytest_batchgate.core.model import GateState
from pytest_batchgate.core.state import RunState

KILL_GRACE_S = 10.0  # the default of a gate's `grace`


def expire(state: RunState) -> None:
    """Gates past their time limit are brought to an end, and files that take as long to collect."""
    for run in tuple(state.alive):
        if run.deadline_s is not None and state.now >= run.deadline_s and not run.ended:
            run.deadline_s = None
            limit = f"timed out after {run.gate.timeout_s:g} s"
            close(state, run, GateState.TIMED_OUT, limit, kill=True)
        if run.breaker is not None and run.closing is None and not run.ended:
            change = run.breaker.wake(state.now)
            if change is not None:
                from pytest_batchgate.core.breaking import changed

                changed(state, run, change)
    if state.retrying:
        from pytest_batchgate.core.retesting import release_due

        release_due(state)
    for unit in state.units.values():
        if unit.due_s is not None and state.now >= unit.due_s:
            unit.due_s = None
            kill_worker(state, unit.worker, KILL_GRACE_S, f"{unit.file.name} took too long to collect")


def next_deadline(state: RunState) -> float | None:
    deadlines = [run.deadline_s for run in state.alive if run.deadline_s is not None]
    # One that has passed is no deadline: the gate waits for something else now.
    deadlines += [run.not_before_s for run in state.alive if run.not_before_s and is_between(state, run)]
    deadlines += [at for at in map(cooled_at, state.alive) if at is not None]
    deadlines += [unit.due_s for unit in state.units.values() if unit.due_s is not None]
    deadlines += [when for when, *_ in state.retrying[:1]]
    return min(deadlines, default=None)
