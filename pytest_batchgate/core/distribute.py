"""Which tests go to which worker: own leftovers, whole files, shared files, then theft.

A worker takes a whole file and runs it in order, because module fixtures and
imports are then paid for once.  Balance comes from the order (longest first, by
record) and, at the end, from theft: a worker with nothing left asks for half
of what another has not started, if that is worth collecting the file again.
"""

from __future__ import annotations

from pytest_batchgate.core import constraints
from pytest_batchgate.core.gating import allowance, begin, collecting_on, is_open
from pytest_batchgate.core.ledger import OUT, TODO, FileRun, Realm
from pytest_batchgate.core.model import GateState, Tests
from pytest_batchgate.core.protocol import AssignFile, AssignTests, UnitId
from pytest_batchgate.core.state import RunState, Unit, WorkerRun

# Two units outstanding keep a worker busy over one round trip; where they are
# known to be short, more, until they are worth this many seconds.
LOOKAHEAD_UNITS = 2
LOOKAHEAD_MAX = 6
LOOKAHEAD_S = 0.1
# With so much before it, a worker gets no further file: asking for one when it is needed costs a
# round trip of a millisecond, and a file that was collected ahead is hard to have back.
LONG_S = 0.5
# How long a file that no gate takes may be collected: the default of a gate's `timeout`.
UNCLAIMED_LIMIT_S = 1800.0


def wants_more(worker: WorkerRun) -> bool:
    count = len(worker.units)
    if worker.hungry or count < LOOKAHEAD_UNITS:
        return True
    return count < LOOKAHEAD_MAX and worker.rest_s() < LOOKAHEAD_S


def open_claims(state: RunState, worker: WorkerRun) -> list[int]:
    """Gates of the worker's realm whose tests it may get now."""
    return [claim for claim in sorted(worker.realm.gates) if may_work_on(state, worker, claim)]


def may_work_on(state: RunState, worker: WorkerRun, claim: int) -> bool:
    run = state.run_of(claim)
    if run is None or run.ended or not is_open(state, run):
        return False
    work = run.gate.work
    assert isinstance(work, Tests)
    if work.max_workers is None:
        return True
    others = {unit.worker for unit in state.units.values() if claim in unit.gates} - {worker.id}
    return len(others) < work.max_workers


def give(state: RunState, worker: WorkerRun, *, idle: bool) -> bool:
    """Hand the worker its next unit; False if there is none for it now.

    ``idle``: it would otherwise stand still, so dearer work (collecting a file
    that another worker holds) is considered too.
    """
    claims = open_claims(state, worker)
    if _give_special(state, worker, claims, held=True):
        return True
    choices: list[Choice | None] = []
    if not (worker.units and (is_held_up(state, worker) or _is_awaited(state, worker.realm))):
        choices.append(find_file(state, worker, claims_to_collect(state, worker, claims)))
    if claims:
        choices.append(_find_waiting(state, worker, claims, held=True))
        if idle:
            choices.append(_find_waiting(state, worker, claims, held=False))
    best = max(
        (choice for choice in choices if choice), key=lambda choice: _rank(state, *choice), default=None
    )
    if best is not None:
        _, file, claim = best
        if claim is None:
            _give_file(state, worker, file, claims)
        else:
            _give_waiting(state, worker, file, claim)
        return True
    return idle and _give_special(state, worker, claims, held=False)


def is_held_up(state: RunState, worker: WorkerRun) -> bool:
    """Whether what it has takes long, by record: another file had better go to whoever is free first."""
    if len(state.slots) < 2 or state.options.sequential:
        return False
    units = worker.units.values()
    return sum(unit.rest_s() for unit in units if not unit.is_unknown) >= LONG_S


def _is_awaited(state: RunState, realm: Realm) -> bool:
    """Whether another worker of this environment is still coming up.

    Whoever was there first by a moment must not take two long files, one behind the other: what is
    collected cannot be had back where it is but a test or two.
    """
    return any(
        not (other.live or other.ending or other.leaving) and state.slots[other.slot].command is None
        for other in state.workers.values()
        if other.realm is realm
    )


def claims_to_collect(state: RunState, worker: WorkerRun, claims: list[int]) -> list[int]:
    """Gates for which another file is of use: for a few probes, none while there are tests at hand."""
    return [claim for claim in claims if not _has_probes(state, worker.realm, claim)]


def _has_probes(state: RunState, realm: Realm, claim: int) -> bool:
    run = state.run_of(claim)
    if run is None or allowance(run) is None:
        return False
    if any(claim in file.todo for file in realm.waiting.values()):
        return True
    return any(
        unit.collecting and claim in unit.file.claimants and state.workers[unit.worker].realm is realm
        for unit in state.units.values()
    )


