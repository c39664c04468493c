"""Environments of tests gates, and the ledger of their files and tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.endings import end_all_tried, end_too_late, lose, test_ended
from pytest_batchgate.core.events import FilesListed, FileWasCollected, TestsWereCarried, TestWasLost
from pytest_batchgate.core.ledger import DONE_AS, FOREIGN, OUT, TODO, FileRun, Realm
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.protocol import CollectedFile, TestResult, WorkerListed
from pytest_batchgate.core.specials import Special
from pytest_batchgate.core.state import RunState


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
    adopt_files(state, realm)
    for file in realm.files.values():
        if file.collected is None:
            continue
        carry_over(state, realm, file)
        plain = [
            index
            for index, claim in enumerate(file.collected.gates)
            if claim == run.claim and file.state[index] == FOREIGN and _admit(state, realm, file, index, run)
        ]
        put_back(realm, file, plain)
    if realm.dead is not None:
        abandon(state, realm)


def take_listing(state: RunState, realm: Realm, event: WorkerListed) -> None:
    """The first list of files to arrive for a realm; those of other shards are known, and not run."""
    share = state.options.share
    files: tuple[str, ...] = event.files
    elsewhere: tuple[str, ...] = ()
    if share is not None:
        files = tuple(name for name in event.files if share.owns(name))
        elsewhere = tuple(name for name in event.files if not share.owns(name))
    state.listed.update(elsewhere)
    state.marked.update(set(event.marked).difference(elsewhere))
    list_files(state, realm, files)
    state.tell(FilesListed(state.now, files, elsewhere))


def list_files(state: RunState, realm: Realm, names: Sequence[str]) -> None:
    """The first list of files to arrive for a realm; later ones are not asked."""
    realm.listed = True
    realm.names = tuple(dict.fromkeys(names))
    state.listed.update(realm.names)
    adopt_files(state, realm)


def adopt_files(state: RunState, realm: Realm) -> None:
    """Queue the files this environment has a reason to collect and does not know yet."""
    before = len(realm.files)
    sent_here = {
        name
        for other in state.realms.values()
        if other is not realm
        for name, file in other.files.items()
        if file.collected is not None and not realm.gates.isdisjoint(file.collected.gates)
    }
    for place, name in enumerate(realm.names):
        if name not in realm.files:
            file = state.new_file(name)
            file.place = place
            file.sent = name in sent_here
            if wanted(state, realm, file):
                realm.files[name] = file
                realm.queue.append(file)
    if len(realm.files) != before:
        order_queue(state, realm)
    count_uncollected(state, realm)
    carried = state.options.carried
    if carried is not None:
        for file in [file for file in realm.queue if file.name in carried.files]:
            if file in realm.queue:
                admit_file(state, realm, file, carried.files[file.name], "")


def wanted(state: RunState, realm: Realm, file: FileRun) -> bool:
    """Whether this environment has a reason to collect the file, now or later."""
    if file.sent and not all(state.ended(claim) for claim in realm.gates):
        return True
    if not file.claimants:  # looked at once, to name tests that no gate takes
        return realm is next(iter(state.realms.values()))
    for claim in file.claimants:
        run = state.run_of(claim)
        if run is None or run.ended:
            continue
        # Gates that have not got their environment yet may still come to the plain one.
        if run.realm is realm or (run.realm is None and realm.key == ()):
            return True
    return False


def drop_unwanted(state: RunState) -> None:
    """After a gate has ended: files that nobody waits for any more are not collected."""
    for realm in state.realms.values():
        unwanted = [file for file in realm.queue if not wanted(state, realm, file)]
        if unwanted:
            for file in unwanted:
                del realm.files[file.name]
            realm.queue = [file for file in realm.queue if file.name in realm.files]


def order_queue(state: RunState, realm: Realm) -> None:
    """Best last: what must go first, then the unknown, then the longest."""
    if state.options.sequential:
        realm.queue.sort(key=lambda file: -file.place)
        return
    first = {name: number for number, name in enumerate(state.options.first_files)}

    def rank(file: FileRun) -> tuple[int, int, float, int]:
        if file.name in first:
            return (0, first[file.name], 0.0, 0)
        whole_s = file.whole_s()
        if whole_s is None:
            return (1, 0, 0.0, file.place)
        return (2, 0, -whole_s, file.place)

    realm.queue.sort(key=rank, reverse=True)


def requeue(state: RunState, realm: Realm, file: FileRun) -> None:
    """A file whose collection came to nothing waits again, unless its gates have ended."""
    file.collector = None
    realm.queue.append(file)
    order_queue(state, realm)
    drop_unwanted(state)


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
    first_time = file.name not in state.known
    if collected.keys or not collected.errors:
        state.known.add(file.name)
    _count_collect_errors(state, realm, file, collected)
    carry_over(state, realm, file)
    free, elsewhere = [], set()
    for index, claim in enumerate(collected.gates):
        run = state.run_of(claim)
        if run is None:
            if claim == NO_GATE and first_time:
                state.unclaimed.append(collected.nodeid(index))
        elif run.ended:
            if first_time or run.realm is realm:
                end_too_late(state, file, index, run)
        elif run.realm is realm:
            if file.state[index] == FOREIGN and _admit(state, realm, file, index, run):
                free.append(index)
        elif run.realm is not None:
            elsewhere.add(run.realm.key)
    for key in elsewhere:
        adopt_files(state, state.realms[key])
    return free


def carry_over(state: RunState, realm: Realm, file: FileRun) -> None:
    """FOREIGN -> DONE for tests of this environment that were good in the run before."""
    carried = state.options.carried
    known = carried.tests.get(file.name) if carried is not None else None
    if not known:
        return
    collected = file.collected
    assert collected is not None
    kept = []
    for index, claim in enumerate(collected.gates):
        run = state.run_of(claim)
        if run is None or run.realm is not realm or run.ended or file.state[index] != FOREIGN:
            continue
        past = known.get(collected.nodeid(index))
        if past is None or past.gate != run.name or past.outcome is None:
            continue
        file.state[index] = DONE_AS[past.outcome]
        run.counts[past.outcome] += 1
        run.carried += 1
        kept.append(TestResult(index, past.outcome, past.duration_s))
        test_ended(state, file, index, past.outcome)
    if kept:
        state.tell(TestsWereCarried(state.now, collected, tuple(kept)))


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


def _admit(state: RunState, realm: Realm, file: FileRun, index: int, run: GateRun) -> bool:
    """FOREIGN -> TODO.  True if the test is unconstrained; it is in no list yet."""
    assert file.collected is not None
    assert run.claim is not None
    file.state[index] = TODO
    run.remaining += 1
    traits = file.collected.traits.get(index)
    if traits is None:
        return True
    if traits.problem is not None:
        lose(state, file, index, "error", reason=traits.problem)
    else:
        state.specials.add(Special(realm=realm, file=file, index=index, gate=run.claim, traits=traits))
    return False


def put_back(realm: Realm, file: FileRun, indexes: Iterable[int]) -> None:
    """Let unconstrained TODO tests wait for a worker, in their order."""
    assert file.collected is not None
    gates = file.collected.gates
    touched: set[int] = set()
    for index in indexes:
        file.todo.setdefault(gates[index], []).append(index)
        touched.add(gates[index])
    for claim in touched:
        file.todo[claim].sort()
    if file.todo:
        realm.waiting[file.name] = file


def take_back(state: RunState, realm: Realm, file: FileRun, indexes: Iterable[int]) -> None:
    """OUT -> TODO for tests that a worker did not run."""
    assert file.collected is not None
    plain = []
    for index in indexes:
        if file.state[index] != OUT:
            continue
        run = state.run_of(file.collected.gates[index])
        assert run is not None
        file.state[index] = TODO
        special = state.specials_out.pop((file.name, index), None)
        if special is not None:
            state.specials.add(special)
        else:
            plain.append(index)
    if plain:
        put_back(realm, file, plain)


def give_up_tests(state: RunState, run: GateRun, reason: str | None) -> None:
    """What a gate that ends has not run: skipped with the reason, or (None) not run.

    Tests of a skipped gate appear once, as skipped, whether or not it had got its environment.
    """
    seen: set[str] = set()
    end_all_tried(state, run)
    if run.realm is not None:
        _give_up_in(state, run.realm, run, reason, seen)
    for realm in state.realms.values():
        if realm is not run.realm:
            _give_up_in(state, realm, run, reason, seen)
    run.remaining = 0
    for special in [special for special in state.specials if special.gate == run.claim]:
        state.specials.remove(special)


def _give_up_in(state: RunState, realm: Realm, run: GateRun, reason: str | None, seen: set[str]) -> None:
    outcome = "not_run" if reason is None else "skipped"
    for file in realm.files.values():
        if file.collected is None or run.claim not in file.collected.gates:
            continue
        if run.claim in file.todo:
            del file.todo[run.claim]
            if not file.todo:
                realm.waiting.pop(file.name, None)
        for index, claim in enumerate(file.collected.gates):
            if claim != run.claim:
                continue
            key = file.collected.keys[index]
            new = key not in seen
            seen.add(key)
            if file.state[index] not in {TODO, FOREIGN}:
                continue
            file.state[index] = DONE_AS[outcome]
            if not new:
                continue
            run.counts[outcome] += 1
            if reason is not None:
                state.tell(TestWasLost(state.now, None, file.collected, index, outcome, reason))
            test_ended(state, file, index, outcome)


def read_elsewhere(state: RunState, name: str) -> CollectedFile | None:
    files = (realm.files.get(name) for realm in state.realms.values())
    return next((file.collected for file in files if file is not None and file.collected is not None), None)


def abandon(state: RunState, realm: Realm) -> None:
    """No worker can be had: what has not run is an error, by name."""
    assert realm.dead is not None
    words = f"not run: workers kept dying ({realm.dead})"
    realm.listed = True
    if not realm.names:  # it never came up: the others' listing tells what is lost
        realm.names = next((other.names for other in state.realms.values() if other.names), ())
        adopt_files(state, realm)
    for claim in realm.gates:
        run = state.run_of(claim)
        if run is not None and not run.ended and (run.remaining or run.uncollected or not realm.names):
            run.trouble = words
            run.cut_short = True
    for file in list(realm.files.values()):
        if file.collected is None:
            unread = CollectedFile(file=file.name, keys=(), gates=(), errors=1, payload=words)
            admit_file(state, realm, file, read_elsewhere(state, file.name) or unread, "gw0")
        file.todo.clear()
        for index, code in enumerate(file.state):
            if code in {TODO, OUT}:
                lose(state, file, index, "error", reason=words)
    realm.waiting.clear()
    for special in list(state.specials.of(realm)):
        state.specials.remove(special)
