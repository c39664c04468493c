"""Gates as wholes: may one start, has one ended, what follows for the others."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_batchgate.core.events import GateFinished, GateStarted
from pytest_batchgate.core.ledger import DEFAULT_COMMAND_S
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import Breaker, Command, GateState
from pytest_batchgate.core.protocol import (
    KillWorker,
    ReleaseTests,
    StartCommand,
    StopCommand,
    WorkerId,
)
from pytest_batchgate.core.realms import drop_unwanted, give_up_tests
from pytest_batchgate.core.state import RunState, Unit

INTERRUPTED_GRACE_S = 3.0  # the most that any grace is after a signal to the run


def culprit_of(state: RunState, run: GateRun) -> GateRun | None:
    """The first need that ended without satisfying ``run``."""
    if run.gate.when == "always" or state.options.collect_only or has_nothing_to_run(state, run):
        return None
    for name in run.needs:
        need = state.gates[name]
        if need.ended and not need.satisfies_needs:
            return need
    return None


def needs_met(state: RunState, run: GateRun) -> bool:
    """Whether every need is good (``when: always``: has ended, or answers)."""
    if state.options.collect_only or has_nothing_to_run(state, run):
        return True
    if run.gate.when == "always":
        return all(
            state.gates[name].ended or state.gates[name].state is GateState.READY for name in run.needs
        )
    return all(state.gates[name].satisfies_needs for name in run.needs)


def has_nothing_to_run(state: RunState, run: GateRun) -> bool:
    """Whether all tests of the gate are carried: it needs neither others nor their services."""
    return state.options.carried is not None and run.name in state.options.carried.gates


def resources_free(state: RunState, run: GateRun) -> bool:
    return not any(name in state.resources_held for name in run.gate.resources)


def its_turn(state: RunState, run: GateRun) -> bool:
    """In turn, only the first gate that has not ended; services run beside it.

    One that waits for the time alone leaves its turn to the next, and when its time has come
    goes on as soon as the worker is free.  A gate that tests of an earlier one wait for goes
    with it (`deadlock.bring_forward`).
    """
    if not state.options.sequential or run.gate.is_service or run.name in state.forward:
        return True
    spare = state.options.spare  # what belongs to another shard has no turn but with a test that asks for it
    others = (
        other
        for other in state.alive
        if not (other.gate.is_service or is_pausing(state, other) or other.name in spare)
    )
    return run is next(others, None)


def is_left_out(state: RunState, run: GateRun) -> bool:
    """Whether another shard runs it, and nothing here needs it."""
    if not state.options.spare:
        return False
    from pytest_batchgate.core.sparing import is_spare

    return is_spare(state, run)


def is_pausing(state: RunState, run: GateRun) -> bool:
    """Whether it waits for the time alone: between two attempts, or while its breaker cools down."""
    all_tests = 0 < run.pausing == run.remaining and not run.uncollected and run.closing is None
    return all_tests or is_between(state, run) or cooled_at(run) is not None


def is_between(state: RunState, run: GateRun) -> bool:
    return run.not_before_s is not None and state.now < run.not_before_s


def cooled_at(run: GateRun) -> float | None:
    """When its open breaker lets it try again; None if there is no such time."""
    return None if run.breaker is None or run.closing is not None else run.breaker.next_deadline


def allowance(run: GateRun) -> int | None:
    """How many tests of the gate its breaker lets start now; None: any number."""
    return None if run.breaker is None else run.breaker.allowance


def may_start(state: RunState, run: GateRun) -> bool:
    return (
        run.state is GateState.WAITING
        and run.closing is None
        and not state.stopping
        and not is_pausing(state, run)
        and needs_met(state, run)
        and resources_free(state, run)
        and its_turn(state, run)
        and not is_left_out(state, run)
    )


def is_open(state: RunState, run: GateRun) -> bool:
    """Whether tests of this gate may be handed out now (it may have to begin first)."""
    if state.no_more_tests or state.options.collect_only or run.closing is not None:
        return False
    if run.breaker is not None and run.breaker.allowance == 0:
        return False
    return run.state is GateState.RUNNING or may_start(state, run)


def begin(state: RunState, run: GateRun, slots: tuple[int, ...] = ()) -> None:
    """WAITING -> RUNNING: take the mutexes, start the clock, say so."""
    if run.started_s is None:
        run.started_s = state.now
    run.began_s = state.now
    run.attempts += 1
    run.last_try = run.not_before_s = None
    run.deadline_s = state.now + run.gate.timeout_s
    run.slots = slots
    for name in run.gate.resources:
        state.resources_held[name] = run.name
    if run.gate.breaker is not None and not run.gate.is_service:
        _arm(run, run.gate.breaker)
    run.move(GateState.RUNNING)
    state.tell(GateStarted(state.now, run.name, slots))


def _arm(run: GateRun, settings: Breaker) -> None:
    """Give the gate its breaker; a command's attempt is handed out at once."""
    if run.breaker is None:
        from pytest_batchgate.core.breaker import CircuitBreaker

        # A command's time limit is that of one attempt: no cooldown can pass it.
        deadline_s = run.deadline_s if run.claim is not None else None
        run.breaker = CircuitBreaker(settings, deadline=deadline_s)
    if run.claim is None:
        run.epoch = run.breaker.hand_out(1)


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
        run.ended_s = state.now if run.last_try is None else run.ended_s
    let_go(state, run)
    if run.claim is not None and (run.remaining or run.cut_short):
        skipped = how in {GateState.SKIPPED, GateState.BROKEN}
        give_up_tests(state, run, (reason or "a need was not good") if skipped else None)
    run.move(how, reason)
    state.alive.remove(run)
    state.tell(GateFinished(state.now, run.report()))
    if run.claim is not None:
        drop_unwanted(state)
    if state.options.fail_fast and run.gate.required and not how.good and not state.stopping:
        stop_everything(state, f"{run.name} {became(run)} (fail-fast)")


