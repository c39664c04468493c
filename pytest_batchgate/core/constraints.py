"""Tests with traits: `depends_on`, `serial`, `xdist_group` and a marker's `needs`.

A `Special` waits until each of its `Target`s is met.  Targets watch the tests
they name, so that a finished test costs one look-up and nothing is scanned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pytest_batchgate.core.endings import PASSING, lose
from pytest_batchgate.core.events import Noticed
from pytest_batchgate.core.gating import allowance, became, is_open
from pytest_batchgate.core.ledger import FileRun, Realm
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.protocol import UnitId
from pytest_batchgate.core.specials import Special, Target
from pytest_batchgate.core.state import RunState, WorkerRun

ALONE = ""  # the serial name that excludes every other test of the run

Picked = tuple[FileRun, list[int], tuple[str, ...]]  # file, indexes, mutexes


def register(state: RunState) -> None:
    """Give new specials their targets."""
    fresh, state.specials.fresh = state.specials.fresh, []
    for special in fresh:
        if special in state.specials:
            texts = special.traits.depends_on
            state.specials.bind(special, [target_for(state, special, text) for text in texts])


def target_for(state: RunState, special: Special, text: str) -> Target:
    """Targets are shared: by text where it names a file or gate, else by the test that wrote it."""
    by_itself = text.startswith("gate:") or _names_file(text)
    scope = "" if by_itself else special.nodeid.partition("[")[0].rpartition("::")[0]
    target = state.targets.get((scope, text))
    if target is None:
        home = (scope or text).partition("[")[0].partition("::")[0]
        target = state.targets[scope, text] = Target(text=text, file=home)
        if text.startswith("gate:"):
            target.gate = GateName(text.removeprefix("gate:"))
            target.resolved = True
            target.pending = 1
    return target


def _names_file(text: str) -> bool:
    head = text.partition("[")[0].partition("::")[0]
    return "/" in head or head.endswith(".py")


def update(state: RunState) -> bool:
    """Resolve what can be resolved, and end the specials whose targets cannot be met."""
    if state.options.collect_only:
        return False
    register(state)
    if not state.specials.bound:
        return False
    for (scope, _), target in state.targets.items():
        if target.gate is not None and (target.pending or _has_died(state, target)):
            _look_at_gate(state, target, target.gate)
        elif not target.resolved:
            _resolve(state, scope, target)
    lost = False
    again = True
    while again:  # a lost test may be what another one waits for
        doomed = [special for special in state.specials.bound.values() if _is_doomed(special)]
        again = bool(doomed)
        lost |= again
        for special in doomed:
            _doom(state, special)
    return lost


def _is_doomed(special: Special) -> bool:
    """A missing target is an error whatever the others did: so all must be known before a skip."""
    targets = special.targets
    if any(target.missing for target in targets):
        return True
    return any(target.culprit for target in targets) and all(target.resolved for target in targets)


def _doom(state: RunState, special: Special) -> None:
    missing = next((target for target in special.targets if target.missing), None)
    target = missing or next(target for target in special.targets if target.culprit)
    outcome, words = ("error", "") if missing else ("skipped", "depends on ")
    state.specials.remove(special)
    lose(state, special.file, special.index, outcome, reason=f"{words}{target.culprit}")


def _has_died(state: RunState, target: Target) -> bool:
    """Whether a service that was ready is so no more."""
    run = state.gates.get(target.gate) if target.gate is not None else None
    return run is not None and run.ended and not run.satisfies_needs and target.culprit is None


def _look_at_gate(state: RunState, target: Target, name: GateName) -> None:
    run = state.gates.get(name)
    if run is None:  # left out by --batch-select: no reason to wait
        target.pending = 0
        text = f"{target.text} is not part of this run: the dependency is ignored"
        state.tell(Noticed(state.now, text))
    elif run.satisfies_needs:
        target.pending = 0
    elif run.ended:
        target.pending = 0
        target.culprit = f"gate {run.name}, which {became(run)}"


def _resolve(state: RunState, scope: str, target: Target) -> None:
    """Find the tests a target names, once every file that may hold them is collected."""
    candidates = [target.text if not scope else f"{scope}::{target.text}"]
    if "::" in scope:  # a bare name in a class may also mean the module's
        candidates.append(f"{scope.partition('::')[0]}::{target.text}")
    name = target.file
    if _is_elsewhere(state, target):
        return
    homes = [(realm, realm.files[name]) for realm in state.realms.values() if name in realm.files]
    seen = next((file for _, file in homes if file.collected is not None), None)
    if seen is not None:
        for wanted in candidates:
            found = by_name(seen).get(wanted)
            if found:
                _watch(state, target, seen, found)
                return
    elif homes or _may_turn_up(state, name):
        return
    target.resolved = True
    if _left_out(state, seen, name, candidates):
        text = f"{target.text} was left out by the command line: ignored as a dependency"
        state.tell(Noticed(state.now, text))
    elif seen is None and name in state.listed:
        target.culprit = f"{target.text}, whose gate ended before it was collected"
    else:
        target.missing = True
        target.culprit = f"no test matches depends_on target {target.text!r}"


def _is_elsewhere(state: RunState, target: Target) -> bool:
    """Whether another shard runs what the target names: then nobody here can wait for it."""
    share, name = state.options.share, target.file
    if share is None or name not in state.listed or share.owns(name):
        return False
    target.resolved = target.missing = True
    target.culprit = (
        f"depends on {target.text}, which shard {share.shard_of(name)}/{share.count} runs, not this one"
        f" ({share}): tests that need one another must stand in one file"
    )
    return True


def _may_turn_up(state: RunState, name: str) -> bool:
    """Whether a file that no environment holds may still be listed, or wanted, by one."""
    if not state.listed or not all(realm.listed for realm in state.realms.values()):
        return True
    waiting = [run for run in state.alive if run.claim is not None and run.realm is None]
    claimants = state.new_file(name).claimants
    return name in state.listed and any(run.claim in claimants for run in waiting)


def _left_out(state: RunState, seen: FileRun | None, name: str, candidates: list[str]) -> bool:
    """Whether the command line is why a target does not exist."""
    if seen is not None and seen.collected is not None:
        return state.options.by_name or any(
            covers(wanted, other) for other in seen.collected.deselected for wanted in candidates
        )
    if name not in state.listed:
        return state.options.narrowed
    return all(state.run_of(claim) is None for claim in state.new_file(name).claimants)


def covers(wanted: str, nodeid: str) -> bool:
    """Whether a target means this test: itself, its parameters, or what lies in its class or file."""
    return nodeid == wanted or nodeid.startswith((f"{wanted}[", f"{wanted}::"))


def by_name(file: FileRun) -> dict[str, list[int]]:
    """The file's tests by all that a target may call them; made when it is first asked for."""
    if not file.by_name:
        assert file.collected is not None
        for index in range(len(file.collected.keys)):
            nodeid = file.collected.nodeid(index)
            parts = nodeid.partition("[")[0].split("::")
            names = {nodeid, *("::".join(parts[:count]) for count in range(1, len(parts) + 1))}
            for name in names:
                file.by_name.setdefault(name, []).append(index)
    return file.by_name


