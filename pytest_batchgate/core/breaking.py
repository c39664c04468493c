"""A gate's circuit breaker among its tests: what it is told, and what follows when it changes.

The rules are `core.breaker`'s.  Here is who tells it (results, losses, tests that come back
unstarted) and what its changes mean for the tests that are out and for their workers.

A worker whose tests failed for the trouble is replaced before it is asked again: pytest
keeps the exception of a session fixture, so that with the service back every further test
of that process would fail for what is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pytest_batchgate.core.breaker import BreakerState
from pytest_batchgate.core.events import BreakerChanged
from pytest_batchgate.core.gating import close, recall
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import GateState

if TYPE_CHECKING:
    from pytest_batchgate.core.breaker import BreakerChange
    from pytest_batchgate.core.protocol import TestResult
    from pytest_batchgate.core.state import RunState, Unit


def handed_out(unit: Unit, run: GateRun, count: int) -> None:
    """``count`` tests of the gate go out with the unit (0: any number, the breaker being closed)."""
    assert run.breaker is not None
    assert run.claim is not None
    unit.epochs[run.claim] = run.breaker.hand_out(count)


def heard(state: RunState, unit: Unit, run: GateRun, result: TestResult) -> BreakerChange | None:
    """Tell the breaker a test's result.  The caller passes a change on to `changed`."""
    breaker = run.breaker
    assert breaker is not None
    assert run.claim is not None
    if run.ended or run.closing is not None:
        return None
    epoch = unit.epochs.get(run.claim, 0)
    failed = breaker.judge(result.outcome, result.text)
    if failed:
        if epoch != breaker.epoch:  # too late for the counting, but it says something of its worker
            _replace(state, unit)
        run.struck.add(unit.worker)
    elif failed is False:
        run.struck.discard(unit.worker)
    return breaker.hear(epoch, result.outcome, state.now, text=result.text)


def lost(state: RunState, unit: Unit, indexes: Iterable[int], text: str) -> None:
    """These tests ended with no result of their own: their worker died, or kept silent."""
    for claim, count in _by_gate(unit, indexes).items():
        run = state.run_of(claim)
        if run is None or run.breaker is None or run.ended or run.closing is not None:
            continue
        for _ in range(count):
            change = run.breaker.lose(unit.epochs.get(claim, 0), state.now, text=text)
            if change is not None:
                changed(state, run, change)


def returned(state: RunState, unit: Unit, indexes: Iterable[int]) -> None:
    """These tests of the unit came back unstarted: others may go in their place."""
    for claim, count in _by_gate(unit, indexes).items():
        run = state.run_of(claim)
        if run is not None and run.breaker is not None:
            run.breaker.take_back(unit.epochs.get(claim, 0), count)


def changed(state: RunState, run: GateRun, change: BreakerChange) -> None:
    """Say so, and call back or give up what may not start any more."""
    state.tell(BreakerChanged(state.now, run.name, change, run.remaining))
    if run.claim is None:
        return
    if change.after is BreakerState.BROKEN:
        close(state, run, GateState.BROKEN, f"breaker open: {change.reason}")
    elif change.after is BreakerState.OPEN:
        recall(state, run.claim)
        for worker_id in run.struck:
            worker = state.workers.get(worker_id)
            if worker is not None:
                worker.leaving = True
        run.struck.clear()


def command_ended(
    state: RunState, run: GateRun, how: GateState, reason: str | None, text: str
) -> tuple[GateState, str | None]:
    """Tell the breaker how an attempt of a command ended; how it ends in the light of that."""
    assert run.breaker is not None
    outcome = "passed" if how.good else "failed"
    change = run.breaker.hear(run.epoch, outcome, state.now, text=f"{reason or ''}\n{text}")
    if change is not None:
        changed(state, run, change)
        if change.after is BreakerState.BROKEN:
            last = f" (the last one: {reason})" if reason else ""
            return GateState.BROKEN, f"breaker open: {change.reason}{last}"
    return how, reason


def _replace(state: RunState, unit: Unit) -> None:
    worker = state.workers.get(unit.worker)
    if worker is not None:
        worker.leaving = True


def _by_gate(unit: Unit, indexes: Iterable[int]) -> Counter[int]:
    collected = unit.file.collected
    return Counter() if collected is None else Counter(collected.gates[index] for index in indexes)
