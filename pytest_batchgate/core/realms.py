"""Environments of tests gates, and the ledger of their files and tests."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_batchgate.core.events import FileWasCollected, TestWasLost
from pytest_batchgate.core.ledger import DONE_AS, FOREIGN, OUT, TODO, FileRun, Realm
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.protocol import NO_GATE, CollectedFile
from pytest_batchgate.core.state import RunState, Special


def enter_realm(state: RunState, run: GateRun) -> None:
    """Give a tests gate whose needs are met the environment it runs in."""
    assert run.claim is not None
    env: dict[str, str] = {}
    for name in run.needs:
        env.update(state.gates[name].outputs)
    env.update(run.gate.env)
    key = tuple(sorted(env.items()))
    realm = state.realms.get(key)
    if realm is None:
        realm = state.realms[key] = Realm(key=key, env=env)
    realm.gates.add(run.claim)
    run.realm = realm
    if not realm.listed:
        return
    for file in list(state.realms[()].files.values()) if () in state.realms else []:
        adopt_file(state, realm, file.name)
    for file in realm.files.values():
        if file.collected is None:
            continue
        for index, claim in enumerate(file.collected.gates):
            if claim == run.claim and file.state[index] == FOREIGN:
                _admit(state, realm, file, index, run)
    count_uncollected(state, realm)


def list_files(state: RunState, realm: Realm, names: Sequence[str]) -> None:
    """The first list of files to arrive for a realm; later ones are not asked."""
    realm.listed = True
    for name in names:
        adopt_file(state, realm, name)
    count_uncollected(state, realm)


def wanted(state: RunState, realm: Realm, file: FileRun) -> bool:
    """Whether this environment has a reason to collect the file."""
    if any(claim in realm.gates for claim in file.claimants):
        return True
    if not file.claimants:  # looked at once, to name tests that no gate takes
        return realm is next(iter(state.realms.values()))
    if realm.key != ():
        return False
    # Gates that have not got their environment yet may still come here.
    runs = [state.run_of(claim) for claim in file.claimants]
    return any(run is not None and run.realm is None and not run.ended for run in runs)


def adopt_file(state: RunState, realm: Realm, name: str, *, marked: bool = False) -> None:
    if name in realm.files:
        return
    file = state.new_file(name)
    if not marked and not wanted(state, realm, file):
        return
    realm.files[name] = file
    realm.queue.append(file)
    order_queue(state, realm)


def order_queue(state: RunState, realm: Realm) -> None:
    """Best last: what must go first, then the unknown, then the longest."""
    if state.options.sequential:
        place = {name: number for number, name in enumerate(realm.files)}
        realm.queue.sort(key=lambda file: -place[file.name])
        return
    first = {name: number for number, name in enumerate(state.options.first_files)}
    place = {name: number for number, name in enumerate(realm.files)}

    def rank(file: FileRun) -> tuple[int, int, float, int]:
        if file.name in first:
            return (0, first[file.name], 0.0, 0)
        if file.est_s is None:
            return (1, 0, 0.0, place[file.name])
        return (2, 0, -file.est_s, place[file.name])

    realm.queue.sort(key=rank, reverse=True)


def count_uncollected(state: RunState, realm: Realm) -> None:
    for claim in realm.gates:
        run = state.run_of(claim)
        if run is not None:
            run.uncollected = sum(
                1 for file in realm.files.values() if file.collected is None and claim in file.claimants
            )


def admit_file(
    state: RunState, realm: Realm, file: FileRun, collected: CollectedFile, worker: str
) -> list[int]:
    """Enter a first collection into the ledger; returns the indexes that may run here unasked."""
    file.collected = collected
    file.collector = None
    file.state = bytearray([FOREIGN]) * len(collected.keys)
    if file in realm.queue:
        realm.queue.remove(file)
    state.tell(FileWasCollected(state.now, worker, collected))
    for claim in file.claimants:
        run = state.run_of(claim)
        if run is not None and run.realm is realm:
            run.uncollected -= 1
    _count_collect_errors(state, realm, file, collected)
    free = []
    for index, claim in enumerate(collected.gates):
        run = state.run_of(claim)
        if claim == NO_GATE:
            state.unclaimed.append(collected.nodeid(index))
        elif run is None:
            continue
        elif run.realm is realm:
            if run.ended:
                _too_late(state, file, index, run)
            elif _admit(state, realm, file, index, run, defer=True):
                free.append(index)
        elif run.realm is not None and not run.ended:
            adopt_file(state, run.realm, file.name, marked=True)
            count_uncollected(state, run.realm)
    for claim in file.claimants:
        run = state.run_of(claim)
        if run is not None and collected.deselected:
            run.deselected += len(collected.deselected)
            break
    return free


def _count_collect_errors(state: RunState, realm: Realm, file: FileRun, collected: CollectedFile) -> None:
    """Any gate that might have had tests in a file that cannot be collected has not passed."""
    if not collected.errors:
        return
    first = True
    for claim in file.claimants:
        run = state.run_of(claim)
        if run is None or run.realm is not realm or run.ended:
            continue
        run.collect_errors += collected.errors
        if first:
            run.counts["error"] += collected.errors
        first = False


def _admit(
    state: RunState, realm: Realm, file: FileRun, index: int, run: GateRun, *, defer: bool = False
) -> bool:
    """FOREIGN -> TODO.  True if the test is unconstrained and, deferred, in no list yet."""
    assert file.collected is not None
    assert run.claim is not None
    file.state[index] = TODO
    run.remaining += 1
    traits = file.collected.traits.get(index)
    if traits is None:
        if not defer:
            put_back(realm, file, [index])
        return True
    if traits.problem is not None:
        lose(state, file, index, "error", traits.problem)
        return False
    state.specials.append(Special(realm=realm, file=file, index=index, gate=run.claim, traits=traits))
    return False


def put_back(realm: Realm, file: FileRun, indexes: Sequence[int]) -> None:
    """Let unconstrained TODO tests wait for a worker, in their order."""
    assert file.collected is not None
    touched: set[int] = set()
    for index in indexes:
        claim = file.collected.gates[index]
        file.todo.setdefault(claim, []).append(index)
        touched.add(claim)
    for claim in touched:
        file.todo[claim].sort()
    if file.todo:
        realm.waiting[file.name] = file


def lose(
    state: RunState, file: FileRun, index: int, outcome: str, reason: str, worker: str | None = None
) -> None:
    """End a test that has no report of its own."""
    assert file.collected is not None
    run = state.run_of(file.collected.gates[index])
    assert run is not None
    assert file.state[index] in {TODO, OUT}
    file.state[index] = DONE_AS[outcome]
    run.remaining -= 1
    run.counts[outcome] += 1
    state.tell(TestWasLost(state.now, worker, file.collected, index, outcome, reason))


def _too_late(state: RunState, file: FileRun, index: int, run: GateRun) -> None:
    assert file.collected is not None
    file.state[index] = DONE_AS["error"]
    state.late_errors += 1
    reason = (
        f"its marker names gate {run.name}, which had ended before this file was collected; "
        f"add the file to the gate's paths"
    )
    state.tell(TestWasLost(state.now, None, file.collected, index, "error", reason))


def report_skipped_tests(state: RunState, run: GateRun, reason: str) -> None:
    """Tests of a skipped gate appear once, as skipped, if they were collected."""
    seen: set[str] = set()
    for realm in state.realms.values():
        for file in realm.files.values():
            if file.collected is None:
                continue
            for index, claim in enumerate(file.collected.gates):
                if claim != run.claim or file.state[index] not in {TODO, FOREIGN}:
                    continue
                if file.state[index] == TODO:
                    run.remaining -= 1
                file.state[index] = DONE_AS["skipped"]
                key = file.collected.keys[index]
                if key in seen:
                    continue
                seen.add(key)
                run.counts["skipped"] += 1
                state.tell(TestWasLost(state.now, None, file.collected, index, "skipped", reason))