def _watch(state: RunState, target: Target, seen: FileRun, found: Iterable[int]) -> None:
    """Count the tests still to come; each is looked at where its own gate runs it."""
    assert seen.collected is not None
    target.resolved = True
    left_out = False
    for index in found:
        claim = seen.collected.gates[index]
        run = state.run_of(claim)
        if run is None:
            left_out = True
            continue
        here = seen if run.realm is None else run.realm.files.get(seen.name, seen)
        place = _place_in(here, seen, index)
        outcome = "not_run" if place is None else here.outcome(place) if here.collected is not None else None
        if outcome is None and run.ended:
            outcome = seen.outcome(index) or "not_run"
        if outcome is None:
            assert place is not None
            target.pending += 1
            target.tests.append((seen.name, place, claim))
            state.watched.setdefault((seen.name, place), []).append(target)
        elif outcome not in PASSING and target.culprit is None:
            target.culprit = f"{seen.collected.nodeid(index)}, which {outcome}"
    if left_out:
        text = f"{target.text} belongs to a gate that was left out: ignored as a dependency"
        state.tell(Noticed(state.now, text))


def _place_in(here: FileRun, seen: FileRun, index: int) -> int | None:
    """Where a test that was seen in one environment stands in another; None if it is not there.

    Environments collect a file each, and need not find the same.  What is not collected
    yet is taken to become the same.
    """
    if here is seen or here.collected is None:
        return index
    assert seen.collected is not None
    key = seen.collected.keys[index]
    keys = here.collected.keys
    if index < len(keys) and keys[index] == key:
        return index
    return keys.index(key) if key in keys else None


