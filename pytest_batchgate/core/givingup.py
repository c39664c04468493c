"""What is given up: a gate whose tests keep crashing workers, a slot in which no worker will start.

Neither takes the run along.  A gate's crashes are its own: past `max-worker-restarts`
its files are still collected, so that what it has not run is an error by name, and the
other gates go on.  A slot whose worker did not come up stays empty for that environment;
the last slot gets a second try, and only then is the environment without workers.
"""

from __future__ import annotations

from pytest_batchgate.core import endings
from pytest_batchgate.core.events import Noticed
from pytest_batchgate.core.gating import recall
from pytest_batchgate.core.ledger import Realm
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.state import RunState, WorkerRun


def count_crash(state: RunState, run: GateRun, reason: str) -> None:
    """A test of the gate took its worker with it; ``reason``: how that ended."""
    run.crashes += 1
    if run.crashes <= state.options.max_restarts or run.given_up or run.ended or run.closing is not None:
        return
    plural = "s" if run.crashes > 1 else ""
    run.given_up = f"its tests took {run.crashes} worker{plural} down (the last {reason})"
    assert run.claim is not None
    endings.end_all_tried(state, run, only_pausing=True)
    recall(state, run.claim)


def sweep(state: RunState, run: GateRun) -> bool:
    """End what waits of a gate that was given up.  True if there was something."""
    assert run.realm is not None
    words = f"not run: {run.given_up}"
    found = False
    for file in list(run.realm.waiting.values()):
        indexes = file.todo.pop(run.claim, ())  # type: ignore[arg-type]
        if not file.todo:
            run.realm.waiting.pop(file.name, None)
        for index in indexes:
            found = True
            endings.lose(state, file, index, "error", reason=words)
    for special in [special for special in state.specials if special.gate == run.claim]:
        found = True
        state.specials.remove(special)
        endings.lose(state, special.file, special.index, "error", reason=words)
    return found


def failed_start(state: RunState, worker: WorkerRun, reason: str) -> None:
    """A worker that never came up, and has been taken off its slot."""
    realm = worker.realm
    realm.closed.add(worker.slot)
    left = len(state.slots) - len(realm.closed)
    if not left and not realm.last_chance:
        realm.last_chance = True
        realm.closed.discard(worker.slot)
        left = 1
    if left and not has_died_out(state, realm):
        plural = "s" if left > 1 else ""
        words = f"{worker.name} could not be started ({reason}): going on with {left} worker{plural}"
        state.tell(Noticed(state.now, words))


def has_died_out(state: RunState, realm: Realm) -> bool:
    """Whether there is no worker of this environment, and none can be had."""
    if any(worker.realm is realm for worker in state.workers.values()):
        return False
    return len(realm.closed) == len(state.slots) or state.restarts > state.options.max_restarts
