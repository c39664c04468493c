"""Theft: a worker with nothing left asks for a share of what another one has not started."""

from __future__ import annotations

from pytest_batchgate.core.constraints import ALONE
from pytest_batchgate.core.distribute import claims_to_collect, may_collect, may_work_on, open_claims
from pytest_batchgate.core.gating import allowance
from pytest_batchgate.core.ledger import Realm
from pytest_batchgate.core.protocol import ReleaseTests
from pytest_batchgate.core.state import RunState, Unit, WorkerRun

# Theft below this gain costs more in messages and module fixtures than it saves.
WORTH_STEALING_S = 0.05


def steal_for(state: RunState, thief: WorkerRun) -> bool:
    """Ask the worker with most left for a share; what it gives back is handed out as it arrives."""
    if state.options.sequential or state.no_more_tests or ALONE in state.serial_held:
        return False
    if any(unit.releasing for unit in state.units.values()):
        return True  # something is about to come
    victims = [
        worker
        for worker in state.workers.values()
        if worker is not thief and worker.realm is thief.realm and worker.live and not worker.ending
    ]
    for victim in sorted(victims, key=lambda worker: -worker.rest_s()):
        found = _loot(state, thief, victim)
        if found is not None:
            unit, count = found
            unit.releasing = True
            state.do(ReleaseTests(victim.id, unit.id, count))
            return True
    return False


def _loot(state: RunState, thief: WorkerRun, victim: WorkerRun) -> tuple[Unit, int | None] | None:
    """The unit to take from and how many tests (None: all), or None where nothing pays."""
    units = list(victim.units.values())
    # What has taken long already will take as long again, whatever was expected of it.
    silent_s = state.now - victim.heard_s
    ahead_s = victim.rest_s() + silent_s
    for unit in reversed(units[1:]):
        ahead_s -= unit.rest_s()
        if unit.collecting and unit.barren < 0 and ahead_s >= WORTH_STEALING_S:
            # What the thief could not be given would go back to its victim, again and again.
            claims = claims_to_collect(state, thief, open_claims(state, thief))
            if may_collect(state, unit.file, claims):
                return unit, None  # nobody has collected it yet: nothing is paid twice
    for unit in reversed(units):
        if not _may_share(state, thief, unit):
            continue
        cost_s = 0.0 if unit.file.name in thief.files else unit.file.collect_s()
        gain_s = (victim.rest_s() - cost_s) / 2
        share = min(len(unit.out) - 1, int(gain_s / max(unit.file.test_s(), 1e-6)))
        if gain_s >= WORTH_STEALING_S and share >= 1:
            return unit, share
        if silent_s - cost_s >= 2 * WORTH_STEALING_S:  # one test alone took that long: who knows of the rest
            return unit, len(unit.out) // 2
    return None


def next_look(state: RunState) -> float | None:
    """When to think again of what a worker holds that has said nothing for longer and longer.

    None while nobody could take it over.
    """
    if state.options.sequential or state.no_more_tests:
        return None
    idle = {w.realm.key for w in state.workers.values() if w.live and not w.ending and _is_idle(w)}
    vacant = any(slot.worker is None and slot.command is None for slot in state.slots)
    if not idle and not vacant:
        return None
    looks = []
    for worker in state.workers.values():
        if _has_loot(worker) and (vacant or worker.realm.key in idle):
            wait_s = WORTH_STEALING_S
            while worker.heard_s + wait_s <= state.now:
                wait_s *= 2
            looks.append(worker.heard_s + wait_s)
    return min(looks, default=None)


def _is_idle(worker: WorkerRun) -> bool:
    return worker.hungry or not worker.units


def _has_loot(worker: WorkerRun) -> bool:
    """Whether it holds what it has not begun and could give away."""
    if not worker.live or worker.ending:
        return False
    first, *others = worker.units.values() or (None,)
    if any(unit.collecting and not unit.releasing and unit.barren < 0 for unit in others):
        return True
    units = () if first is None else (first, *others)
    return any(
        not (unit.collecting or unit.special or unit.releasing)
        and len(unit.out) >= 3
        and len(unit.out) != unit.barren
        for unit in units
    )


def _may_share(state: RunState, thief: WorkerRun, unit: Unit) -> bool:
    """Tests with traits stay where they were put; the one that runs and the next cannot be had."""
    if unit.collecting or unit.special or unit.file.only_for is not None:
        return False
    if len(unit.out) < 3 or len(unit.out) == unit.barren:
        return False
    runs = (state.run_of(claim) for claim in unit.gates)
    if any(run is not None and allowance(run) is not None for run in runs):
        return False  # probes
    return all(may_work_on(state, thief, claim) for claim in unit.gates)


def rest_to_share_s(state: RunState, realm: Realm) -> float:
    """Expected seconds of what this environment's workers hold and could give away."""
    rest_s = 0.0
    for worker in state.workers.values():
        if worker.realm is realm and worker.live:
            rest_s += sum(
                unit.rest_s()
                for unit in worker.units.values()
                if not unit.special and (len(unit.out) >= 3 or unit.collecting)
            )
            if _has_loot(worker):
                rest_s += state.now - worker.heard_s
    return rest_s
