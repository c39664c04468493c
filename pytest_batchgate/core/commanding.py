"""Commands and services: what follows when one has ended, or answers."""

from __future__ import annotations

from pytest_batchgate.core.events import GateBecameReady, GateWillRetry, Noticed
from pytest_batchgate.core.gating import close, end, let_go, unneeded
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import GateState
from pytest_batchgate.core.protocol import CommandEnded, ServiceReady
from pytest_batchgate.core.retrying import chance_of, is_retried, pause_s
from pytest_batchgate.core.state import RunState


def on_command_ended(state: RunState, event: CommandEnded) -> None:
    run = state.gates[event.gate]
    if run.ended:
        return
    run.cpu_s += event.cpu_s
    run.peak_rss_bytes = max(run.peak_rss_bytes, event.peak_rss_bytes)
    run.outputs, run.log_path = event.outputs, event.log_path
    run.findings, run.more_findings = event.findings, event.more_findings
    for text in event.notes:
        state.tell(Noticed(state.now, text))
    if event.leaked and run.gate.leaks == "warn":
        text = f"{run.name} left processes behind, which have been ended: {', '.join(event.leaked)}"
        state.tell(Noticed(state.now, text))
    how, reason = event.state, event.reason
    if run.closing is not None:
        how, reason = run.closing
    died = run.state is GateState.READY and run.closing is None and not unneeded(state, run)
    if died and how.good:
        how, reason = GateState.FAILED, "ended by itself while it was needed"
    if run.breaker is not None and not state.stopping and (run.closing is None or how is GateState.TIMED_OUT):
        from pytest_batchgate.core.breaking import command_ended

        how, reason = command_ended(state, run, how, reason, event.text)
    if _try_again(state, run, how, reason, event.text):
        return
    how, reason = _after_retries(run, how, reason)
    end(state, run, how, reason)
    if not died or state.stopping:
        return
    words = f"service {run.name} ended while it was needed: {reason or how.value}"
    for name in state.plan.dependents[run.name]:
        user = state.gates[name]
        if user.state is not GateState.WAITING or user.gate.when != "always":
            close(state, user, GateState.FAILED, words)


def on_service_ready(state: RunState, event: ServiceReady) -> None:
    name = event.gate
    run = state.gates[name]
    if run.state is GateState.RUNNING:
        run.deadline_s = None
        run.outputs = event.outputs
        run.move(GateState.READY)
        state.tell(GateBecameReady(state.now, name))


def _try_again(state: RunState, run: GateRun, how: GateState, reason: str | None, text: str) -> bool:
    """Whether a command that did not pass goes back to waiting for another attempt."""
    retries = run.gate.retries
    if state.stopping or run.gate.is_service:
        return False
    if run.closing is not None and how is not GateState.TIMED_OUT:
        return False  # somebody else ended it
    if not is_retried(retries, attempt=run.attempts, state=how, text=f"{reason or ''}\n{text}"):
        return False
    chance = chance_of(state.options.seed, run.name, str(run.attempts))
    wait_s = pause_s(retries, attempt=run.attempts, chance=chance)
    let_go(state, run)
    run.closing = run.deadline_s = None
    run.last_try = (how, reason)
    run.ended_s = state.now
    run.not_before_s = state.now + wait_s
    run.move(GateState.WAITING)
    state.tell(GateWillRetry(state.now, run.name, run.attempts, retries.count + 1, how, reason, wait_s))
    return True


def _after_retries(run: GateRun, how: GateState, reason: str | None) -> tuple[GateState, str | None]:
    """A pass that took several attempts is no plain pass."""
    if how is not GateState.PASSED or run.attempts < 2:
        return how, reason
    words = f"passed on attempt {run.attempts}"
    if run.gate.work.fail_on_flaky:
        return GateState.FAILED, f"{words} only (fail-on-flaky)"
    return GateState.FLAKY, words
