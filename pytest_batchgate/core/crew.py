"""Workers coming and going: starting, parking, finishing, and what a lost one leaves behind."""

from __future__ import annotations

from pytest_batchgate.core import constraints, realms
from pytest_batchgate.core.distribute import take_back
from pytest_batchgate.core.events import WorkerStarted, WorkerStopped
from pytest_batchgate.core.ledger import OUT, TODO, FileRun, Realm
from pytest_batchgate.core.protocol import (
    CollectedFile,
    FinishWorker,
    HaltWorker,
    SpawnWorker,
    WorkerId,
    WorkerLost,
)
from pytest_batchgate.core.state import RunState, Unit, WorkerRun

IN_COLLECTION = -1  # WorkerLost.running's index while a file is being collected


def spawn(state: RunState, slot: int, realm: Realm) -> None:
    worker = WorkerRun(id=WorkerId(state.new_id()), slot=slot, realm=realm)
    state.workers[worker.id] = worker
    state.slots[slot].worker = worker
    state.do(SpawnWorker(worker.id, slot, realm.env))
    state.tell(WorkerStarted(state.now, worker.name))


def finish(state: RunState, worker: WorkerRun) -> None:
    worker.ending = True
    state.do(FinishWorker(worker.id))


def halt_all(state: RunState) -> None:
    for worker in state.workers.values():
        if not worker.ending:
            worker.ending = True
            state.do(HaltWorker(worker.id))


def on_worker_ended(state: RunState, worker_id: WorkerId) -> None:
    worker = state.workers.get(worker_id)
    if worker is not None:
        _remove(state, worker)
        state.tell(WorkerStopped(state.now, worker.name, None))


def on_worker_lost(state: RunState, event: WorkerLost) -> None:
    """Blame the test that ran, take back the rest, and count the restart."""
    worker = state.workers.get(event.worker)
    if worker is None:
        return
    was_ending = worker.ending
    units = list(worker.units.values())
    culprit = _culprit(units, event.running)
    if culprit is not None:
        _blame(state, worker, *culprit, event.reason)
    elif was_ending and not units:
        state.late_errors += 1  # it died in a session fixture's teardown, after its last report
    _remove(state, worker)
    state.tell(WorkerStopped(state.now, worker.name, event.reason))
    if not was_ending:
        state.restarts += 1
    if state.restarts > state.options.max_restarts:
        _give_up(state, worker.realm, event.reason)


def _culprit(units: list[Unit], running: tuple[str, int] | None) -> tuple[Unit, int] | None:
    if running is None:
        return None
    name, index = running
    for unit in units:
        if unit.file.name == name and (index == IN_COLLECTION or index in unit.out):
            return unit, index
    return None


def _blame(state: RunState, worker: WorkerRun, unit: Unit, index: int, reason: str) -> None:
    file = unit.file
    if index != IN_COLLECTION:
        unit.out.discard(index)
        realms.lose(state, file, index, "failed", reason, worker.name)
        constraints.test_ended(state, file, index, "failed")
    elif unit.collecting:
        # The file takes its importer down: it is a collection error, and is not tried again.
        unit.collecting = False
        blame_file(state, worker.realm, file, reason, worker.name)
    else:  # a second collection of a file that another worker collected without trouble
        for lost in sorted(unit.out):
            realms.lose(state, file, lost, "error", reason, worker.name)
            constraints.test_ended(state, file, lost, "error")
        unit.out.clear()


def blame_file(state: RunState, realm: Realm, file: FileRun, reason: str, worker: str) -> None:
    collected = CollectedFile(file=file.name, keys=(), gates=(), errors=1, payload=reason)
    realms.admit_file(state, realm, file, collected, worker)
    if state.stop is None and not state.options.continue_on_collection_errors:
        state.stop = ("collection", "1 error during collection", 2)
        state.no_more_tests = True


def _remove(state: RunState, worker: WorkerRun) -> None:
    """Take the worker off its slot; what it had out waits again."""
    for unit in worker.units.values():
        state.units.pop(unit.id, None)
        constraints.drop_mutexes(state, unit.id)
        if unit.collecting:
            unit.file.collector = None
            worker.realm.queue.append(unit.file)
            realms.order_queue(state, worker.realm)
        else:
            take_back(state, worker.realm, unit.file, sorted(unit.out))
    worker.units.clear()
    for file in worker.realm.files.values():
        if file.only_for == worker.id:
            file.only_for = None
    for group in [group for group, owner in state.groups.items() if owner == worker.id]:
        del state.groups[group]
    slot = state.slots[worker.slot]
    if slot.worker is worker:
        slot.worker = None
    state.workers.pop(worker.id, None)


def _give_up(state: RunState, realm: Realm, reason: str) -> None:
    """No worker can be had any more: what did not run is an error, by name."""
    if realm.dead is not None or any(worker.realm is realm for worker in state.workers.values()):
        return
    realm.dead = reason
    words = f"not run: workers kept dying ({reason})"
    for file in list(realm.files.values()):
        if file.collected is None:
            if file in realm.queue:
                blame_file(state, realm, file, words, "gw0")
            continue
        file.todo.clear()
        for index, code in enumerate(file.state):
            if code in {TODO, OUT}:
                realms.lose(state, file, index, "error", words)
    realm.waiting.clear()
    if not realm.listed:
        realm.listed = True
        for claim in realm.gates:
            run = state.run_of(claim)
            if run is not None and not run.ended:
                run.counts["error"] += 1
                run.reason = words
