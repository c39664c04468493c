"""Tests with traits: `depends_on`, `serial`, `xdist_group` and a marker's `needs`.

A `Special` waits until each of its `Target`s is met.  Targets watch the tests
they name, so that a finished test costs one look-up and nothing is scanned.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_batchgate.core.events import Noticed
from pytest_batchgate.core.gating import is_open
from pytest_batchgate.core.ledger import FOREIGN, TODO, FileRun, Realm
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.protocol import UnitId
from pytest_batchgate.core.realms import lose
from pytest_batchgate.core.state import RunState, Special, Target, WorkerRun

PASSING = frozenset({"passed", "xpassed"})
ALONE = ""  # the serial name that excludes every other test of the run


def register(state: RunState) -> None:
    """Give new specials their targets."""
    for special in state.specials:
        if special.traits.depends_on and not special.targets:
            special.targets = [target_for(state, special, text) for text in special.traits.depends_on]


def target_for(state: RunState, special: Special, text: str) -> Target:
    """Targets are shared: by text where it names a file or gate, else by the test that wrote it."""
    nodeid = special.nodeid
    scope = "" if text.startswith("gate:") or _names_file(text) else nodeid.rpartition("::")[0]
    target = state.targets.get((scope, text))
    if target is None:
        target = state.targets[scope, text] = Target(text=text)
        if text.startswith("gate:"):
            target.gate = GateName(text.removeprefix("gate:"))
            target.resolved = True
            target.pending = 1
    return target


def _names_file(text: str) -> bool:
    head = text.partition("::")[0]
    return "/" in head or head.endswith(".py")


def test_ended(state: RunState, file: FileRun, index: int, outcome: str) -> None:
    """Tell the targets that watch this test."""
    targets = state.watched.pop((file.name, index), None)
    for target in targets or ():
        target.pending -= 1
        if outcome not in PASSING and target.culprit is None:
            assert file.collected is not None
            target.culprit = f"{file.collected.nodeid(index)} {outcome}"


def update(state: RunState) -> None:
    """Resolve what can be resolved, and end the specials whose targets cannot be met."""
    if not state.specials:
        return
    register(state)
    for (scope, _), target in state.targets.items():
        if target.gate is not None and target.pending:
            _look_at_gate(state, target)
        elif not target.resolved:
            _resolve(state, scope, target)
    changed = True
    while changed:
        changed = False
        for special in list(state.specials):
            if special.file.state[special.index] != TODO:
                state.specials.remove(special)
            elif (culprit := next((t.culprit for t in special.targets if t.culprit), None)) is not None:
                state.specials.remove(special)
                outcome = "error" if culprit.startswith("no test") else "skipped"
                words = culprit if outcome == "error" else f"depends on {culprit}"
                lose(state, special.file, special.index, outcome, words)
                test_ended(state, special.file, special.index, outcome)
                changed = True


def _look_at_gate(state: RunState, target: Target) -> None:
    assert target.gate is not None
    run = state.gates.get(target.gate)
    if run is None:  # left out by --batch-select: no reason to wait
        target.pending = 0
        state.tell(Noticed(state.now, f"{target.text} is not part of this run: the dependency is ignored"))
    elif run.ended or run.satisfies_needs():
        target.pending = 0
        if not run.satisfies_needs():
            target.culprit = f"gate {run.name}, which {run.state.value}"


def _resolve(state: RunState, scope: str, target: Target) -> None:
    """Find the tests a target names, once every file that may hold them is collected."""
    nodeid = target.text if not scope else f"{scope}::{target.text}"
    candidates = [nodeid]
    if scope.count("::"):  # a bare name in a class may also mean the module's
        candidates.append(f"{scope.partition('::')[0]}::{target.text}")
    name = nodeid.partition("::")[0]
    homes = [(realm, realm.files[name]) for realm in state.realms.values() if name in realm.files]
    for wanted in candidates:
        found = list(_matches(state, homes, wanted))
        if found:
            _watch(state, target, found)
            return
    if any(file.collected is None and _will_collect(state, realm, file) for realm, file in homes):
        return
    if not homes and not all(realm.listed for realm in state.realms.values()):
        return
    target.resolved = True
    deselected = any(
        _covers(wanted, other)
        for _, file in homes
        if file.collected
        for other in file.collected.deselected
        for wanted in candidates
    )
    if deselected or (not homes and state.options.narrowed):
        state.tell(
            Noticed(state.now, f"{target.text} was left out by the command line: ignored as a dependency")
        )
    else:
        target.culprit = f"no test matches depends_on target {target.text!r}"


def _will_collect(state: RunState, realm: Realm, file: FileRun) -> bool:
    return file.collector is not None or file in realm.queue


def _covers(wanted: str, nodeid: str) -> bool:
    return nodeid == wanted or nodeid.startswith((f"{wanted}[", f"{wanted}::"))


def _matches(
    state: RunState, homes: Iterable[tuple[Realm, FileRun]], wanted: str
) -> Iterable[tuple[FileRun, int]]:
    for _, file in homes:
        if file.collected is None:
            continue
        for index in range(len(file.collected.keys)):
            if _covers(wanted, file.collected.nodeid(index)):
                yield file, index


def _watch(state: RunState, target: Target, found: list[tuple[FileRun, int]]) -> None:
    target.resolved = True
    for file, index in found:
        assert file.collected is not None
        if file.state[index] == FOREIGN:
            run = state.run_of(file.collected.gates[index])
            if run is None:
                continue  # its gate was left out of the run
        outcome = file.outcome(index)
        if outcome is not None:
            if outcome not in PASSING and target.culprit is None:
                target.culprit = f"{file.collected.nodeid(index)} {outcome}"
            continue
        target.pending += 1
        state.watched.setdefault((file.name, index), []).append(target)


def pick(
    state: RunState, worker: WorkerRun, *, held: bool
) -> tuple[FileRun, list[int], tuple[str, ...]] | None:
    """Specials this worker may run now: tests of one file, with one gate, group and mutexes.

    ``held``: only files the worker has collected.  Tests that must be alone are
    not for `pick`, but for `pick_alone`.
    """
    chosen: list[Special] = []
    for special in state.specials:
        if special.realm is not worker.realm or (special.file.name in worker.files) is not held:
            continue
        if chosen and not _alike(chosen[0], special):
            continue
        if ALONE not in special.traits.serial and _allowed(state, special, worker):
            chosen.append(special)
    return _take(state, chosen, worker)


def pick_alone(state: RunState, worker: WorkerRun) -> tuple[FileRun, list[int], tuple[str, ...]] | None:
    """One test marked plain ``serial``, when nothing else is being tested."""
    if state.testing():
        return None
    for special in state.specials:
        if special.realm is worker.realm and ALONE in special.traits.serial:
            if _allowed(state, special, worker):
                return _take(state, [special], worker)
    return None


def _alike(one: Special, other: Special) -> bool:
    return (
        one.file is other.file
        and one.gate == other.gate
        and one.traits.group == other.traits.group
        and one.traits.serial == other.traits.serial
    )


def _allowed(state: RunState, special: Special, worker: WorkerRun) -> bool:
    run = state.run_of(special.gate)
    if run is None or not is_open(state, run) or not all(target.met for target in special.targets):
        return False
    if any(name in state.serial_held for name in (*special.traits.serial, ALONE)):
        return False
    group = special.traits.group
    if group is None:
        return True
    owner = state.groups.get(group)
    return owner is None or owner == worker.id or owner not in state.workers


def _take(
    state: RunState, chosen: list[Special], worker: WorkerRun
) -> tuple[FileRun, list[int], tuple[str, ...]] | None:
    if not chosen:
        return None
    head = chosen[0]
    if head.traits.group is not None:
        state.groups[head.traits.group] = worker.id
    taken = set(map(id, chosen))
    state.specials = [special for special in state.specials if id(special) not in taken]
    for special in chosen:
        state.specials_out[special.file.name, special.index] = special
    return head.file, [special.index for special in chosen], head.traits.serial


def hold_mutexes(state: RunState, unit: UnitId, names: tuple[str, ...]) -> None:
    for name in names:
        state.serial_held[name] = unit


def drop_mutexes(state: RunState, unit: UnitId) -> None:
    for name in [name for name, holder in state.serial_held.items() if holder == unit]:
        del state.serial_held[name]