def let_go(state: RunState, run: GateRun) -> None:
    """Free the mutexes and slots of an attempt that is over."""
    for name in run.gate.resources:
        if state.resources_held.get(name) == run.name:
            del state.resources_held[name]
    if run.claim is None and run.state is not GateState.WAITING:
        run.work_s += (state.now - run.began_s) * len(run.slots)
    for slot in run.slots:
        if state.slots[slot].command == run.name:
            state.slots[slot].command = None


def cut(state: RunState, run: GateRun, how: GateState, reason: str | None) -> None:
    """End a gate that has not done its work."""
    run.cut_short = True
    end(state, run, how, reason)


def close(state: RunState, run: GateRun, how: GateState, reason: str | None, *, kill: bool = False) -> None:
    """Bring a gate to an end it did not choose; it ends once nothing of it runs."""
    if run.ended:
        return
    grace_s = _grace_s(state, run)
    if run.closing is not None:
        if kill and run.claim is not None:
            _kill_workers(state, run.claim, grace_s, reason or how.value)
        elif run.claim is None and grace_s < run.gate.grace_s:
            state.do(StopCommand(run.name, *run.closing, grace_s))
        return
    if run.state is GateState.WAITING and (run.claim is None or not has_tests_out(state, run.claim)):
        # There will be no other attempt: the latest one counts.
        cut(state, run, *(run.last_try or (how, reason)))
        return
    run.closing = (how, reason)
    if run.claim is None:
        state.do(StopCommand(run.name, how, reason, grace_s))
    elif kill:
        _kill_workers(state, run.claim, grace_s, reason or how.value)
    else:
        recall(state, run.claim)


def _grace_s(state: RunState, run: GateRun) -> float:
    """Who interrupts a run does not wait long: a job that is cancelled in CI has ten seconds."""
    interrupted = state.stop is not None and state.stop[0] == "interrupted"
    return min(run.gate.grace_s, INTERRUPTED_GRACE_S) if interrupted else run.gate.grace_s


def recall(state: RunState, claim: int) -> None:
    """Ask for everything of the gate that its workers have not begun."""
    for unit in state.units.values():
        if claim in unit.gates:
            recall_unit(state, unit)