def any_ready(state: RunState, realm: Realm) -> bool:
    """Whether a test with traits could start in this environment, given a worker."""
    return any(
        (run := state.run_of(special.gate)) is not None and is_open(state, run) and _free(state, special)
        for special in state.specials.of(realm)
    )


def pick(state: RunState, worker: WorkerRun, claims: Collection[int], *, held: bool) -> Picked | None:
    """Specials this worker may run now: tests of one file, with one gate, group and mutexes.

    ``claims``: gates whose tests it may get.  ``held``: only files the worker has collected.
    Tests that must be alone are not for `pick`, but for `pick_alone`.
    """
    for group, files in state.specials.shelf(worker.realm).items():
        if not _may_have(state, worker, group):
            continue
        for name, tests in files.items():
            if (name in worker.files) is not held:
                continue
            chosen: list[Special] = []
            for special in tests.values():
                alike = not chosen or _alike(chosen[0], special)
                if alike and ALONE not in special.traits.serial and _allowed(state, special, worker, claims):
                    chosen.append(special)
            if chosen:
                run = state.run_of(chosen[0].gate)
                assert run is not None
                return _take(state, chosen[: allowance(run)], worker)
    return None


def pick_alone(state: RunState, worker: WorkerRun, claims: Collection[int]) -> Picked | None:
    """One test marked plain ``serial``, when nothing else is being tested."""
    if state.testing():
        return None
    for special in state.specials.of(worker.realm):
        if (
            ALONE in special.traits.serial
            and _may_have(state, worker, special.traits.group)
            and _allowed(state, special, worker, claims)
        ):
            return _take(state, [special], worker)
    return None


def _may_have(state: RunState, worker: WorkerRun, group: str | None) -> bool:
    """A group stays with the worker that began it, as long as that one can go on."""
    if group is None:
        return True
    pinned = state.options.pinned.get(group)
    if pinned is not None:
        there = state.slots[pinned].worker
        if there is not None and there.realm is worker.realm:  # else it cannot wait for its slot
            return there is worker
    owner = state.workers.get(state.groups.get((worker.realm.key, group), worker.id))
    return owner is None or owner is worker or owner.ending or owner.leaving


def _alike(one: Special, other: Special) -> bool:
    return one.gate == other.gate and one.traits.serial == other.traits.serial


def _free(state: RunState, special: Special) -> bool:
    """Whether its targets and its mutexes allow it to run now."""
    if not all(target.met for target in special.targets):
        return False
    return not any(name in state.serial_held for name in (*special.traits.serial, ALONE))


def _allowed(state: RunState, special: Special, worker: WorkerRun, claims: Collection[int]) -> bool:
    if special.gate not in claims or special.file.only_for not in {None, worker.id}:
        return False
    return _free(state, special)


def _take(state: RunState, chosen: list[Special], worker: WorkerRun) -> Picked:
    head = chosen[0]
    if head.traits.group is not None:
        state.groups[head.realm.key, head.traits.group] = worker.id
    for special in chosen:
        state.specials.remove(special)
        state.specials_out[special.file.name, special.index] = special
    indexes = sorted(special.index for special in chosen)
    return head.file, indexes, head.traits.serial


def free_groups(state: RunState, worker: WorkerRun, file: FileRun) -> None:
    """Groups that the worker cannot serve, because the file's ids are another process's own."""
    for group, files in state.specials.shelf(worker.realm).items():
        key = (worker.realm.key, group or "")
        if file.name in files and state.groups.get(key) == worker.id:
            del state.groups[key]


def hold_mutexes(state: RunState, unit: UnitId, names: tuple[str, ...]) -> None:
    for name in names:
        state.serial_held[name] = unit


def drop_mutexes(state: RunState, unit: UnitId) -> None:
    for name in [name for name, holder in state.serial_held.items() if holder == unit]:
        del state.serial_held[name]
