"""How a test ends that has no report of its own, and who hears of a test's end."""

from __future__ import annotations

from pytest_batchgate.core.events import TestsWereRun, TestWasLost
from pytest_batchgate.core.ledger import DONE, DONE_AS, OUT, TODO, FileRun
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import GateState
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.core.state import RunState

PASSING = frozenset({"passed", "xpassed"})
ILL = frozenset({"failed", "error"})


def test_ended(state: RunState, file: FileRun, index: int, outcome: str) -> None:
    """Tell the targets that watch this test.  Costs one look-up where nobody does."""
    targets = state.watched.pop((file.name, index), None)
    for target in targets or ():
        target.pending -= 1
        if outcome not in PASSING and target.culprit is None:
            assert file.collected is not None
            target.culprit = f"{file.collected.nodeid(index)}, which {_BECAME.get(outcome, outcome)}"


_BECAME = {"error": "had an error", "skipped": "was skipped", "not_run": "was not run"}


def lose(
    state: RunState, file: FileRun, index: int, outcome: str, *, reason: str, worker: str | None = None
) -> None:
    """End a test that has no report of its own, or of an attempt that does not count any more."""
    assert file.collected is not None
    run = state.run_of(file.collected.gates[index])
    assert run is not None
    assert file.state[index] in {TODO, OUT}
    if index in file.tried:
        end_tried(state, run, file, index)
        return
    file.state[index] = DONE_AS[outcome]
    run.remaining -= 1
    run.counts[outcome] += 1
    state.tell(TestWasLost(state.now, worker, file.collected, index, outcome, reason))
    test_ended(state, file, index, outcome)


def end_tried(state: RunState, run: GateRun, file: FileRun, index: int) -> None:
    """End a test that will not be tried again after all, as its last attempt ended."""
    assert file.collected is not None
    tried = file.tried.pop(index)
    run.pausing -= tried.pausing
    outcome = tried.result.outcome
    file.state[index] = DONE_AS[outcome]
    run.remaining -= 1
    run.counts[outcome] += 1
    if tried.died:
        words = tried.result.text
        state.tell(TestWasLost(state.now, tried.worker, file.collected, index, outcome, words))
    else:
        state.tell(TestsWereRun(state.now, tried.worker, file.collected, (tried.result,)))
    test_ended(state, file, index, outcome)


def end_all_tried(state: RunState, run: GateRun, *, only_pausing: bool = False) -> None:
    """No test of the gate starts any more: those that were to run again have ended.

    ``only_pausing``: of the others some run already, and what waits is ended by who asks.
    """
    if run.realm is None or not run.gate.retries.count:
        return
    for file in run.realm.files.values():
        for index, tried in sorted(file.tried.items()):
            assert file.collected is not None
            if file.collected.gates[index] == run.claim and (tried.pausing or not only_pausing):
                end_tried(state, run, file, index)


def end_too_late(state: RunState, file: FileRun, index: int, run: GateRun) -> None:
    """A test that turned up when its gate had ended, here or, before, in another environment."""
    assert file.collected is not None
    key = file.collected.keys[index : index + 1]
    for other in filter(None, (realm.files.get(file.name) for realm in state.realms.values())):
        told = other.collected is not None and other.collected.keys[index : index + 1] == key
        if told and other.state[index] >= DONE:
            file.state[index] = other.state[index]
            return
    if run.state in {GateState.SKIPPED, GateState.BROKEN}:
        outcome, reason = "skipped", run.reason or "a need was not good"
    elif run.cut_short:
        outcome, reason = "not_run", ""
    else:
        outcome = "error"
        state.late_errors += 1
        reason = (
            f"its marker names gate {run.name}, which had ended before this file was collected; "
            f"add the file to the gate's paths"
        )
    file.state[index] = DONE_AS[outcome]
    if reason:
        state.tell(TestWasLost(state.now, None, file.collected, index, outcome, reason))
    test_ended(state, file, index, outcome)


def tell_run(state: RunState, worker: str, collected: CollectedFile, results: tuple[TestResult, ...]) -> None:
    if results:
        state.tell(TestsWereRun(state.now, worker, collected, results))


def late_report(
    state: RunState, run: GateRun, worker: str, collected: CollectedFile, result: TestResult
) -> None:
    """A session fixture that fails after its worker's last test was already reported."""
    if result.outcome in ILL and run.ended:
        state.late_errors += 1
    elif result.outcome in ILL:
        run.counts["error"] += 1
    state.tell(TestsWereRun(state.now, worker, collected, (result,), late=True))
