"""The scheduler: handle(input, now) -> Step(actions, events).

Pure: the same inputs at the same times give the same actions.  Every input is
taken in by one small handler below; then, always in the same order, gates that
are through are ended (`gating.settle`), waiting tests look at their targets
(`constraints.update`), and free slots are filled (`fill.fill`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_batchgate.core import (
    commanding,
    constraints,
    crew,
    deadlines,
    endings,
    fill,
    gating,
    leaks,
    limits,
    realms,
    settling,
    using,
)
from pytest_batchgate.core.distribute import await_collection
from pytest_batchgate.core.events import Event, RunStarted
from pytest_batchgate.core.ledger import DONE, DONE_AS, OUT, FileRun
from pytest_batchgate.core.lifecycle import GateRun
from pytest_batchgate.core.model import GateState, Tests
from pytest_batchgate.core.plan import Plan, remaining_path
from pytest_batchgate.core.protocol import (
    Action,
    CommandEnded,
    FileCollected,
    Input,
    MemoryUsed,
    ProcessesLeft,
    ServiceReady,
    StopAsked,
    TestResult,
    TestsFinished,
    TestsMissing,
    TestsRunning,
    TimePassed,
    UnitFinished,
    UnitReleased,
    WorkerEnded,
    WorkerHungry,
    WorkerListed,
    WorkerLost,
)
from pytest_batchgate.core.state import RunOptions, RunState, Slot, Unit
from pytest_batchgate.core.theft import next_look
from pytest_batchgate.core.valuetypes import dataclass

if TYPE_CHECKING:  # few runs have a breaker
    from pytest_batchgate.core.breaker import BreakerChange

_ILL = frozenset({"failed", "error"})


@dataclass(frozen=True, slots=True)
class Step:
    """What to do and what to tell, in order."""

    actions: tuple[Action, ...]
    events: tuple[Event, ...]


class Dispatcher:
    """One run of one plan.  ``now`` is seconds since the run began and never goes back."""

    def __init__(self, plan: Plan, options: RunOptions) -> None:
        claim_of = {gate.name: index for index, gate in enumerate(plan.claims)}
        gates = {
            gate.name: GateRun(
                gate=gate,
                needs=plan.needs[gate.name],
                claim=claim_of[gate.name] if isinstance(gate.work, Tests) else None,
            )
            for gate in plan.gates
        }
        spans = options.expected_spans(plan)
        paths = remaining_path(plan, spans)
        self.state = RunState(
            plan=plan,
            options=options,
            gates=gates,
            alive=[gates[name] for name in plan.order],
            services=[run for run in gates.values() if run.gate.is_service],
            by_claim=[gates.get(gate.name) for gate in plan.claims],
            slots=[Slot() for _ in range(1 if options.sequential else max(1, options.slots))],
            tails={name: paths[name] - spans[name] for name in paths},
        )
        self.state.shortest_limit_s = limits.shortest_limit(self.state)

    @property
    def finished(self) -> bool:
        """No gate is open, no command and no worker is left."""
        return self.state.finished

    def start(self, now: float) -> Step:
        """The first step, before any input."""
        self.state.now = now
        plan = self.state.plan
        claims = tuple(gate.name for gate in plan.claims)
        self.state.tell(RunStarted(now, plan.gates, self.state.options.slots, claims))
        gating.carry_commands(self.state)
        return self._conclude()

    def handle(self, event: Input, now: float) -> Step:
        state = self.state
        state.now = now
        self._take_in(event)
        return self._conclude()

    def next_deadline(self) -> float | None:
        """When `TimePassed` is due at the latest, on the run's clock; None: no need."""
        marks = (deadlines.next_deadline(self.state), next_look(self.state))
        return min((mark for mark in marks if mark is not None), default=None)

    def next_look(self) -> float | None:
        """When `TestsRunning` is due, on the run's clock; None: no need."""
        return limits.next_look(self.state)

    def _conclude(self) -> Step:
        state = self.state
        deadlines.expire(state)
        stuck = True
        while stuck:
            while settling.settle(state) or constraints.update(state):
                pass
            if state.stopping:
                crew.halt_all(state)
            stuck = fill.fill(state)
        if not state.finished:
            busy = any(slot.command for slot in state.slots)
            state.finished = not (state.alive or state.workers or busy)
        step = Step(tuple(state.actions), tuple(state.events))
        state.actions.clear()
        state.events.clear()
        return step

    def _take_in(self, event: Input) -> None:
        state = self.state
        match event:
            case TestsFinished():
                on_tests_finished(state, event)
                using.share(state, event)
            case FileCollected():
                on_file_collected(state, event)
            case UnitFinished():
                on_unit_finished(state, event)
            case UnitReleased():
                on_unit_released(state, event)
            case TestsMissing():
                on_tests_missing(state, event)
            case WorkerHungry():
                on_worker_hungry(state, event)
            case WorkerListed():
                on_worker_listed(state, event)
            case TestsRunning() | MemoryUsed() | ProcessesLeft():
                on_looked(state, event)
            case WorkerEnded(worker):
                crew.on_worker_ended(state, worker)
            case WorkerLost():
                crew.on_worker_lost(state, event)
            case ServiceReady():
                commanding.on_service_ready(state, event)
            case CommandEnded():
                commanding.on_command_ended(state, event)
            case StopAsked():
                on_stop_asked(state, event)
            case TimePassed():
                pass


