"""Workers coming and going: starting, finishing, and what a lost one leaves behind."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_batchgate.core import constraints, endings, givingup, realms
from pytest_batchgate.core.agreed import IN_COLLECTION
from pytest_batchgate.core.events import Noticed, WorkerStarted, WorkerStopped
from pytest_batchgate.core.gating import recall_unit
from pytest_batchgate.core.ledger import OUT, Realm
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import GateState
from pytest_batchgate.core.protocol import (
    CollectedFile,
    FinishWorker,
    HaltWorker,
    KillWorker,
    SpawnWorker,
    TestResult,
    WorkerId,
    WorkerLost,
)
from pytest_batchgate.core.state import Doom, RunState, Unit, WorkerRun


def spawn(state: RunState, slot: int, realm: Realm) -> None:
    worker = WorkerRun(id=WorkerId(state.new_id()), slot=slot, realm=realm)
    state.workers[worker.id] = worker
    state.slots[slot].worker = worker
    state.do(SpawnWorker(worker.id, slot, realm.env))
    state.tell(WorkerStarted(state.now, worker.name))


def finish(state: RunState, worker: WorkerRun) -> None:
    worker.ending = True
    state.do(FinishWorker(worker.id))


def halt(state: RunState, worker: WorkerRun) -> None:
    worker.ending = True
    state.do(HaltWorker(worker.id))


def drop(state: RunState, worker: WorkerRun) -> None:
    """End a worker that is not up yet and will not be needed."""
    worker.ending = True
    worker.killed = True
    state.do(KillWorker(worker.id, 0.0, "not needed"))


def halt_all(state: RunState) -> None:
    for worker in state.workers.values():
        if not worker.ending:
            halt(state, worker)


def stop_for_collection_error(state: RunState, errors: int, *, lost: WorkerId | None = None) -> None:
    """As pytest: no further test starts.  The other files are still collected, to name every error."""
    words = f"{errors} error{'s' if errors > 1 else ''} during collection"
    state.stop = ("collection", words, 2)
    state.cause = words
    state.no_more_tests = True
    for unit in state.units.values():
        if unit.worker != lost:
            recall_unit(state, unit)


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
    units = list(worker.units.values())
    for unit in units:
        unit.releasing = True  # who is gone is asked for nothing: there would be no answer
    culprit = _culprit(units, event.running)
    crashed: GateRun | None = None
    if worker.doom is not None:
        _carry_out(state, worker, worker.doom)
    elif culprit is not None and not (worker.killed and _is_innocent(state, *culprit)):
        crashed = None if worker.killed else _gate_of(state, *culprit)
        _blame(state, worker, *culprit, event.reason)
    elif worker.ending and not units and not worker.killed:
        state.late_errors += 1  # it died in a session fixture's teardown, after its last report
    _remove(state, worker)
    dropped = worker.killed and not worker.live and not units
    state.tell(WorkerStopped(state.now, worker.name, None if dropped else event.reason))
    if crashed is not None:
        givingup.count_crash(state, crashed, event.reason)
    elif not worker.live and culprit is None and not worker.ending:
        givingup.failed_start(state, worker, event.reason)
    elif not worker.ending or (units and not worker.killed):
        state.restarts += 1
    # One that was killed for a test's sake has a successor, whatever became of others before.
    if worker.doom is None and crashed is None and givingup.has_died_out(state, worker.realm):
        worker.realm.dead = event.reason
        realms.abandon(state, worker.realm)


def out_of_restarts(state: RunState) -> bool:
    return state.restarts > state.options.max_restarts


def _culprit(units: list[Unit], running: tuple[str, int] | None) -> tuple[Unit, int] | None:
    if running is None:
        return None
    name, index = running
    for unit in units:
        if unit.file.name == name and (index == IN_COLLECTION or index in unit.out):
            return unit, index
    return None


def _gate_of(state: RunState, unit: Unit, index: int) -> GateRun | None:
    """Whose test it is; None for a file that is being collected."""
    if index == IN_COLLECTION or unit.file.collected is None:
        return None
    return state.run_of(unit.file.collected.gates[index])


def _is_innocent(state: RunState, unit: Unit, index: int) -> bool:
    """A test of another gate than the one for whose sake its worker was killed."""
    run = _gate_of(state, unit, index)
    return run is not None and run.closing is None


def _carry_out(state: RunState, worker: WorkerRun, doom: Doom) -> None:
    """Fail the test for whose sake the worker was killed, unless it ended in the last moment."""
    culprit = _culprit(list(worker.units.values()), (doom.file, doom.index))
    if culprit is not None:
        how = GateState.FAILED if doom.memory else GateState.TIMED_OUT
        run = _end_running(state, worker, *culprit, doom.reason, how)
        if doom.memory and run is not None:
            run.over = run.over or doom.reason
    elif doom.late is not None:
        _charge_late(state, worker, doom.file, doom.index, doom.late)


def _charge_late(state: RunState, worker: WorkerRun, name: str, index: int, words: str) -> None:
    """Fail the gate of a test that was over before its worker was killed on its behalf."""
    collected = worker.realm.files[name].collected
    assert collected is not None
    run = state.run_of(collected.gates[index])
    if run is not None and not run.ended:
        run.trouble = run.trouble or words
    else:
        state.late_errors += 1
    state.tell(Noticed(state.now, f"{worker.name}: {words}"))


def _blame(state: RunState, worker: WorkerRun, unit: Unit, index: int, reason: str) -> None:
    file = unit.file
    if index != IN_COLLECTION:
        assert file.collected is not None
        who = "" if worker.killed else f"worker {worker.name} "
        words = f"{who}{reason} while running {file.collected.nodeid(index)}"
        _end_running(state, worker, unit, index, words, GateState.CRASHED)
    elif unit.collecting and (known := realms.read_elsewhere(state, file.name)) is not None:
        unit.collecting = False
        for lost in realms.admit_file(state, worker.realm, file, known, worker.name):
            endings.lose(state, file, lost, "error", reason=reason, worker=worker.name)
    elif unit.collecting:
        # The file takes its importer down: it is a collection error, and is not tried again.
        unit.collecting = False
        words = f"worker {worker.name} {reason} while collecting {file.name}"
        collected = CollectedFile(file=file.name, keys=(), gates=(), errors=1, payload=words)
        realms.admit_file(state, worker.realm, file, collected, worker.name)
        if state.stop is None and not state.options.continue_on_collection_errors:
            stop_for_collection_error(state, 1, lost=worker.id)
    else:  # a second collection of a file that another worker collected without trouble
        tell_lost(state, unit, unit.out, reason)
        for lost in sorted(unit.out):
            endings.lose(state, file, lost, "error", reason=reason, worker=worker.name)
        unit.out.clear()


def _end_running(
    state: RunState, worker: WorkerRun, unit: Unit, index: int, words: str, how: GateState
) -> GateRun | None:
    """Fail the test that ended with its worker, or let it be tried again (None).  Returns its gate."""
    file = unit.file
    assert file.collected is not None
    unit.out.discard(index)
    tell_lost(state, unit, [index], words)
    run = state.run_of(file.collected.gates[index])
    if run is not None and run.gate.retries.count:
        from pytest_batchgate.core.retesting import try_again

        result = TestResult(index, "failed", 0.0, None, words)
        if try_again(state, run, file, result, worker.name, died=how):
            return None
    file.tried.pop(index, None)
    endings.lose(state, file, index, "failed", reason=words, worker=worker.name)
    return run


def tell_lost(state: RunState, unit: Unit, indexes: Iterable[int], text: str) -> None:
    """Let the breaker of their gate know of tests that end without a result of their own."""
    if unit.epochs:
        from pytest_batchgate.core.breaking import lost

        lost(state, unit, indexes, text)


def tell_returned(state: RunState, unit: Unit, indexes: Iterable[int]) -> None:
    """Let the breaker of their gate know of tests that come back unstarted."""
    if unit.epochs:
        from pytest_batchgate.core.breaking import returned

        returned(state, unit, indexes)


def take_back(state: RunState, worker: WorkerRun, unit: Unit, indexes: Iterable[int]) -> None:
    """OUT -> TODO for tests of the unit that its worker did not run."""
    indexes = [index for index in indexes if unit.file.state[index] == OUT]
    tell_returned(state, unit, indexes)
    realms.take_back(state, worker.realm, unit.file, indexes)


def _remove(state: RunState, worker: WorkerRun) -> None:
    """Take the worker off its slot; what it had out waits again."""
    for unit in worker.units.values():
        state.units.pop(unit.id, None)
        constraints.drop_mutexes(state, unit.id)
        if unit.collecting:
            realms.requeue(state, worker.realm, unit.file)
        else:
            take_back(state, worker, unit, sorted(unit.out))
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
