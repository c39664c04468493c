"""Limits of single tests: whose time is up, and when to ask again which tests run.

A test begins and ends in its worker, and is heard of later.  The caller can look
at any moment which tests run and for how long (`TestsRunning`); to look all the
time would cost every run for the few that hang.  So a look is due when the first
test could be over its limit: one that was seen, at its own limit; one that began
unseen after the last look (the one that was seen may have ended early), no sooner
than the shortest limit of all after it.
"""

from __future__ import annotations

from pytest_batchgate.core.agreed import IN_COLLECTION
from pytest_batchgate.core.gating import kill_worker
from pytest_batchgate.core.ledger import DONE, FileRun
from pytest_batchgate.core.model import Gate, Tests
from pytest_batchgate.core.protocol import CollectedFile, TestsRunning
from pytest_batchgate.core.state import Doom, RunState, WorkerRun

# Between SIGTERM and SIGKILL to a worker whose test is over its limit, at most: it has had its time.
TEST_GRACE_S = 1.0
LEAST_GRACE_S = 0.1  # a worker that is killed without any may not get its last reports out
# The least time between two looks, however short a limit is.
LOOK_GAP_S = 0.05


def shortest_limit(state: RunState) -> float | None:
    """The shortest limit that any test of the run has by its gate or by an option; None without one."""
    gates = [run.gate for run in state.alive]
    limits = [gate.work.test_timeout_s for gate in gates if isinstance(gate.work, Tests)]
    limits.append(_with_spare(state, state.options.test_limit_s))
    return min((limit_s for limit_s in limits if limit_s is not None), default=None)


def note_limits(state: RunState, collected: CollectedFile) -> None:
    """Tests of this file may have shorter limits than all that were known."""
    limits = [_with_spare(state, own_s) for own_s in collected.timeouts.values()]
    mine_s = min((limit_s for limit_s in limits if limit_s is not None), default=None)
    known_s = state.shortest_limit_s
    if mine_s is not None and (known_s is None or mine_s < known_s):
        state.shortest_limit_s = mine_s
        for worker in state.workers.values():  # the next look was put off for as long as the longer one
            worker.look_s = min(worker.look_s, state.now)


def next_look(state: RunState) -> float | None:
    """When `TestsRunning` is due, on the run's clock; None while no test has a limit."""
    if state.shortest_limit_s is None:
        return None
    marks = [worker.look_s for worker in state.workers.values() if worker.live and not worker.killed]
    return max(min(marks), state.looked_s + LOOK_GAP_S) if marks else None


def on_tests_running(state: RunState, event: TestsRunning) -> None:
    """End the workers whose test has run for too long."""
    shortest_s = state.shortest_limit_s
    if shortest_s is None:
        return
    state.looked_s = state.now
    for worker in state.workers.values():
        worker.look_s = state.now + shortest_s
        running = event.running.get(worker.id)
        if running is None or worker.killed:
            continue
        name, index, since_s = running
        found = _limit_of(state, worker, name, index)
        if found is None:
            continue
        limit_s, words, grace_s = found
        if since_s < limit_s:
            worker.look_s = state.now + min(limit_s - since_s, shortest_s)
        else:
            # Of a test that was reported before, what runs on its behalf is a session fixture's teardown.
            done = worker.realm.files[name].state[index] >= DONE
            late = f"the teardown of session fixtures {words}" if done else None
            worker.doom = Doom(name, index, words, late=late)
            kill_worker(state, worker.id, grace_s, words)


def _limit_of(state: RunState, worker: WorkerRun, name: str, index: int) -> tuple[float, str, float] | None:
    """Seconds that the test may run, what is said of one that ran longer, and its worker's grace."""
    file = worker.realm.files.get(name)
    if index == IN_COLLECTION or file is None or file.collected is None:
        return None
    run = state.run_of(file.collected.gates[index])
    if run is None:
        return None
    limits = _limits(state, file, index, run.gate)
    if not limits:
        return None
    limit_s, words = min(limits)
    return limit_s, words, max(LEAST_GRACE_S, min(run.gate.grace_s, TEST_GRACE_S))


def _limits(state: RunState, file: FileRun, index: int, gate: Gate) -> list[tuple[float, str]]:
    assert file.collected is not None
    limits: list[tuple[float, str]] = []
    gates_s = gate.work.test_timeout_s if isinstance(gate.work, Tests) else None
    if gates_s is not None:
        limits.append((gates_s, f"timed out after {gates_s:g} s (test-timeout)"))
    own_s = file.collected.timeouts.get(index, state.options.test_limit_s)
    with_spare_s = _with_spare(state, own_s)
    if with_spare_s is not None:
        limits.append((with_spare_s, f"timed out after {own_s:g} s (timeout)"))
    return limits


def _with_spare(state: RunState, own_s: float | None) -> float | None:
    """0 is no limit, as for pytest-timeout."""
    return own_s + state.options.test_spare_s if own_s else None
