"""What must hold after every step of a simulated run, and at its end.

The watch keeps books of its own, from events, actions and what the simulated
workers really do; the dispatcher's state is looked at only where its own books
must be right (the ledger, mutexes, idle workers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import simleaks
import simlimits
from breakerbooks import BreakerBooks
from ledgerbooks import check_ledger
from retrybooks import RetryBooks
from turnbooks import TurnBooks

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.breaker import BreakerState
from pytest_batchgate.core.constraints import ALONE
from pytest_batchgate.core.distribute import claims_to_collect, open_claims
from pytest_batchgate.core.endings import PASSING
from pytest_batchgate.core.events import (
    BreakerChanged,
    Event,
    FileWasCollected,
    GateBecameReady,
    GateFinished,
    GateReport,
    GateStarted,
    GateWillRetry,
    TestsWereCarried,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
)
from pytest_batchgate.core.gating import is_open, ready_commands
from pytest_batchgate.core.model import Command, Gate, GateName, GateState, Tests
from pytest_batchgate.core.protocol import (
    Action,
    AssignFile,
    AssignTests,
    CollectedFile,
    Input,
    StartCommand,
    Traits,
    WorkerId,
)

if TYPE_CHECKING:
    from simulator import Simulator

NO_TRAITS = Traits()


class Watch:
    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.plan = sim.world.plan
        self.gates = {gate.name: gate for gate in self.plan.gates}
        self.started: set[GateName] = set()
        self.attempts: Counter[GateName] = Counter()
        self.between: dict[GateName, float] = {}  # two attempts, and when the next may start
        self.ready: set[GateName] = set()
        self.reports: dict[str, GateReport] = {}
        self.outcomes: dict[str, str] = {}  # by node id, as published
        self.too_late: set[str] = set()  # published after their gate had ended
        self.collected: dict[str, CollectedFile] = {}
        self.unread: set[str] = set()  # files whose collection failed in some environment
        self.running: dict[WorkerId, str] = {}  # really, by the worker's own account
        self.ran: dict[str, WorkerId] = {}
        self.breakers = BreakerBooks(self)
        self.retries = RetryBooks(self)
        self.turns = TurnBooks(self)
        self.began: dict[str, float] = {}  # when a test last began, by the worker's own account
        self.limits = simlimits.limits(sim.world)
        self.groups: dict[tuple[object, str], WorkerId] = {}
        self.of_test: dict[str, tuple[Gate | None, Traits]] = {}
        for file in sim.world.files:
            collected = sim.world.collected(file)
            for index, claim in enumerate(collected.gates):
                name = self.plan.claims[claim].name if claim != NO_GATE else None
                gate = self.gates.get(name) if name is not None else None
                traits = collected.traits.get(index, NO_TRAITS)
                self.of_test[collected.nodeid(index)] = (gate, traits)

    # --- steps

    def before(self, message: Input) -> None:
        assert not self.sim.dispatcher.finished

    def after(self, actions: Sequence[Action], events: Sequence[Event]) -> None:
        for event in events:
            self._hear(event)
        for action in actions:
            if isinstance(action, StartCommand):
                self._check_command(action)
            elif isinstance(action, (AssignFile, AssignTests)):
                self.breakers.check(action)
                self.retries.check(action)
                self.turns.note_handed_out(action)
        simlimits.check_running(self)
        self._check_slots()
        check_ledger(self)
        self._check_idle()

    def _hear(self, event: Event) -> None:
        match event:
            case GateStarted(_, name, _):
                assert name not in self.started, f"{name} started twice"
                assert self.sim.now >= self.between.pop(name, 0.0), f"{name} started too early"
                self.attempts[name] += 1
                assert self.attempts[name] <= self.gates[name].retries.count + 1
                # Of a gate that is being closed a test may have been announced, and starts it.
                closing = self.sim.dispatcher.state.gates[name].closing is not None
                self._check_needs(name, under_way=closing)
                mine = set(self.gates[name].resources)
                for other in self.started - set(self.reports):
                    assert not mine & set(self.gates[other].resources), f"{name} and {other} share"
                self.turns.check_start(name)
                self.started.add(name)
            case GateWillRetry(at, name, attempt, most, how, _, pause_s):
                retries = self.gates[name].retries
                assert name in self.started
                assert name not in self.reports
                assert not how.good
                assert how.value in retries.on
                assert retries.match is None
                assert attempt == self.attempts[name] < most == retries.count + 1
                assert 0 <= pause_s <= retries.max_delay_s
                self.started.discard(name)
                self.between[name] = at + pause_s
            case GateBecameReady(_, name):
                self.ready.add(name)
            case TestWillRetry():
                self.retries.hear(event)
            case BreakerChanged():
                self.breakers.hear(event)
            case GateFinished(_, report):
                assert report.name not in self.reports, f"{report.name} ended twice"
                assert report.state.ended
                assert report.attempts == self.attempts[report.name]
                broken = self.breakers.state_of(report.name) is BreakerState.BROKEN
                assert (report.state is GateState.BROKEN) is broken, report
                flaky = report.attempts > 1 if report.kind == "command" else report.flaky > 0
                assert (report.state is GateState.FLAKY) is (flaky and report.state.good), report
                assert report.flaky == self.retries.flaky(self.gates[report.name])
                for test in self.running.values():
                    gate, _ = self.of_test[test]
                    assert gate is None or gate.name != report.name, f"{test} outlives {report.name}"
                self._check_counts(report)
                simleaks.check(self, report)
                self.reports[report.name] = report
            case FileWasCollected(_, _, collected):
                self.collected.setdefault(collected.file, collected)
                if collected.errors and not collected.keys:
                    self.unread.add(collected.file)
            case TestsWereRun(_, _, collected, results):
                for result in results:
                    self._outcome(collected.nodeid(result.index), result.outcome)
            case TestsWereCarried(_, collected, results):
                for result in results:
                    self._outcome(collected.nodeid(result.index), result.outcome)
            case TestWasLost(_, _, collected, index, outcome, reason):
                assert reason
                self._outcome(collected.nodeid(index), outcome)
                simlimits.check_lost(self, collected.nodeid(index), outcome, reason)

    def _outcome(self, nodeid: str, outcome: str) -> None:
        assert nodeid not in self.outcomes, f"{nodeid} reported twice"
        gate, _ = self.of_test[nodeid]
        assert gate is not None, f"{nodeid} is nobody's, yet {outcome}"
        self.outcomes[nodeid] = outcome
        if gate.name in self.reports:
            self.too_late.add(nodeid)
            assert outcome in {"skipped", "error"}

    def _satisfied(self, name: GateName) -> bool:
        report = self.reports.get(name)
        if report is None:
            return name in self.ready
        if report.state.good:
            return True
        return not self.gates[name].required and report.state is not GateState.SKIPPED

    def _check_needs(self, name: GateName, *, under_way: bool = False) -> None:
        if self.sim.world.options.collect_only:
            return
        for need in self.plan.needs[name]:
            always = self.gates[name].when == "always"
            met = need in self.reports or need in self.ready if always else self._satisfied(need)
            if under_way:  # the service may have died since the test was announced
                met = met or need in self.ready
            assert met, f"{name} starts before {need}"

    def _check_command(self, action: StartCommand) -> None:
        gate = self.gates[action.gate]
        assert isinstance(gate.work, Command)
        assert action.gate in self.started
        state = self.sim.dispatcher.state
        if gate.is_service:
            assert action.slots == ()
        else:
            assert len(set(action.slots)) == len(action.slots) == min(gate.work.weight, len(state.slots))
        assert not self.sim.world.options.collect_only

    def _check_slots(self) -> None:
        state = self.sim.dispatcher.state
        for number, slot in enumerate(state.slots):
            if slot.command is not None:
                assert slot.worker is None or not slot.worker.units, f"slot {number} does two things"
                assert number in state.gates[slot.command].slots
        held = Counter(
            name
            for run in state.gates.values()
            if run.name in self.started and run.name not in self.reports
            for name in run.gate.resources
        )
        assert all(count == 1 for count in held.values()), held
        assert set(state.resources_held) == set(held)

    # --- tests, as they really start

    def test_started(self, worker: WorkerId, nodeid: str) -> None:
        gate, traits = self.of_test[nodeid]
        assert gate is not None, f"{nodeid} belongs to no gate of this run"
        assert not self.sim.world.options.collect_only
        # Of a new file the first tests run unasked: the news of it may still be on the way.
        assert gate.name in self.started or not gate.resources, f"{nodeid} runs before its gate"
        assert gate.name not in self.reports, f"{nodeid} runs after its gate"
        assert nodeid not in self.outcomes, f"{nodeid} runs, and was reported"
        if nodeid in self.ran and not self.retries.may_start(nodeid):
            assert self.sim.workers[self.ran[nodeid]].dead, f"{nodeid} runs twice"
        self.ran[nodeid] = worker
        self._check_needs(gate.name, under_way=True)
        slot = self.sim.dispatcher.state.slots[self.sim.workers[worker].spawn.slot]
        assert slot.command is None, f"{nodeid} beside the command {slot.command}"
        self._check_targets(nodeid, traits)
        self._check_company(worker, nodeid, gate, traits)
        self.running[worker] = nodeid
        self.began[nodeid] = self.sim.now

    def test_stopped(self, worker: WorkerId) -> None:
        self.running.pop(worker, None)

    def _check_targets(self, nodeid: str, traits: Traits) -> None:
        for text in traits.depends_on:
            if text.startswith("gate:"):
                name = GateName(text.removeprefix("gate:"))
                met = name not in self.gates or self._satisfied(name)
                # A service may have died since the test was announced.
                assert met or name in self.ready, f"{nodeid} before {text}"
                continue
            for test in targets(self.of_test, nodeid, text):
                if self.of_test[test][0] is not None:
                    assert self.outcomes.get(test) in PASSING, f"{nodeid} before {test}"

    def _check_company(self, worker: WorkerId, nodeid: str, gate: Gate, traits: Traits) -> None:
        others = [test for other, test in self.running.items() if other != worker]
        for test in others:
            theirs = self.of_test[test][1]
            assert ALONE not in traits.serial, f"{nodeid} is serial, beside {test}"
            assert ALONE not in theirs.serial, f"{nodeid} beside {test}, which is serial"
            assert not set(traits.serial) & set(theirs.serial), f"{nodeid} beside {test}"
        assert isinstance(gate.work, Tests)
        if gate.work.max_workers is not None:
            same = [test for test in others if self.of_test[test][0] is gate]
            assert len(same) < gate.work.max_workers, f"{gate.name} on too many workers"
        if traits.group is not None:
            spawn = self.sim.workers[worker].spawn
            key = (tuple(sorted(spawn.env.items())), traits.group)
            owner = self.groups.setdefault(key, worker)
            gone = owner not in self.sim.dispatcher.state.workers or self.sim.workers[owner].finishing
            assert owner == worker or gone or self._unstable(), f"group {traits.group} on two workers"
            self.groups[key] = worker

    def _unstable(self) -> bool:
        return any(file.unstable for file in self.sim.world.files)

    # --- the dispatcher's books

    def _check_idle(self) -> None:
        """No live worker stands idle while unconstrained tests that it could have wait.

        Unless a command that outranks them waits for slots, a test runs alone,
        another worker that holds the file is going to be there sooner, or all are to begin at once.
        """
        state = self.sim.dispatcher.state
        if state.options.abreast and any(not (w.live or w.ending) for w in state.workers.values()):
            return
        if state.stopping or ALONE in state.serial_held:
            return
        if any(ready_commands(state)):
            return
        for worker in state.workers.values():
            idle = worker.live and not worker.units and not (worker.ending or worker.leaving)
            if not idle or state.slots[worker.slot].command is not None:
                continue
            claims = open_claims(state, worker)
            useful = set(claims_to_collect(state, worker, claims))
            for file in worker.realm.queue:
                assert not set(file.claimants) & useful, f"{worker.name} idles before {file.name}"
            for file in worker.realm.waiting.values():
                held = any(
                    file.name in other.files for other in state.workers.values() if other is not worker
                )
                assert held or not set(file.todo) & set(claims), f"{worker.name} idles before {file.name}"

    # --- the end

    def _check_counts(self, report: GateReport) -> None:
        gate = self.gates[report.name]
        if report.kind == "command":
            assert report.counts == {}
            return
        mine = [test for test, (owner, _) in self.of_test.items() if owner is gate]
        expected = Counter(self.outcomes[test] for test in mine if test in self.outcomes)
        silent = [test for test in mine if test not in self.outcomes]
        not_run = sum(self._file_of(test) in self.collected for test in silent)
        # Of a file that could be collected in one environment only, it depends on which was first.
        unsure = sum(self._file_of(test) in self.unread for test in silent)
        counts = dict(report.counts)
        counted = counts.pop("not_run")
        assert not_run - unsure <= counted <= not_run, f"{report.name}: {report} {silent}"
        errors = counts.pop("error") - expected.pop("error", 0)
        assert +Counter(counts) == +expected, f"{report.name}: {counts}, seen {expected}"
        assert errors >= 0
        if report.state.good and not self.sim.world.options.collect_only:
            assert not counted
            assert not expected["failed"]

    @staticmethod
    def _file_of(nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def at_end(self) -> None:
        sim, state = self.sim, self.sim.dispatcher.state
        assert set(self.reports) == set(self.gates)
        assert all(process.over for process in sim.processes.values())
        assert all(worker.dead for worker in sim.workers.values())
        for left in (state.units, state.specials, state.serial_held, state.resources_held):
            assert not left
        assert not any(run.remaining for run in state.gates.values())
        assert not any(run.pausing for run in state.gates.values())
        stopped = state.no_more_tests or sim.world.options.collect_only
        for file in self.collected.values():
            if file.file in self.unread:
                continue
            for index in range(len(file.keys)):
                test = file.nodeid(index)
                gate, _ = self.of_test[test]
                if gate is None or test in self.outcomes or stopped:
                    continue
                cut = self.reports[gate.name].state in {GateState.TIMED_OUT, GateState.FAILED}
                assert cut, f"{test} was forgotten"
                assert state.gates[gate.name].cut_short, f"{test} was forgotten"
        for gate in self.gates.values():
            self._check_culprit(gate)

    def _check_culprit(self, gate: Gate) -> None:
        report = self.reports[gate.name]
        if report.state is GateState.SKIPPED:
            named = [need for need in self.plan.needs[gate.name] if f"needs {need}," in str(report.reason)]
            assert named, report.reason
            assert not self._satisfied(named[0])
        if report.state is GateState.CANCELLED and not gate.is_service:
            assert report.reason, f"{gate.name} is cancelled, and nobody knows why"

    def picture(self) -> str:
        state = self.sim.dispatcher.state
        gates = {name: run.state.value for name, run in state.gates.items() if not run.ended}
        return (
            f"{gates} workers={list(state.workers.values())} specials={[s.nodeid for s in state.specials]} "
            f"is_open={[name for name, run in state.gates.items() if is_open(state, run)]}"
        )


def covers(wanted: str, nodeid: str) -> bool:
    """The test itself, its parameters, or what lies in its class or file."""
    return nodeid == wanted or nodeid.startswith((f"{wanted}[", f"{wanted}::"))


def targets(tests: dict[str, tuple[Gate | None, Traits]], nodeid: str, text: str) -> list[str]:
    """The tests that a `depends_on` entry of ``nodeid`` means, by the words of the documentation."""
    if "/" in text or text.partition("::")[0].endswith(".py"):
        return [test for test in tests if covers(text, test)]
    module, *inner = nodeid.partition("[")[0].split("::")
    scopes = ["::".join([module, *inner[:-1]]), module]
    for scope in scopes:
        found = [test for test in tests if covers(f"{scope}::{text}", test)]
        if found:
            return found
    return []