def on_looked(state: RunState, event: TestsRunning | MemoryUsed | ProcessesLeft) -> None:
    """What was found by looking at workers, which say nothing of it themselves."""
    if isinstance(event, TestsRunning):
        limits.on_tests_running(state, event)
    elif isinstance(event, MemoryUsed):
        from pytest_batchgate.core.memory import on_memory_used  # few gates have such a limit

        on_memory_used(state, event)
    else:
        leaks.on_processes_left(state, event)


def on_worker_listed(state: RunState, event: WorkerListed) -> None:
    worker = state.workers.get(event.worker)
    if worker is None:
        return
    worker.live = True
    worker.hungry = True
    if not worker.realm.listed:
        realms.take_listing(state, worker.realm, event)


def on_worker_hungry(state: RunState, event: WorkerHungry) -> None:
    """With more than one unit out it is old news: the worker said so before it got the last one."""
    worker = state.workers.get(event.worker)
    if worker is not None and len(worker.units) <= 1:
        worker.hungry = True


def on_file_collected(state: RunState, event: FileCollected) -> None:
    unit = state.units.get(event.unit)
    if unit is None:
        return
    worker = state.workers[unit.worker]
    collected, file = event.collected, unit.file
    worker.heard_s = state.now
    limits.note_limits(state, collected)
    unit.collecting = False
    unit.due_s = None
    free = realms.admit_file(state, worker.realm, file, collected, worker.name)
    taken = set(free)
    if event.taken is not None:
        taken.intersection_update(event.taken)
    taken = {index for index in taken if collected.gates[index] in unit.open_gates}
    for index in taken:
        file.state[index] = OUT
    unit.out = taken
    unit.gates = frozenset(collected.gates[index] for index in taken)
    worker.served.update(unit.gates)
    for claim in unit.gates:
        run = state.run_of(claim)
        if run is not None and run.state is GateState.WAITING:
            gating.begin(state, run)
        if run is not None and run.breaker is not None:
            unit.epochs.setdefault(claim, 0)  # the first, if it had not begun when the file was handed out
    if len(taken) < len(free):
        realms.put_back(worker.realm, file, [index for index in free if index not in taken])
    if collected.errors and state.stop is None and not state.options.continue_on_collection_errors:
        crew.stop_for_collection_error(state, collected.errors)


def on_tests_finished(state: RunState, event: TestsFinished) -> None:
    """The hot path: one pass over the batch, a few dictionary look-ups a test."""
    worker = state.workers.get(event.worker)
    if worker is None:
        return
    unit = worker.units.get(event.unit)
    if unit is None and worker.last is not None and worker.last.id == event.unit:
        unit = worker.last
    if unit is None or unit.file.collected is None:
        return
    worker.heard_s = state.now
    file, collected = unit.file, unit.file.collected
    gates, ledger, out = collected.gates, file.state, unit.out
    watched, run_of = state.watched, state.by_claim
    changes: list[tuple[GateRun, BreakerChange]] = []
    told = 0
    for number, result in enumerate(event.results):
        index = result.index
        run = run_of[gates[index]]
        assert run is not None
        run.work_s += result.duration_s
        if ledger[index] >= DONE or index not in out:
            endings.tell_run(state, worker.name, collected, event.results[told:number])
            endings.late_report(state, run, worker.name, collected, result)
            told = number + 1
            continue
        if run.breaker is not None:
            from pytest_batchgate.core.breaking import heard

            change = heard(state, unit, run, result)
            if change is not None:
                changes.append((run, change))
        out.discard(index)
        if run.gate.retries.count:
            if result.outcome in _ILL:  # what ran before is told before
                endings.tell_run(state, worker.name, collected, event.results[told:number])
                told = number
            if _is_tried_again(state, run, file, result, worker.name):
                told = number + 1
                continue
        ledger[index] = DONE_AS[result.outcome]
        run.counts[result.outcome] += 1
        run.remaining -= 1
        file.done += 1
        file.done_s += result.duration_s
        if watched:
            endings.test_ended(state, file, index, result.outcome)
    endings.tell_run(state, worker.name, collected, event.results[told:] if told else event.results)
    for run, change in changes:
        from pytest_batchgate.core.breaking import changed

        changed(state, run, change)


