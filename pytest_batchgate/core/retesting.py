"""Tests that are tried again: which, when, and as what they end if there is no next attempt.

A test that did not pass goes back from OUT to TODO.  While its pause lasts it is in no list
but the heap of `RunState.retrying`; then it waits for a worker as it did the first time.
"""

from __future__ import annotations

import heapq

from pytest_batchgate.core.events import TestWillRetry
from pytest_batchgate.core.ledger import TODO, FileRun, Tried
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import GateState
from pytest_batchgate.core.protocol import TestResult
from pytest_batchgate.core.realms import put_back
from pytest_batchgate.core.retrying import chance_of, is_retried, pause_s
from pytest_batchgate.core.state import RunState


def try_again(
    state: RunState,
    run: GateRun,
    file: FileRun,
    result: TestResult,
    worker: str,
    *,
    died: GateState | None = None,
) -> bool:
    """Whether the test, which was OUT and did not pass, gets another attempt.  Then it is TODO again.

    ``died``: how it ended its worker, or its worker was ended for its sake.
    """
    assert file.collected is not None
    assert run.realm is not None
    retries, index = run.gate.retries, result.index
    if state.no_more_tests or run.closing is not None or run.ended or run.given_up or _is_broken(run):
        return False
    before = file.tried.get(index)
    attempt = before.attempts + 1 if before is not None else 1
    how = died or GateState.FAILED
    if not is_retried(retries, attempt=attempt, state=how, text=result.text):
        return False
    chance = chance_of(state.options.seed, file.collected.keys[index], str(attempt))
    wait_s = pause_s(retries, attempt=attempt, chance=chance)
    file.state[index] = TODO
    file.tried[index] = Tried(attempts=attempt, worker=worker, result=result, died=died is not None)
    run.pausing += 1
    heapq.heappush(state.retrying, (state.now + wait_s, state.new_id(), run.realm, file, index))
    state.tell(
        TestWillRetry(
            at=state.now,
            gate=run.name,
            worker=worker,
            collected=file.collected,
            result=result,
            state=how,
            attempt=attempt,
            most=retries.count + 1,
            pause_s=wait_s,
        )
    )
    return True


def _is_broken(run: GateRun) -> bool:
    """Whether its breaker has just opened for good, and the gate is about to end."""
    return run.breaker is not None and run.breaker.state.value == "broken"


def release_due(state: RunState) -> None:
    """Let the tests whose pause is over wait for a worker."""
    heap = state.retrying
    while heap and heap[0][0] <= state.now:
        _, _, realm, file, index = heapq.heappop(heap)
        tried = file.tried.get(index)
        if tried is None or not tried.pausing:
            continue  # its gate has ended meanwhile
        assert file.collected is not None
        run = state.run_of(file.collected.gates[index])
        assert run is not None
        tried.pausing = False
        run.pausing -= 1
        special = state.specials_out.pop((file.name, index), None)
        if special is not None:
            state.specials.add(special)
        else:
            put_back(realm, file, [index])
