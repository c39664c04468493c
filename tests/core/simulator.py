"""A world for the dispatcher: workers, commands and a clock, all made of numbers.

Deterministic: a `World` and a seed give the same run.  The workers keep the
contract of `core.protocol` (they hold their last test back, answer releases from
the end, lose what they had not sent when they die); messages of one worker stay
in order, those of different workers mix as the seed will have it.  What may
never happen is checked by `invariants.Watch` after every step.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import simleaks
import simlimits
from invariants import Watch
from simprocess import SimProcess
from simworld import SimCommand, SimFile, SimTest, World

from pytest_batchgate.core.dispatch import Dispatcher, Step
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.protocol import (
    Action,
    AssignFile,
    AssignTests,
    FileCollected,
    FinishWorker,
    HaltWorker,
    Input,
    KillWorker,
    ParkWorker,
    ReleaseTests,
    SpawnWorker,
    StartCommand,
    StopCommand,
    TestResult,
    TestsFinished,
    TestsMissing,
    TimePassed,
    UnitFinished,
    UnitId,
    UnitReleased,
    WorkerEnded,
    WorkerHungry,
    WorkerId,
    WorkerListed,
    WorkerLost,
)

MOST_STEPS = 20_000
REFUSED = "connection refused"  # what a test says that meets an outage


@dataclass(eq=False)
class SimUnit:
    id: UnitId
    file: str
    action: AssignFile | AssignTests
    wanted: tuple[int, ...] = ()  # of AssignTests
    revoked: bool = False  # released while its file was being collected: nothing of it runs
    begun: bool = False  # its indexes are known
    attempts: dict[int, int] = field(default_factory=dict)  # by index, from 1
    left: int = 0  # tests that are neither run nor released


class SimWorker:
    """One process.  ``items`` are tests it will run, in order."""

    def __init__(self, sim: Simulator, spawn: SpawnWorker) -> None:
        self.sim = sim
        self.id = spawn.worker
        self.spawn = spawn
        self.dead = False
        self.lost = False  # dead, and not by the end of its session
        self.listed = False
        self.units: dict[UnitId, SimUnit] = {}
        self.items: deque[tuple[SimUnit, int]] = deque()
        self.running: tuple[SimUnit, int] | None = None
        self.began = 0.0
        self.left: list[str] = []  # node ids of tests that left a process
        self.announced: tuple[SimUnit, int] | None = None
        self.collecting: SimUnit | None = None
        self.unsent: list[TestResult] = []
        self.unsent_unit: SimUnit | None = None
        self.files: set[str] = set()
        self.parked = self.finishing = self.halted = self.said_hungry = False
        self.poisoned: set[GateName] = set()  # by their gates' outages
        self.late: deque[Action] = deque()  # what came while it was collecting
        self.sent_at = 0.0
        self.got_at = 0.0

    # --- messages out

    def send(self, message: Input) -> None:
        """In order per worker."""
        sim = self.sim
        self.sent_at = max(self.sent_at, sim.now + sim.delay(sim.world.latency_s))
        sim.at(self.sent_at, lambda: sim.arrive(message))

    def flush(self) -> None:
        if self.unsent and self.unsent_unit is not None:
            self.send(TestsFinished(self.id, self.unsent_unit.id, tuple(self.unsent)))
        self.unsent = []

    def die(self, reason: str, running: tuple[str, int] | None = None) -> None:
        if self.dead:
            return
        if running is None and self.running is not None:
            running = (self.running[0].file, self.running[1])
        elif running is None and self.collecting is not None:
            running = (self.collecting.file, -1)
        self.dead = self.lost = True
        self.sim.stopped_running(self)
        simleaks.tell(self)
        self.send(WorkerLost(self.id, running, reason))

    # --- messages in

    def receive(self, action: Action) -> None:
        if self.dead:
            return
        if isinstance(action, KillWorker):
            self.obey(action)
            return
        busy = self.collecting is not None or (self.running is not None and self.sim.world.chatty)
        if busy and not self.sim.world.prompt:
            self.late.append(action)  # handled between two tests, as a single thread would
            return
        self.obey(action)
        self.go_on()

    def obey(self, action: Action) -> None:
        match action:
            case AssignFile() | AssignTests():
                unit = self.units[action.unit] = SimUnit(action.unit, action.file, action)
                if isinstance(action, AssignTests):
                    unit.wanted = action.indexes
                    unit.attempts = dict(zip(action.indexes, action.attempts, strict=False))
                self.parked = self.said_hungry = False
            case ReleaseTests():
                self.release(action)
            case ParkWorker():
                self.parked = True
            case FinishWorker():
                self.finishing = True
            case HaltWorker():
                self.halted = True
            case KillWorker():
                self.sim.after(self.sim.delay(0.02), lambda: self.die(action.reason))

    def release(self, action: ReleaseTests) -> None:
        unit = self.units.get(action.unit)
        if unit is None:
            self.send(UnitReleased(self.id, action.unit, (), whole=False))
            return
        if unit is self.collecting and isinstance(unit.action, AssignFile):
            unit.revoked |= action.count is None
            self.send(UnitReleased(self.id, unit.id, (), whole=False))
            return
        if not unit.begun:
            if isinstance(unit.action, AssignFile):
                del self.units[unit.id]
                self.send(UnitReleased(self.id, unit.id, (), whole=True))
                return
            self.give_back(unit, unit.action, action.count)
            return
        kept = self.announced if action.count is not None else None
        free = [item for item in self.items if item[0] is unit and item is not kept]
        given = free[-action.count :] if action.count is not None else free
        for item in given:
            self.items.remove(item)
        unit.left -= len(given)
        self.send(UnitReleased(self.id, unit.id, tuple(index for _, index in given), whole=False))
        self.maybe_end(unit)

    def give_back(self, unit: SimUnit, action: AssignTests, count: int | None) -> None:
        """Of tests whose file may not be collected yet."""
        kept = 0 if count is None else max(len(unit.wanted) - count, 0)
        self.send(UnitReleased(self.id, action.unit, unit.wanted[kept:], whole=False))
        unit.wanted = unit.wanted[:kept]

    # --- work

    def go_on(self) -> None:
        """Take the next step, if it is free to."""
        while not (self.dead or self.running is not None or self.collecting is not None):
            if self.late:
                self.obey(self.late.popleft())
                continue
            if not self.listed:
                return
            if self.halted:
                self.flush()
                self.end()
                return
            fresh = next((unit for unit in self.units.values() if not unit.begun), None)
            if len(self.items) < 2 and fresh is not None:
                self.open_unit(fresh)
            elif len(self.items) >= 2 or (self.items and (self.parked or self.finishing)):
                self.run_next()
            elif self.finishing:
                self.flush()
                self.end()
                return
            else:
                self.flush()
                if not self.said_hungry and not self.parked and (self.items or self.sim.world.chatty):
                    self.said_hungry = True
                    self.send(WorkerHungry(self.id))
                return

    def end(self) -> None:
        self.dead = True
        simleaks.tell(self)
        self.send(WorkerEnded(self.id))

    def open_unit(self, unit: SimUnit) -> None:
        if isinstance(unit.action, AssignTests) and unit.file in self.files:
            self.begin_tests(unit)
            return
        self.collecting = unit
        file = self.sim.files[unit.file]
        self.sim.after(self.sim.delay(file.collect_s), lambda: self.opened(unit, file))

    def opened(self, unit: SimUnit, file: SimFile) -> None:
        if self.dead:
            return
        if file.crashes:
            self.die("signal 11")
            return
        self.collecting = None
        self.files.add(file.name)
        if isinstance(unit.action, AssignFile):
            self.sim.note_collector(file, self.id)
            self.begin_file(unit, unit.action, file)
        else:
            self.begin_tests(unit)
        self.go_on()

    def begin_file(self, unit: SimUnit, action: AssignFile, file: SimFile) -> None:
        collected = self.sim.world.collected(file)
        indexes = [
            index
            for index, claim in enumerate(collected.gates)
            if claim in action.open_gates and index not in collected.traits
        ]
        limit = 0 if unit.revoked else self.sim.world.taken_limit
        taken = None if limit is None else tuple(indexes[:limit])
        self.send(FileCollected(self.id, unit.id, collected, taken))
        self.queue(unit, indexes if taken is None else list(taken))

    def begin_tests(self, unit: SimUnit) -> None:
        file = self.sim.files[unit.file]
        missing: tuple[int, ...] = ()
        if file.unstable and self.sim.collectors.get(file.name) not in {None, self.id}:
            missing = unit.wanted
            self.send(TestsMissing(self.id, unit.id, missing))
        self.queue(unit, [index for index in unit.wanted if index not in missing])

    def queue(self, unit: SimUnit, indexes: list[int]) -> None:
        unit.begun = True
        unit.left = len(indexes)
        self.items.extend((unit, index) for index in indexes)
        self.maybe_end(unit)

    def run_next(self) -> None:
        self.running = self.items.popleft()
        self.announced = self.items[0] if self.items else None
        unit, index = self.running
        test = self.sim.files[unit.file].tests[index]
        self.began = self.sim.now
        self.sim.started_running(self, unit.file, index)
        simleaks.note(self, unit.file, test)
        if test.rss_bytes:
            simlimits.sample(self, unit, index, test)
        if test.hangs and test.fails_at(unit.attempts.get(index, 1)):
            self.sim.after(simlimits.HANG_S, lambda: self.ran(unit, index, test))
        else:
            self.sim.after(self.sim.delay(test.duration_s), lambda: self.ran(unit, index, test))

    def ran(self, unit: SimUnit, index: int, test: SimTest) -> None:
        if self.dead:
            return
        attempt = unit.attempts.get(index, 1)
        if test.crashes and test.fails_at(attempt):
            self.die("signal 9")
            return
        self.running = None
        self.sim.stopped_running(self)
        if self.unsent_unit is not unit:
            self.flush()
        self.unsent_unit = unit
        outcome, text = self.fate(unit.file, test, attempt)
        self.unsent.append(TestResult(index, outcome, test.duration_s, None, text))
        if self.sim.world.flush_all or self.sim.rng.random() < 0.4:
            self.flush()
        unit.left -= 1
        self.maybe_end(unit)
        self.go_on()

    def fate(self, file: str, test: SimTest, attempt: int) -> tuple[str, str]:
        """Outcome and text of a test that ends now."""
        gate = self.sim.watch.of_test[f"{file}::{test.name}"][0]
        assert gate is not None
        begins, ends = self.sim.world.outages.get(gate.name, (0.0, 0.0))
        if begins <= self.sim.now < ends:
            self.poisoned.add(gate.name)
        if gate.name in self.poisoned:
            return "failed", REFUSED
        return ("failed", "not yet") if attempt <= test.heals_after else (test.outcome, "")

    def maybe_end(self, unit: SimUnit) -> None:
        if unit.left == 0 and unit.id in self.units:
            if self.unsent_unit is unit:
                self.flush()
            del self.units[unit.id]
            self.send(UnitFinished(self.id, unit.id))


class Simulator:
    """Runs a world to its end; raises AssertionError where the dispatcher errs."""

    def __init__(self, world: World, seed: int = 0) -> None:
        self.world = world
        self.rng = random.Random(seed)
        self.now = 0.0
        self.files = {file.name: file for file in world.files}
        self.workers: dict[WorkerId, SimWorker] = {}
        self.failed_starts: Counter[int] = Counter()  # by slot
        self.processes: dict[GateName, SimProcess] = {}
        self.attempts: Counter[GateName] = Counter()  # of commands
        self.collectors: dict[str, WorkerId] = {}
        self.dispatcher = Dispatcher(world.plan, world.options)
        self.steps: list[tuple[float, Step]] = []
        self.watch = Watch(self)
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0

    def delay(self, mean_s: float) -> float:
        return mean_s * self.rng.choice((0.0, 0.5, 1.0, 3.0)) if self.world.jitter else mean_s

    def at(self, when: float, what: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._heap, (when, self._order, what))

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        self.at(self.now + seconds, what)

    def send(self, message: Input) -> None:
        self.after(self.delay(self.world.latency_s), lambda: self.arrive(message))

    def run(self) -> Simulator:
        for when, stop in self.world.stops:
            self.at(when, lambda stop=stop: self.arrive(stop))  # type: ignore[misc]
        self._do(self.dispatcher.start(self.now))
        for _ in range(MOST_STEPS):
            if self.dispatcher.finished:
                break
            deadline, look = self.dispatcher.next_deadline(), self.dispatcher.next_look()
            due = min((mark for mark in (deadline, look) if mark is not None), default=None)
            if not self._heap or (due is not None and due < self._heap[0][0]):
                assert due is not None, f"deadlock: {self.watch.picture()}"
                self.now = max(self.now, due)
                self.arrive(simlimits.look(self) if due == look else TimePassed())
                continue
            self.now, _, what = heapq.heappop(self._heap)
            what()
        assert self.dispatcher.finished, "the run does not end"
        self.watch.at_end()
        return self

    def arrive(self, message: Input) -> None:
        if self.dispatcher.finished:
            return
        self.watch.before(message)
        self._do(self.dispatcher.handle(message, self.now))

    def _do(self, step: Step) -> None:
        self.steps.append((self.now, step))
        self.watch.after(step.actions, step.events)
        for action in step.actions:
            self._act(action)

    def _act(self, action: Action) -> None:
        match action:
            case SpawnWorker():
                worker = self.workers[action.worker] = SimWorker(self, action)
                self._start(worker)
            case StartCommand():
                gate = self.world.plan.gate(action.gate)
                how = self.world.commands.get(action.gate, SimCommand(ready_s=0.5))
                self.processes[action.gate] = SimProcess(self, gate, how)
            case StopCommand():
                self.processes[action.gate].stop(action)
            case _:
                worker = self.workers[action.worker]
                worker.got_at = max(worker.got_at, self.now + self.delay(self.world.latency_s))
                self.at(worker.got_at, lambda: worker.receive(action))

    def _start(self, worker: SimWorker) -> None:
        def up() -> None:
            if worker.dead:
                return
            worker.listed = True
            files = tuple(file.name for file in self.world.files)
            worker.send(WorkerListed(worker.id, files, self.world.marked))
            worker.go_on()

        ready_s = self.delay(self.world.spawn_s)
        fails = self.world.failing.get(worker.spawn.slot, 0) > self.failed_starts[worker.spawn.slot]
        if fails or self.rng.random() < self.world.spawn_failures:
            self.failed_starts[worker.spawn.slot] += 1
            self.after(ready_s, lambda: worker.die("could not start"))
        else:
            self.after(ready_s, up)
        if self.rng.random() < self.world.loss_rate:
            self.after(self.rng.uniform(0, 1.5), lambda: worker.die("killed"))

    # --- what really happens, for the watch

    def started_running(self, worker: SimWorker, file: str, index: int) -> None:
        self.watch.test_started(worker.id, f"{file}::{self.files[file].tests[index].name}")

    def stopped_running(self, worker: SimWorker) -> None:
        self.watch.test_stopped(worker.id)

    def note_collector(self, file: SimFile, worker: WorkerId) -> None:
        self.collectors[file.name] = worker