def _is_tried_again(state: RunState, run: GateRun, file: FileRun, result: TestResult, worker: str) -> bool:
    """Whether the result is not the last word on its test; a pass after other attempts is noted."""
    if result.outcome in _ILL:
        from pytest_batchgate.core.retesting import try_again

        if try_again(state, run, file, result, worker):
            return True
    if file.tried.pop(result.index, None) is not None and result.outcome not in _ILL:
        run.flaky += 1
    return False


def on_unit_finished(state: RunState, event: UnitFinished) -> None:
    unit = state.units.pop(event.unit, None)
    if unit is None:
        return
    worker = state.workers[unit.worker]
    worker.units.pop(unit.id, None)
    constraints.drop_mutexes(state, unit.id)
    worker.last = unit
    await_collection(state, worker)
    if unit.collecting:  # nothing was reported for the file: the next worker may try
        realms.requeue(state, worker.realm, unit.file)
    crew.tell_lost(state, unit, unit.out, "")
    for index in sorted(unit.out):
        words = "the worker did not report this test"
        endings.lose(state, unit.file, index, "error", reason=words, worker=worker.name)
    forget_specials(state, unit)


def forget_specials(state: RunState, unit: Unit) -> None:
    if state.specials_out:
        for key in [key for key in state.specials_out if key[0] == unit.file.name]:
            if unit.file.state[key[1]] >= DONE:
                del state.specials_out[key]


def on_unit_released(state: RunState, event: UnitReleased) -> None:
    unit = state.units.get(event.unit)
    if unit is None:
        return
    worker = state.workers[unit.worker]
    unit.releasing = False
    if event.whole and unit.collecting:
        del state.units[unit.id]
        del worker.units[unit.id]
        worker.files.discard(unit.file.name)
        realms.requeue(state, worker.realm, unit.file)
        return
    if unit.recalled:
        unit.recalled = False
        gating.recall_unit(state, unit)
    unit.out.difference_update(event.indexes)
    if not event.indexes:
        unit.barren = len(unit.out)
        return  # among others: its file is still being collected, and nothing of it will run
    crew.take_back(state, worker, unit, event.indexes)


def on_tests_missing(state: RunState, event: TestsMissing) -> None:
    """Ids that differ between processes: only the worker that collected them can run them."""
    unit = state.units.get(event.unit)
    if unit is None:
        return
    file = unit.file
    worker = state.workers[unit.worker]
    unit.out.difference_update(event.indexes)
    others = [
        other for other in state.workers.values() if other is not worker and other.realm is worker.realm
    ]
    first = next((other for other in others if file.name in other.files), None)
    if first is not None and not first.ending and file.only_for is None:
        file.only_for = first.id
        crew.take_back(state, worker, unit, event.indexes)
        constraints.free_groups(state, worker, file)
        return
    crew.tell_returned(state, unit, event.indexes)
    for index in event.indexes:
        if file.state[index] == OUT:
            words = "its id was not found again: ids must not differ between processes"
            endings.lose(state, file, index, "error", reason=words, worker=worker.name)


def on_stop_asked(state: RunState, event: StopAsked) -> None:
    if state.stop is not None and state.stop[0] != "collection":
        if event.kind == state.stop[0] == "interrupted":
            gating.stop_at_once(state)
        return
    state.stop = (event.kind, event.reason, event.exit_code)
    state.cause = event.reason
    state.no_more_tests = True
    if event.kind != "maxfail":
        gating.stop_everything(state, event.reason)
    crew.halt_all(state)
