"""What follows for gates from what has happened: skips, ends and their verdicts."""

from __future__ import annotations

from pytest_batchgate.core import givingup
from pytest_batchgate.core.endings import end_all_tried
from pytest_batchgate.core.gating import (
    became,
    begin,
    close,
    collecting_on,
    culprit_of,
    cut,
    end,
    has_tests_out,
    is_left_out,
    may_start,
    unneeded,
)
from pytest_batchgate.core.leaks import awaits_workers, listed
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import GateState, Tests
from pytest_batchgate.core.realms import enter_realm
from pytest_batchgate.core.state import RunState


def settle(state: RunState) -> bool:
    """Let every consequence happen: skips, services without users, tests gates that are through."""
    any_change = False
    changed = True
    while changed:
        changed = False
        for run in tuple(state.alive):
            if run.ended:
                continue
            if run.state is GateState.WAITING:
                changed |= _settle_waiting(state, run)
            if run.claim is not None and not run.ended:
                changed |= _settle_tests(state, run)
            elif run.gate.is_service and not run.ended:
                changed |= _settle_service(state, run)
        any_change |= changed
    return any_change


def _settle_waiting(state: RunState, run: GateRun) -> bool:
    if run.closing is not None:
        return False
    if is_left_out(state, run):
        if not state.may_ask():
            cut(state, run, GateState.DESELECTED, "it belongs to the first shard")
            return True
        return False
    culprit = culprit_of(state, run)
    if culprit is not None and not (state.stopping and culprit.state is GateState.CANCELLED):
        close(state, run, GateState.SKIPPED, f"needs {culprit.name}, which {became(culprit)}")
        return True
    if run.claim is None and state.options.collect_only:
        cut(state, run, GateState.DESELECTED, "only collecting: no command runs")
        return True
    if state.stopping or (state.no_more_tests and run.claim is not None and not collecting_on(state)):
        close(state, run, GateState.CANCELLED, state.cause)
        return True
    if run.claim is not None and run.realm is None and may_start(state, run):
        enter_realm(state, run)
        return True
    return False


def _settle_tests(state: RunState, run: GateRun) -> bool:
    assert run.claim is not None
    if run.closing is not None:
        if has_tests_out(state, run.claim):
            return False
        cut(state, run, *run.closing)
        return True
    if run.realm is None:
        return False
    if run.given_up is not None and givingup.sweep(state, run):
        return True
    through = run.realm.listed and run.uncollected == 0
    if through and (run.remaining == 0 or state.options.collect_only):
        return not awaits_workers(state, run) and _conclude(state, run)
    if not state.no_more_tests or has_tests_out(state, run.claim):
        return False
    if collecting_on(state) and run.realm.listed and run.uncollected:
        return False
    run.cut_short = True
    end_all_tried(state, run)
    how, reason = _verdict(state, run)
    if how.good or how is GateState.EMPTY:
        how, reason = GateState.CANCELLED, state.cause
    end(state, run, how, reason)
    return True


def _conclude(state: RunState, run: GateRun) -> bool:
    """End a gate that has done its work; one that had none to do starts first, in its turn."""
    if run.state is GateState.WAITING:
        if not may_start(state, run):
            return False
        if not run.carried or run.carried < run.seen:
            begin(state, run)
    end(state, run, *_verdict(state, run))
    return True


def _verdict(state: RunState, run: GateRun) -> tuple[GateState, str | None]:
    """How a tests gate ended that ran to its end, and left nothing."""
    how, reason = _verdict_of_tests(state, run)
    if not run.leaked:
        return how, reason
    words = f"left processes behind: {listed(run.leaked)}"
    return GateState.FAILED, f"{reason}; {words}" if how is GateState.FAILED else words


def _verdict_of_tests(state: RunState, run: GateRun) -> tuple[GateState, str | None]:
    work = run.gate.work
    assert isinstance(work, Tests)
    if run.given_up is not None:
        return GateState.CRASHED, run.given_up
    if run.trouble is not None:
        return GateState.FAILED, run.trouble
    if run.collect_errors:
        plural = "s" if run.collect_errors > 1 else ""
        return GateState.FAILED, f"{run.collect_errors} error{plural} during collection"
    failed = run.counts["failed"] + run.counts["error"]
    if failed:
        words = f"{failed} of {run.seen + run.remaining} tests failed"
        return GateState.FAILED, words if run.over is None else f"{words} ({run.over})"
    if run.flaky:
        words = f"{run.flaky} test{'s' if run.flaky > 1 else ''} passed on a retry"
        if work.fail_on_flaky:
            return GateState.FAILED, f"{words} only (fail-on-flaky)"
        return GateState.FLAKY, words
    if run.seen + run.remaining == 0:
        if state.options.narrowed:
            return GateState.DESELECTED, "the command line left no test of it"
        if state.options.share is not None:
            return GateState.DESELECTED, f"none of its tests is in shard {state.options.share}"
        if not work.allow_empty:
            return GateState.EMPTY, "no test was selected (allow-empty: true accepts that)"
    if run.carried and run.carried == run.seen:
        return GateState.CARRIED, None
    return GateState.PASSED, f"{run.carried} of {run.seen} tests carried" if run.carried else None


def _settle_service(state: RunState, run: GateRun) -> bool:
    if run.closing is not None or not unneeded(state, run):
        return False
    if run.state is GateState.READY:
        close(state, run, GateState.PASSED, None)
    elif run.state is GateState.RUNNING and state.plan.dependents[run.name]:
        close(state, run, GateState.DESELECTED, "no gate needs it any more")
    elif run.state is GateState.WAITING and state.plan.dependents[run.name]:
        cut(state, run, GateState.DESELECTED, "no gate came to need it")
    else:
        return False
    return True
