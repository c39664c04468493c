"""Gates as wholes: may one start, has one ended, what follows for the others."""

from __future__ import annotations

from pytest_batchgate.core.events import GateBecameReady, GateFinished, GateStarted
from pytest_batchgate.core.ledger import DEFAULT_COMMAND_S
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import Command, GateName, GateState, Tests
from pytest_batchgate.core.protocol import (
    CommandEnded,
    KillWorker,
    ReleaseTests,
    StartCommand,
    StopCommand,
)
from pytest_batchgate.core.realms import enter_realm, report_skipped_tests
from pytest_batchgate.core.state import RunState


def culprit_of(state: RunState, run: GateRun) -> GateRun | None:
    """The first need that ended without satisfying ``run``."""
    if run.gate.when == "always":
        return None
    for name in run.needs:
        need = state.gates[name]
        if need.ended and not need.satisfies_needs():
            return need
    return None


def needs_met(state: RunState, run: GateRun) -> bool:
    """Whether every need is good (``when: always``: has ended, or answers)."""
    if run.gate.when == "always":
        return all(
            state.gates[name].ended or state.gates[name].state is GateState.READY for name in run.needs
        )
    return all(state.gates[name].satisfies_needs() for name in run.needs)


def resources_free(state: RunState, run: GateRun) -> bool:
    return not any(name in state.resources_held for name in run.gate.resources)


def its_turn(state: RunState, run: GateRun) -> bool:
    """In turn, only the first gate that has not ended; services run beside it."""
    if not state.options.sequential or run.gate.is_service:
        return True
    for name in state.plan.order:
        other = state.gates[name]
        if not other.ended and not other.gate.is_service:
            return other is run
    return False


def may_start(state: RunState, run: GateRun) -> bool:
    return (
        run.state is GateState.WAITING
        and run.closing is None
        and not state.stopping
        and needs_met(state, run)
        and resources_free(state, run)
        and its_turn(state, run)
    )


def is_open(state: RunState, run: GateRun) -> bool:
    """Whether tests of this gate may be handed out now (it may have to begin first)."""
    if state.no_more_tests or run.closing is not None:
        return False
    return run.state is GateState.RUNNING or may_start(state, run)


def begin(state: RunState, run: GateRun, slots: tuple[int, ...] = ()) -> None:
    """WAITING -> RUNNING: take the mutexes, start the clock, say so."""
    run.started_s = state.now
    run.deadline_s = state.now + run.gate.timeout_s
    run.slots = slots
    for name in run.gate.resources:
        state.resources_held[name] = run.name
    run.move(GateState.RUNNING)
    state.tell(GateStarted(state.now, run.name, slots))


def start_command(state: RunState, run: GateRun, slots: tuple[int, ...]) -> None:
    env: dict[str, str] = {}
    for name in run.needs:
        env.update(state.gates[name].outputs)
    env.update(run.gate.env)
    begin(state, run, slots)
    for slot in slots:
        state.slots[slot].command = run.name
    state.do(StartCommand(run.name, slots, env))


def end(state: RunState, run: GateRun, how: GateState, reason: str | None = None) -> None:
    """Any state -> an end.  Frees what the gate held and says so once."""
    if run.started_s is not None:
        run.ended_s = state.now
    for name in run.gate.resources:
        if state.resources_held.get(name) == run.name:
            del state.resources_held[name]
    for slot in run.slots:
        if state.slots[slot].command == run.name:
            state.slots[slot].command = None
    if run.claim is not None:
        if how is GateState.SKIPPED:
            report_skipped_tests(state, run, reason or "a need was not good")
        run.counts["not_run"] += run.remaining
        run.remaining = 0
    run.move(how, reason)
    state.tell(GateFinished(state.now, run.report()))
    if state.options.fail_fast and run.gate.required and not how.good and not state.stopping:
        stop_everything(state, f"{run.name} {how.value} (fail-fast)")


def close(state: RunState, run: GateRun, how: GateState, reason: str | None, *, kill: bool = False) -> None:
    """Bring a running gate to an end it did not choose; it ends once nothing of it runs."""
    if run.ended or run.closing is not None:
        return
    if run.state is GateState.WAITING:
        end(state, run, how, reason)
        return
    run.closing = (how, reason)
    if run.claim is None:
        grace_s = run.gate.grace_s
        state.do(StopCommand(run.name, how, reason, grace_s))
        return
    for unit in list(state.units.values()):
        if run.claim not in unit.gates:
            continue
        worker = state.workers[unit.worker]
        if kill and not worker.ending:
            worker.ending = True
            state.do(KillWorker(worker.id, run.gate.grace_s, reason or how.value))
        elif not unit.releasing and not kill:
            unit.releasing = True
            state.do(ReleaseTests(unit.worker, unit.id, None))


def stop_everything(state: RunState, reason: str) -> None:
    """Nothing more starts; what runs is ended (``cancelled``)."""
    state.stopping = True
    state.no_more_tests = True
    for run in list(state.gates.values()):
        if not run.ended and run.claim is None:
            close(state, run, GateState.CANCELLED, reason)


def on_command_ended(state: RunState, event: CommandEnded) -> None:
    run = state.gates[event.gate]
    if run.ended:
        return
    run.cpu_s, run.peak_rss_bytes = event.cpu_s, event.peak_rss_bytes
    run.outputs, run.findings, run.log_path = event.outputs, event.findings, event.log_path
    how, reason = event.state, event.reason
    if run.closing is not None:
        how, reason = run.closing
    died = run.state is GateState.READY and not how.good
    end(state, run, how, reason)
    if died and not state.stopping:
        for name in state.plan.dependents[run.name]:
            close(state, state.gates[name], GateState.FAILED, f"service {run.name} {reason or 'ended'}")


