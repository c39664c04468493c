"""Commands that another shard runs, until a test here asks for one by a marker."""

from __future__ import annotations

from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import GateState
from pytest_batchgate.core.state import RunState


def is_spare(state: RunState, run: GateRun) -> bool:
    """Whether a command is another shard's, and no test here has come to need it."""
    spare = state.options.spare
    if run.name not in spare or run.state is not GateState.WAITING:
        return False
    todo, seen = [run.name], {run.name}
    while todo:
        name = todo.pop()
        if state.asks_for(name):
            return False
        dependents = state.plan.dependents[name]
        later = [other for other in dependents if other not in seen and not state.gates[other].ended]
        seen.update(later)
        todo += later
    return True