def recall_unit(state: RunState, unit: Unit) -> None:
    """Ask for all of a unit; of one that a part was asked of, once that has come."""
    if unit.releasing:
        unit.recalled = True
        return
    unit.releasing = True
    state.do(ReleaseTests(unit.worker, unit.id, None))


def _kill_workers(state: RunState, claim: int, grace_s: float, reason: str) -> None:
    """End the workers that have tests of the gate; what else they had runs elsewhere."""
    for worker_id in {unit.worker for unit in state.units.values() if claim in unit.gates}:
        kill_worker(state, worker_id, grace_s, reason)


def kill_worker(state: RunState, worker_id: WorkerId, grace_s: float, reason: str) -> None:
    worker = state.workers[worker_id]
    if not worker.killed:
        worker.ending = worker.killed = True
        state.do(KillWorker(worker.id, grace_s, reason))


def stop_everything(state: RunState, reason: str) -> None:
    """Nothing more starts; what runs is ended (``cancelled``)."""
    state.stopping = True
    state.no_more_tests = True
    state.cause = state.cause or reason
    for run in tuple(state.alive):
        if not run.ended and run.claim is None:
            close(state, run, GateState.CANCELLED, reason)


def stop_at_once(state: RunState) -> None:
    """A second signal: what still runs gets no more time."""
    for run in state.alive:
        if run.claim is None and run.closing is not None and not run.ended:
            state.do(StopCommand(run.name, *run.closing, 0.0))


def became(run: GateRun) -> str:
    """What a gate ended as, as the end of "..., which"."""
    return {
        GateState.FAILED: "failed",
        GateState.TIMED_OUT: "timed out",
        GateState.CRASHED: "crashed",
        GateState.BROKEN: "is broken",
        GateState.SKIPPED: "was skipped",
        GateState.CANCELLED: "was cancelled",
        GateState.EMPTY: "selected no test",
    }.get(run.state, f"ended {run.state.value}")


def collecting_on(state: RunState) -> bool:
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


def _users(state: RunState, run: GateRun) -> list[GateRun]:
    users = [state.gates[name] for name in state.plan.dependents[run.name]]
    return [user for user in users if not has_nothing_to_run(state, user)]


def unneeded(state: RunState, run: GateRun) -> bool:
    """Whether nobody uses the service any more, tests that named it in a marker included."""
    if not all(user.ended for user in _users(state, run)) or state.asks_for(run.name):
        return False
    # One that holds a mutex is not kept on the chance: what waits for the mutex may be the asker.
    return bool(run.gate.resources) or not state.may_ask()


def is_wanted(state: RunState, run: GateRun) -> bool:
    """Whether a service is to be started: somebody needs it, or it was chosen by its name."""
    if not state.plan.dependents[run.name]:
        return True
    if not _users(state, run):  # what needs it is carried: only a marker may still ask for it
        return state.asks_for(run.name)
    return not unneeded(state, run)


def carry_commands(state: RunState) -> None:
    """End the commands that were good in the run before; they need not wait for anything."""
    carried = state.options.carried
    for name, past in carried.commands.items() if carried is not None else ():
        run = state.gates[name]
        run.findings, run.more_findings = past.findings, past.more_findings
        end(state, run, GateState.CARRIED)


def ready_commands(state: RunState) -> Iterator[GateRun]:
    """Commands but services that may start, best first: priority, then the longest path still to go.

    Looked up one by one: of hundreds that wait, the free slots need a few.
    """
    if state.ranked is None:
        commands = [run for run in state.alive if run.claim is None and not run.gate.is_service]
        # Neither changes during a run.
        commands.sort(key=lambda run: (-run.gate.priority, -command_level_s(state, run)))
        state.ranked = commands
    for run in state.ranked:
        if run.state is GateState.WAITING and may_start(state, run):
            yield run


def command_level_s(state: RunState, run: GateRun) -> float:
    return state.options.estimates.commands.get(run.name, DEFAULT_COMMAND_S) + state.tails[run.name]


def weight_of(run: GateRun, pool: int) -> int:
    assert isinstance(run.gate.work, Command)
    return 0 if run.gate.is_service else min(run.gate.work.weight, pool)