def on_service_ready(state: RunState, name: GateName) -> None:
    run = state.gates[name]
    if run.state is GateState.RUNNING:
        run.deadline_s = None
        run.move(GateState.READY)
        state.tell(GateBecameReady(state.now, name))


def expire(state: RunState) -> None:
    """Gates past their time limit are brought to an end."""
    for run in state.gates.values():
        if run.deadline_s is not None and state.now >= run.deadline_s and not run.ended:
            run.deadline_s = None
            limit = f"timed out after {run.gate.timeout_s:g} s"
            close(state, run, GateState.TIMED_OUT, limit, kill=True)


def settle(state: RunState) -> None:
    """Let every consequence happen: skips, services without users, tests gates that are through."""
    changed = True
    while changed:
        changed = False
        for name in state.plan.order:
            run = state.gates[name]
            if run.ended:
                continue
            if run.state is GateState.WAITING:
                changed |= _settle_waiting(state, run)
            if run.claim is not None and not run.ended:
                changed |= _settle_tests(state, run)
            elif run.gate.is_service and not run.ended:
                _settle_service(state, run)


def _settle_waiting(state: RunState, run: GateRun) -> bool:
    culprit = culprit_of(state, run)
    if culprit is not None:
        end(state, run, GateState.SKIPPED, f"needs {culprit.name}, which {_became(culprit)}")
        return True
    stopped = state.stopping or (state.no_more_tests and run.claim is not None)
    if stopped and not _collecting_on(state):
        reason = state.stop[1] if state.stop else "the run was stopped"
        end(state, run, GateState.CANCELLED, reason)
        return True
    if run.claim is not None and run.realm is None and may_start(state, run):
        enter_realm(state, run)
        return True
    return False


def _became(run: GateRun) -> str:
    return {
        GateState.FAILED: "failed",
        GateState.TIMED_OUT: "timed out",
        GateState.CRASHED: "crashed",
        GateState.BROKEN: "is broken",
        GateState.SKIPPED: "was skipped",
        GateState.CANCELLED: "was cancelled",
        GateState.EMPTY: "selected no test",
    }.get(run.state, f"ended {run.state.value}")


def _collecting_on(state: RunState) -> bool:
    """After a collection error the other files are still collected, to name every error."""
    return state.stop is not None and state.stop[0] == "collection" and not state.stopping


def has_tests_out(state: RunState, claim: int) -> bool:
    for unit in state.units.values():
        if claim not in unit.gates:
            continue
        if unit.collecting or unit.file.collected is None:
            return True
        gates = unit.file.collected.gates
        if any(gates[index] == claim for index in unit.out):
            return True
    return False


def _settle_tests(state: RunState, run: GateRun) -> bool:
    assert run.claim is not None
    if run.closing is not None:
        if has_tests_out(state, run.claim):
            return False
        end(state, run, *run.closing)
        return True
    if run.realm is None or not run.realm.listed:
        return False
    if run.remaining == 0 and run.uncollected == 0:
        if run.state is GateState.WAITING and not may_start(state, run):
            return False
        if run.state is GateState.WAITING:
            begin(state, run)
        end(state, run, *_verdict(state, run))
        return True
    if state.no_more_tests and not has_tests_out(state, run.claim):
        if _collecting_on(state) and run.uncollected:
            return False
        how, reason = _verdict(state, run)
        if how.good or how is GateState.EMPTY:
            how, reason = GateState.CANCELLED, state.stop[1] if state.stop else None
        end(state, run, how, reason)
        return True
    return False


def _verdict(state: RunState, run: GateRun) -> tuple[GateState, str | None]:
    """How a tests gate ended that ran to its end."""
    work = run.gate.work
    assert isinstance(work, Tests)
    if run.collect_errors:
        plural = "s" if run.collect_errors > 1 else ""
        return GateState.FAILED, f"{run.collect_errors} error{plural} during collection"
    failed = run.counts["failed"] + run.counts["error"]
    if failed:
        return GateState.FAILED, f"{failed} of {run.seen} tests failed"
    if run.seen == 0 and not state.options.collect_only:
        if run.deselected or state.options.narrowed:
            return GateState.DESELECTED, "the command line left no test of it"
        if not work.allow_empty:
            return GateState.EMPTY, "no test was selected (allow-empty: true accepts that)"
    return GateState.PASSED, None


def _settle_service(state: RunState, run: GateRun) -> None:
    users = [state.gates[name] for name in state.plan.dependents[run.name]]
    idle = all(user.ended for user in users)
    if idle and run.state in {GateState.RUNNING, GateState.READY} and run.closing is None:
        ready = run.state is GateState.READY
        how = GateState.PASSED if ready else GateState.CANCELLED
        close(state, run, how, None if ready else "no gate needs it any more")
    elif idle and run.state is GateState.WAITING and users:
        end(state, run, GateState.CANCELLED, "no gate needs it any more")


def ready_commands(state: RunState) -> list[GateRun]:
    """Commands that may start, best first: priority, then the longest path still to go."""
    ready = [
        run for name in state.plan.order if (run := state.gates[name]).claim is None and may_start(state, run)
    ]
    ready.sort(key=lambda run: (-run.gate.priority, -command_level_s(state, run)))
    return ready


def command_level_s(state: RunState, run: GateRun) -> float:
    return state.options.estimates.commands.get(run.name, DEFAULT_COMMAND_S) + state.tails[run.name]


def weight_of(run: GateRun, pool: int) -> int:
    assert isinstance(run.gate.work, Command)
    return 0 if run.gate.is_service else min(run.gate.work.weight, pool)
