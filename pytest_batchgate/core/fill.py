"""Filling free slots: commands and tests compete by priority and remaining path.

Tests divide and commands do not, so among equals commands start first and tests
fill the gaps.  Tests whose gate holds up others go first when their path is the
longer one.  A command that outranks the tests but finds no free slot gets one
as soon as a worker has run out of what it was already given.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_batchgate.core import crew, distribute, theft
from pytest_batchgate.core.constraints import ALONE, any_ready
from pytest_batchgate.core.crew import out_of_restarts
from pytest_batchgate.core.deadlock import bring_forward, explain
from pytest_batchgate.core.endings import lose
from pytest_batchgate.core.gating import (
    collecting_on,
    command_level_s,
    cut,
    is_open,
    is_pausing,
    is_wanted,
    may_start,
    ready_commands,
    start_command,
    weight_of,
)
from pytest_batchgate.core.ledger import DEFAULT_FILE_S, Realm, RealmKey
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import GateState
from pytest_batchgate.core.protocol import ParkWorker, WorkerId
from pytest_batchgate.core.state import RunState, WorkerRun

# A worker costs about a third of a second of CPU to start; less work than this is not shared.
WORTH_A_WORKER_S = 1.0


def fill(state: RunState) -> bool:
    """Hand out all that may start now; park, finish or replace the workers left over.

    True if a deadlock was broken instead: then there may be more to do at once.
    """
    waiting = 0
    behind: list[GateRun] = []
    if not state.stopping and not state.options.collect_only:
        _start_services(state)
        if all(run.claim is None for run in state.alive):  # no tests to weigh them against
            _start_commands(state, ready_commands(state))
        else:
            ahead, behind = _ranked_commands(state)
            _start_commands(state, ahead)
            if state.workers:  # else there is nobody who could be left to run dry for them
                waiting = sum(weight_of(run, len(state.slots)) for run in ahead if may_start(state, run))
    _staff(state)
    _feed(state, spare=waiting)
    if behind:
        _start_commands(state, behind)
    _dismiss(state)
    return _is_stuck(state) and _unblock(state)


def _start_services(state: RunState) -> None:
    for run in state.services:
        if may_start(state, run) and is_wanted(state, run):
            start_command(state, run, ())


def _ranked_commands(state: RunState) -> tuple[list[GateRun], list[GateRun]]:
    """Ready commands: those that go before the tests, and those that come after them."""
    commands = list(ready_commands(state))
    if not commands:
        return [], []
    priority, level_s = _tests_rank(state)
    ahead: list[GateRun] = []
    behind: list[GateRun] = []
    for run in commands:
        mine = (run.gate.priority, command_level_s(state, run))
        (ahead if mine >= (priority, level_s) else behind).append(run)
    return ahead, behind


def _tests_rank(state: RunState) -> tuple[int, float]:
    """Priority and path of the open tests gates; tests that hold up nobody are filler (path 0)."""
    best = (-101, 0.0)
    for run in state.alive:
        if run.claim is None or not is_open(state, run):
            continue
        tail_s = state.tails[run.name]
        level_s = tail_s + _rest_of_tests_s(state, run) if tail_s else 0.0
        best = max(best, (run.gate.priority, level_s))
    return best


def _rest_of_tests_s(state: RunState, run: GateRun) -> float:
    realm = run.realm
    if realm is None or not realm.listed:
        return DEFAULT_FILE_S
    wholes = [file.whole_s() for file in realm.queue]
    rest_s = sum(DEFAULT_FILE_S if whole_s is None else whole_s for whole_s in wholes)
    rest_s += sum(worker.rest_s() for worker in state.workers.values() if worker.realm is realm)
    return rest_s / len(state.slots)


def _start_commands(state: RunState, commands: Iterable[GateRun]) -> None:
    # Slots without a worker first: the others could test.
    free = [number for number, slot in enumerate(state.slots) if slot.free]
    free.sort(key=lambda number: (state.slots[number].worker is not None, number))
    if not free:
        return
    for run in commands:
        weight = weight_of(run, len(state.slots))
        # An earlier one may have taken its mutex, or it has started.
        if weight <= len(free) and may_start(state, run):
            start_command(state, run, tuple(sorted(free[:weight])))
            del free[:weight]
            if not free:
                return


def _staff(state: RunState) -> None:
    """Start workers where an environment has work and a slot has no worker; the smallest crew first."""
    short: list[tuple[int, int, Realm]] = []  # workers it has, workers it wants
    for realm in state.realms.values():
        if realm.dead is not None or not _has_work(state, realm):
            continue
        crew_here = [worker for worker in state.workers.values() if worker.realm is realm]
        if out_of_restarts(state) and crew_here:
            continue
        coming = [worker for worker in crew_here if not (worker.ending or worker.leaving)]
        # A worker beside a command is ready for the time after it, but of no use now.
        have = sum(1 for worker in coming if state.slots[worker.slot].command is None)
        want = 1 if out_of_restarts(state) else _wanted_workers(state, realm)
        if not coming and not _is_leaving_for(state, realm) and not _places(state, realm):
            _make_room(state, realm)
        short.append((have, want, realm))
    while short:
        short.sort(key=lambda entry: entry[0], reverse=True)
        have, want, realm = short.pop()
        if have < want and _place(state, realm):
            short.append((have + 1, want, realm))


def _places(state: RunState, realm: Realm) -> list[int]:
    """Slots that a worker of this environment may have, those without a command first."""
    found = []
    for number, slot in enumerate(state.slots):
        if number in realm.closed:
            continue
        replaced = slot.command is None and slot.worker and _may_replace(state, slot.worker, realm)
        if slot.worker is None or replaced:
            found.append(number)
    return sorted(found, key=lambda number: state.slots[number].command is not None)


def _place(state: RunState, realm: Realm) -> bool:
    """Start one worker, or end an idle one of another environment to start one in its place."""
    places = _places(state, realm)
    if not places:
        return False
    there = state.slots[places[0]].worker
    if there is None:
        crew.spawn(state, places[0], realm)
    else:
        crew.finish(state, there)
    return True


def _may_replace(state: RunState, worker: WorkerRun, realm: Realm) -> bool:
    idle = worker.live and not worker.units and not worker.ending
    return idle and worker.realm is not realm and not _can_start(state, worker.realm)


def _is_leaving_for(state: RunState, realm: Realm) -> bool:
    """Whether some worker of another environment is already on its way out."""
    return any(
        worker.realm is not realm and (worker.ending or worker.leaving) for worker in state.workers.values()
    )


def _make_room(state: RunState, realm: Realm) -> None:
    """An environment with work gets one worker, if another one has several."""
    crews: dict[RealmKey, list[WorkerRun]] = {}
    for worker in state.workers.values():
        if worker.realm is not realm and not worker.ending:
            crews.setdefault(worker.realm.key, []).append(worker)
    largest = max(crews.values(), key=len, default=[])
    if len(largest) > 1:
        min(largest, key=lambda worker: worker.rest_s()).leaving = True


def _wanted_workers(state: RunState, realm: Realm) -> int:
    slots = len(state.slots) - len(realm.closed)
    if not realm.listed:
        first = state.options.first_workers
        return slots if first is None else max(1, min(first, slots))
    busy = sum(1 for worker in state.workers.values() if worker.realm is realm and worker.units)
    pieces = len(realm.queue) + len(realm.waiting)
    pieces += state.specials.count(realm)
    # Work worth sharing: another worker costs about as much as WORTH_A_WORKER_S of tests.
    if theft.rest_to_share_s(state, realm) > WORTH_A_WORKER_S:
        pieces += 1
    return min(slots, busy + pieces)


def _has_work(state: RunState, realm: Realm) -> bool:
    """Whether one more worker of this environment would be of use now."""
    if state.stopping:
        return False
    if not realm.listed and state.options.collect_only:
        return not state.no_more_tests and not all(state.ended(claim) for claim in realm.gates)
    if not realm.listed:
        return _is_open_for(state, realm)
    if _can_start(state, realm):
        return True
    return _is_open_for(state, realm) and theft.rest_to_share_s(state, realm) > WORTH_A_WORKER_S


def _is_open_for(state: RunState, realm: Realm) -> bool:
    runs = [state.run_of(claim) for claim in realm.gates]
    return any(run is not None and not run.ended and is_open(state, run) for run in runs)


def _can_start(state: RunState, realm: Realm) -> bool:
    """Whether something of this environment waits for nothing but a worker."""
    probe = WorkerRun(id=WorkerId(-1), slot=0, realm=realm)
    claims = distribute.open_claims(state, probe)
    if distribute.find_file(state, probe, distribute.claims_to_collect(state, probe, claims)) is not None:
        return True
    if any(claim in file.todo for file in realm.waiting.values() for claim in claims):
        return True
    return any_ready(state, realm)


def _feed(state: RunState, *, spare: int) -> None:
    """Give live workers their next units; ``spare`` of them are left to run dry for a command."""
    if state.options.abreast and not all(worker.live or worker.ending for worker in state.workers.values()):
        return
    crewed = [
        slot.worker
        for slot in state.slots
        if slot.worker is not None
        and slot.command is None
        and slot.worker.live
        and not (slot.worker.ending or slot.worker.leaving)
    ]
    # Who stands still comes first: what it steals must not go to whom it was stolen from.
    crewed.sort(key=lambda worker: (bool(worker.units) and not worker.hungry, worker.rest_s()))
    fed = crewed[spare:]
    progress = True
    while progress:
        progress = False
        for worker in fed:
            if distribute.wants_more(worker) and _feed_one(state, worker):
                progress = True
    for worker in fed:
        idle = not worker.units or worker.hungry
        if worker.units and distribute.is_held_up(state, worker):
            continue  # it waits to hear what follows its last test, and nothing need follow at once
        if idle and not theft.steal_for(state, worker):
            distribute.give_alone(state, worker)


def _feed_one(state: RunState, worker: WorkerRun) -> bool:
    if any(name == ALONE for name in state.serial_held):
        return False
    idle = worker.hungry or not worker.units
    return distribute.give(state, worker, idle=idle)


def _dismiss(state: RunState) -> None:
    """Tell workers that wait for an answer what to do: park, or finish for good."""
    over = not state.alive and not (
        any(realm.queue for realm in state.realms.values())
        and (collecting_on(state) or not state.no_more_tests)
    )
    coming = {unit.file.name for unit in state.units.values() if unit.releasing}
    for worker in list(state.workers.values()):
        if worker.ending:
            continue
        if not worker.live:
            if over:
                crew.drop(state, worker)
        elif worker.hungry or not worker.units:
            if worker.leaving or distribute.nothing_left(state, worker):
                crew.finish(state, worker)
            elif worker.hungry and worker.units and not worker.parked and not coming:
                worker.parked = True
                state.do(ParkWorker(worker.id))


def _is_stuck(state: RunState) -> bool:
    """Nothing runs, nothing was just ordered, and yet not every gate has ended."""
    if state.actions or state.testing() or any(slot.command for slot in state.slots):
        return False
    if any(worker.ending or not worker.live for worker in state.workers.values()):
        return False
    if not state.alive or any(run.pausing or is_pausing(state, run) for run in state.alive):
        return False
    return not any(
        run.gate.is_service and (run.state is GateState.RUNNING or run.closing is not None)
        for run in state.alive
    )


def _unblock(state: RunState) -> bool:
    """Break a deadlock: a cycle of tests is an error of its tests; else gates fail with the reason."""
    if bring_forward(state):
        return True
    blocked = explain(state)
    for special, reason in blocked:
        if special in state.specials:
            state.specials.remove(special)
            lose(state, special.file, special.index, "error", reason=reason)
    if blocked:
        return True
    # Services last: what uses them ends first.
    for run in sorted(state.alive, key=lambda run: run.gate.is_service):
        if run.closing is None and (run.claim is not None or run.state is GateState.WAITING):
            cut(state, run, GateState.FAILED, _why_stuck(state, run))
            return True
    return False


def _why_stuck(state: RunState, run: GateRun) -> str:
    held = [(name, state.resources_held.get(name)) for name in run.gate.resources]
    waits = [f"for the resource {name!r}, which {holder} holds" for name, holder in held if holder]
    return f"nothing could go on: the gate waits {', '.join(waits) or 'for itself'}"