Choice = tuple[int, FileRun, int | None]  # priority, file, gate (None: collect the file)


def _rank(state: RunState, priority: int, file: FileRun, claim: int | None) -> tuple[int, int]:
    """Higher first: priority; then the order of the listing (in turn), or what is collected already."""
    return priority, (-file.place if state.options.sequential else claim is not None)


def _priority(state: RunState, claim: int) -> int:
    run = state.run_of(claim)
    return run.gate.priority if run else 0


def _find_waiting(state: RunState, worker: WorkerRun, claims: list[int], *, held: bool) -> Choice | None:
    best: Choice | None = None
    for file in worker.realm.waiting.values():
        if (file.name in worker.files) is not held or file.only_for not in {None, worker.id}:
            continue
        for claim in claims:
            if claim not in file.todo or (not held and not _worth_collecting(state, worker, file, claim)):
                continue
            choice = (_priority(state, claim), file, claim)
            if best is None or _rank(state, *choice) > _rank(state, *best):
                best = choice
    return best


def _worth_collecting(state: RunState, worker: WorkerRun, file: FileRun, claim: int) -> bool:
    """Whether another worker that holds the file would not get to these tests sooner."""
    holders = [
        other
        for other in state.workers.values()
        if other is not worker and not (other.ending or other.leaving) and file.name in other.files
    ]
    if not holders or all(not may_work_on(state, holder, claim) for holder in holders):
        return True
    wait_s = min(holder.rest_s() for holder in holders)
    return file.collect_s() < wait_s + len(file.todo[claim]) * file.test_s() / 2


def find_file(state: RunState, worker: WorkerRun, claims: list[int]) -> Choice | None:
    """The next file to collect: of the highest priority, then in the queue's order (best last)."""
    best: Choice | None = None
    level = max((_priority(state, claim) for claim in claims), default=0)
    for file in reversed(worker.realm.queue):
        if file.collector is not None:
            continue
        if not may_collect(state, file, claims):
            continue
        mine = [claim for claim in file.claimants if claim in claims]
        priority = max((_priority(state, claim) for claim in mine), default=-101)
        if best is None or priority > best[0]:
            best = (priority, file, None)
        if priority == level:
            break
    return best


def may_collect(state: RunState, file: FileRun, claims: list[int]) -> bool:
    """Whether the file would be given to a worker for which another file of these gates is of use."""
    return any(claim in claims for claim in file.claimants) or _collect_anyway(state, file)


def _collect_anyway(state: RunState, file: FileRun) -> bool:
    """Files to collect without running anything of them: to list, or to name errors or strays."""
    if state.no_more_tests:
        return collecting_on(state)
    return state.options.collect_only or not file.claimants


def _give_special(state: RunState, worker: WorkerRun, claims: list[int], *, held: bool) -> bool:
    if not state.specials or state.no_more_tests:
        return False
    picked = constraints.pick(state, worker, claims, held=held)
    return picked is not None and _give_picked(state, worker, *picked)


def give_alone(state: RunState, worker: WorkerRun) -> bool:
    """Hand out one test that must run beside no other."""
    if not state.specials or state.no_more_tests:
        return False
    picked = constraints.pick_alone(state, worker, open_claims(state, worker))
    return picked is not None and _give_picked(state, worker, *picked)


def _give_picked(
    state: RunState, worker: WorkerRun, file: FileRun, indexes: list[int], serial: tuple[str, ...]
) -> bool:
    unit = _assign_tests(state, worker, file, indexes)
    unit.special = True
    constraints.hold_mutexes(state, unit.id, serial)
    return True


def _give_file(state: RunState, worker: WorkerRun, file: FileRun, claims: list[int]) -> None:
    """A gate with mutexes takes them now, for its tests may be met; others begin with their first test."""
    opened: set[int] = set()
    carried = state.options.carried
    # Where only some tests have to run, none runs unasked.
    if not state.options.collect_only and (carried is None or file.name not in carried.tests):
        mine = [claim for claim in file.claimants if claim in claims]
        level = max((_priority(state, claim) for claim in mine), default=0)
        for claim in mine:
            run = state.run_of(claim)
            assert run is not None
            if run.gate.priority < level or not is_open(state, run):
                continue  # an earlier one of them has just taken its mutex
            if run.gate.resources:
                _begin_if_waiting(state, claim)
            # Probes are chosen among the tests once they are known; of what was given up nothing starts.
            if allowance(run) is None and run.given_up is None:
                opened.add(claim)
    unit = Unit(
        id=UnitId(state.new_id()),
        worker=worker.id,
        file=file,
        open_gates=frozenset(opened),
        gates=frozenset(opened),
        collecting=True,
    )
    for claim in opened:
        _note_epoch(state, unit, claim, 0)
    file.collector = worker.id
    worker.realm.queue.remove(file)
    worker.files.add(file.name)
    _take_on(state, worker, unit)
    state.do(AssignFile(worker.id, unit.id, file.name, unit.open_gates))


