"""What the live tree knows of a run: its events, folded into one view per gate.

Pure: no clock, no terminal, no thread.  `report.livetree` lays it out, `report.live` draws it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_batchgate.core.events import (
    BreakerChanged,
    Event,
    FilesListed,
    FileWasCollected,
    GateBecameReady,
    GateFinished,
    GateReport,
    GateStarted,
    GateWillRetry,
    RunStarted,
    TestsWereCarried,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
)
from pytest_batchgate.core.forecast import forecast
from pytest_batchgate.core.model import Estimates, Gate, GateName, GateState
from pytest_batchgate.core.plan import Plan
from pytest_batchgate.core.protocol import CollectedFile
from pytest_batchgate.core.valuetypes import dataclass

if TYPE_CHECKING:  # of runs that are followed
    from pytest_batchgate.report.usage import Load

# A forecast of more gates costs more than the number is worth.
_FORECAST_GATES = 200
_KEPT_S = 0.5


class AtWork(NamedTuple):
    """A test that a worker is in, as the pool tells it: by its file and its place there."""

    worker: str  # gw0...
    file: str
    place: int
    seconds: float  # since it began


class RunningTest(NamedTuple):
    worker: str
    nodeid: str
    gate: GateName | None
    seconds: float


@dataclass(slots=True, eq=False)
class GateView:
    """One gate as far as events have told."""

    gate: Gate
    needs: tuple[GateName, ...]  # what stages imply included
    state: GateState = GateState.WAITING
    started_s: float | None = None  # on the run's clock
    slots: tuple[int, ...] = ()
    retry: str | None = None  # the attempt that is next, in words
    breaker: BreakerChanged | None = None  # its last change, unless that closed it again
    report: GateReport | None = None  # once it has ended
    counts: Counter[str] = field(default_factory=Counter)  # by outcome
    late: int = 0  # of `counts`: errors of tests that had been counted before
    reruns: int = 0  # of tests that did not pass
    tests: int = 0  # collected so far
    expected_s: float | None = None  # by record; None without one
    expected_tests: int | None = None

    @property
    def name(self) -> GateName:
        return self.gate.name

    @property
    def done(self) -> int:
        return self.counts.total() - self.late

    @property
    def failed(self) -> int:
        return self.counts["failed"] + self.counts["error"]

    @property
    def is_under_way(self) -> bool:
        return self.state in (GateState.RUNNING, GateState.READY)

    def satisfies(self, user: Gate) -> bool:
        """Whether ``user``, which needs this gate, may start as far as this one goes."""
        if self.state is GateState.READY or self.state.good:
            return True
        optional = not self.gate.required and self.state is not GateState.SKIPPED
        return self.state.ended and (optional or user.when == "always")


class LiveState:
    """Folds events with `fold`; everything else only reads."""

    def __init__(
        self,
        plan: Plan,
        estimates: Estimates,
        *,
        workers: int,
        sequential: bool = False,
        narrowed: bool = False,
    ) -> None:
        """``narrowed``: not all tests were asked for, so that the record of whole gates says nothing."""
        self._plan = plan
        self._workers = workers
        self._sequential = sequential
        self._estimates = replace(estimates, tests={}, work={}, files={}) if narrowed else estimates
        self.expected_s: float | None = None  # the whole run, by record
        self.gates: dict[GateName, GateView] = {
            gate.name: GateView(gate, plan.needs[gate.name]) for gate in plan.gates
        }
        self.groups = _groups(plan, self.gates)
        self._claims = [self.gates.get(gate.name) for gate in plan.claims]
        self._listed: set[str] = set()
        self._collected: dict[str, tuple[CollectedFile, Counter[int]]] = {}
        self._seen: dict[str, tuple[float, RunningTest]] = {}  # the last test of each worker, and when
        self._waits: dict[GateName, str] = {}  # until the next change of a gate

    # --- folding -----------------------------------------------------------------

    def fold(self, event: Event) -> None:
        """Take in what happened.  Linear in the tests of a batch, constant otherwise."""
        if isinstance(event, TestsWereRun) and event.late:
            self._add_late(event)
        elif isinstance(event, (TestsWereRun, TestsWereCarried)):
            self._count(event.collected, ((result.index, result.outcome) for result in event.results))
        elif isinstance(event, TestWasLost):
            self._count(event.collected, [(event.index, event.outcome)])
        elif isinstance(event, TestWillRetry):
            if event.gate in self.gates:
                self.gates[event.gate].reruns += 1
        elif isinstance(event, FileWasCollected):
            self._add_tests(event.collected)
        elif isinstance(event, FilesListed):
            self._listed.update(event.files)
        elif isinstance(event, RunStarted):
            self._expect()
        elif isinstance(event, BreakerChanged):
            self._waits.clear()
            if event.gate in self.gates:
                closed = event.change.after.value == "closed"
                self.gates[event.gate].breaker = None if closed else event
        elif isinstance(event, (GateStarted, GateBecameReady, GateWillRetry, GateFinished)):
            self._waits.clear()
            self._change(event)

    def _change(self, event: GateStarted | GateBecameReady | GateWillRetry | GateFinished) -> None:
        if isinstance(event, GateFinished):
            view = self.gates.get(event.report.name)
            if view is not None:
                view.state, view.report = event.report.state, event.report
            return
        view = self.gates.get(event.gate)
        if view is None:
            return
        if isinstance(event, GateBecameReady):
            view.state = GateState.READY
        elif isinstance(event, GateWillRetry):
            view.state = GateState.WAITING
            view.retry = f"attempt {event.attempt + 1} of {event.most}"
        else:
            view.state, view.started_s, view.slots = GateState.RUNNING, event.at, event.slots

    def _expect(self) -> None:
        if len(self.gates) <= _FORECAST_GATES:
            ahead = forecast(self._plan, self._estimates, self._workers)
            self.expected_s = ahead.wall_s if not ahead.unknown and ahead.wall_s > 0 else None
            spans: Mapping[GateName, float] = ahead.spans
        else:
            spans = {name: self._estimates.commands.get(name, 0.0) for name in self.gates}
        for name, view in self.gates.items():
            if not view.gate.is_service:
                view.expected_s = spans.get(name) or None
                view.expected_tests = self._estimates.tests.get(name)

    def _count(self, collected: CollectedFile, results: Iterable[tuple[int, str]]) -> None:
        gates, claims = collected.gates, self._claims
        for index, outcome in results:
            view = claims[gates[index]] if gates[index] >= 0 else None
            if view is not None:
                view.counts[outcome] += 1

    def _add_late(self, event: TestsWereRun) -> None:
        """As pytest counts: the error of a session's fixture stands beside how its test ended."""
        for result in event.results:
            claim = event.collected.gates[result.index]
            view = self._claims[claim] if claim >= 0 else None
            if view is not None and result.outcome in {"failed", "error"}:
                view.counts["error"] += 1
                view.late += 1

    def _add_tests(self, collected: CollectedFile) -> None:
        """Another environment collects the same tests again: only more of them count."""
        claimed = Counter(collected.gates)
        before = self._collected.get(collected.file)
        self._collected[collected.file] = (collected, claimed | before[1] if before else claimed)
        for claim, number in claimed.items():
            view = self._claims[claim] if claim >= 0 else None
            if view is not None:
                view.tests += max(0, number - (before[1][claim] if before else 0))

    # --- reading -----------------------------------------------------------------

    @property
    def all_collected(self) -> bool:
        """Whether the numbers of tests are final."""
        return bool(self._listed) and len(self._collected) >= len(self._listed)

    def total_tests(self, views: Iterable[GateView]) -> str:
        """How many tests these gates have: ``40``; ``~40`` by record; ``40+`` where more may yet be found."""
        views = list(views)
        if self.all_collected:
            return f"{sum(view.tests for view in views):,}"
        total = sum(max(view.tests, view.done, view.expected_tests or 0) for view in views)
        known = all(view.expected_tests or view.state.ended for view in views)
        return f"~{total:,}" if known else f"{total:,}+"

    def running_tests(self, at_work: Iterable[AtWork], at: float) -> list[RunningTest]:
        """Tests by their names.  One that is not known (yet) is left out.

        A worker that is between two tests keeps its last one for half a second: lines that come
        and go with each test would shift all that is below them.
        """
        for test in self._known(at_work):
            self._seen[test.worker] = (at, test)
        return [
            test
            for seen, test in self._seen.values()
            if at - seen <= _KEPT_S and (test.gate is None or self.gates[test.gate].is_under_way)
        ]

    def _known(self, at_work: Iterable[AtWork]) -> list[RunningTest]:
        found = []
        for worker, file, place, seconds in at_work:
            collected = self._collected[file][0] if file in self._collected else None
            if collected is not None and 0 <= place < len(collected.keys):
                claim = collected.gates[place]
                view = self._claims[claim] if claim >= 0 else None
                found.append(
                    RunningTest(worker, collected.nodeid(place), view.name if view else None, seconds)
                )
        return found

    def load_of(self, view: GateView) -> Load | None:  # noqa: ARG002 (others know more)
        """CPU and memory that the gate uses now; None where nobody looks."""
        return None

    def waits_for(self, view: GateView) -> str:
        """What keeps a waiting gate from starting, in words that follow "for"."""
        if view.name not in self._waits:
            self._waits[view.name] = self._reason_to_wait(view)
        return self._waits[view.name]

    def _reason_to_wait(self, view: GateView) -> str:
        unmet = [name for name in view.needs if not self.gates[name].satisfies(view.gate)]
        if unmet:
            own = [str(name) for name in unmet if name in view.gate.needs]
            stages = dict.fromkeys(self.gates[name].gate.stage for name in unmet if name not in own)
            return ", ".join([*own, *(f"stage {stage}" for stage in stages)])
        for resource in view.gate.resources:
            for other in self.gates.values():
                if other.is_under_way and resource in other.gate.resources:
                    return f"{resource}, which {other.name} holds"
        if view.retry:
            return view.retry
        if view.gate.is_service:
            return "a gate that needs it"
        return "its turn" if self._sequential else "a worker"


def _groups(
    plan: Plan, gates: Mapping[GateName, GateView]
) -> tuple[tuple[str | None, tuple[GateView, ...]], ...]:
    """The gates of each stage in the order of stages, then, under None, those without one."""
    stages = plan.config.stages
    by_stage: dict[str | None, list[GateView]] = {stage: [] for stage in (*stages, None)}
    for view in gates.values():
        by_stage[view.gate.stage if view.gate.stage in stages else None].append(view)
    return tuple((stage, tuple(views)) for stage, views in by_stage.items() if views)