def _begin_if_waiting(state: RunState, claim: int) -> None:
    run = state.run_of(claim)
    if run is not None and run.state is GateState.WAITING:
        begin(state, run)


def _give_waiting(state: RunState, worker: WorkerRun, file: FileRun, claim: int) -> None:
    indexes = file.todo.pop(claim)
    run = state.run_of(claim)
    assert run is not None
    most = allowance(run)
    if most is not None and most < len(indexes):
        file.todo[claim] = indexes[most:]
        indexes = indexes[:most]
    if not file.todo:
        worker.realm.waiting.pop(file.name, None)
    _assign_tests(state, worker, file, indexes)


def _assign_tests(state: RunState, worker: WorkerRun, file: FileRun, indexes: list[int]) -> Unit:
    assert file.collected is not None
    gates = tuple(file.collected.gates[index] for index in indexes)
    for claim in set(gates):
        _begin_if_waiting(state, claim)
    unit = Unit(
        id=UnitId(state.new_id()),
        worker=worker.id,
        file=file,
        open_gates=frozenset(gates),
        gates=frozenset(gates),
        out=set(indexes),
    )
    for claim in unit.gates:
        _note_epoch(state, unit, claim, gates.count(claim))
    for index in indexes:
        assert file.state[index] == TODO
        file.state[index] = OUT
    worker.files.add(file.name)
    worker.served.update(gates)
    _take_on(state, worker, unit)
    keys = tuple(file.collected.keys[index] for index in indexes)
    attempts: tuple[int, ...] = ()
    if not file.tried.keys().isdisjoint(indexes):
        attempts = tuple(file.tried[index].attempts + 1 if index in file.tried else 1 for index in indexes)
    state.do(AssignTests(worker.id, unit.id, file.name, tuple(indexes), keys, gates, attempts))
    return unit


def _note_epoch(state: RunState, unit: Unit, claim: int, count: int) -> None:
    run = state.run_of(claim)
    if run is not None and run.breaker is not None:
        from pytest_batchgate.core.breaking import handed_out

        handed_out(unit, run, count)


def _take_on(state: RunState, worker: WorkerRun, unit: Unit) -> None:
    if not worker.units:
        worker.heard_s = state.now
    state.units[unit.id] = unit
    worker.units[unit.id] = unit
    worker.hungry = False
    worker.parked = False
    await_collection(state, worker)


def await_collection(state: RunState, worker: WorkerRun) -> None:
    """Start the clock of a collection that is the first thing its worker has to do."""
    first = next(iter(worker.units.values()), None)
    if first is not None and first.collecting and first.due_s is None:
        runs = [state.run_of(claim) for claim in first.file.claimants]
        limits = [run.gate.timeout_s for run in runs if run is not None]
        first.due_s = state.now + min(limits, default=UNCLAIMED_LIMIT_S)


def nothing_left(state: RunState, worker: WorkerRun) -> bool:
    """Whether no more work can come to this worker's realm, theft included."""
    realm = worker.realm
    if state.stopping or (state.no_more_tests and not collecting_on(state)):
        return True
    runs = [run for run in state.alive if run.claim is not None]
    if any(run.pausing and run.realm is realm for run in runs) or _may_come_back(state, realm):
        return False
    if any(run.realm is None and run.closing is None for run in runs) or realm.queue:
        return False
    if not state.no_more_tests and (realm.waiting or state.specials.count(realm)):
        return False
    for other in state.workers.values():
        if other is worker or other.realm is not realm or not other.units:
            continue
        units = list(other.units.values())
        if len(units) > 1 or units[0].collecting or len(units[0].out) > 2:
            return False
    return True


def _may_come_back(state: RunState, realm: Realm) -> bool:
    """Whether a test that is out would be tried again if it failed: its worker had better be there."""
    for unit in state.units.values():
        for claim in unit.gates:
            run = state.run_of(claim)
            if run is not None and run.realm is realm and run.gate.retries.count and run.closing is None:
                return True
    return False
