"""Folds the events of a run into its result: states, schedule, verdict, exit code.

Pure: the time and the way the run ended are given by whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    GateBecameReady,
    GateFinished,
    GateReport,
    GateStarted,
    RunResult,
    RunStarted,
    Schedule,
    TestsWereRun,
)
from pytest_batchgate.core.model import Gate, GateName, GateState, Tests
from pytest_batchgate.core.plan import Plan, critical_path, lower_bound
from pytest_batchgate.core.protocol import CollectedFile, StopAsked, TestResult
from pytest_batchgate.core.valuetypes import dataclass

OK, FAILED, INTERRUPTED, INTERNAL_ERROR, USAGE_ERROR, NOTHING_TO_RUN = 0, 1, 2, 3, 4, 5

_RAN_NOTHING = frozenset({GateState.DESELECTED, GateState.EMPTY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What bears on the exit code and is no event.

    ``nothing_is_fine``: a resumed run or a shard may have nothing to do.  ``loose_errors``:
    failures that no gate answers for, such as unclaimed tests and errors after the gate's
    end; they fail the run.  ``owed``: files that were asked for and could not be written.
    """

    stop: StopAsked | None = None
    continue_on_collection_errors: bool = False
    nothing_is_fine: bool = False
    loose_errors: int = 0
    owed: tuple[str, ...] = ()


def exit_code(ending: Ending, gates: Iterable[GateReport], *, collection_errors: int = 0) -> int:
    """The run's exit code in pytest's meaning: the first that applies.

    ``pytest.exit``'s own, 3 internal error (a file that was asked for and is missing is
    one), 4 usage, 2 interrupted or a collection error, 1 a required gate that is not
    good, 5 nothing to run, 0.
    """
    kind = ending.stop.kind if ending.stop else None
    reports = tuple(gates)
    if ending.stop is not None and kind == "exit":
        return ending.stop.exit_code
    if kind == "internal" or ending.owed:
        return INTERNAL_ERROR
    if kind == "usage":
        return USAGE_ERROR
    if kind == "interrupted":
        return INTERRUPTED
    # As pytest: with -x an error of collection is the first failure, and nothing that interrupts.
    if collection_errors and not ending.continue_on_collection_errors and kind != "maxfail":
        return INTERRUPTED
    if collection_errors or ending.loose_errors or any(report.fails_run for report in reports):
        return FAILED
    if ran_nothing(reports) and not ending.nothing_is_fine:
        return NOTHING_TO_RUN
    return OK


def ran_nothing(gates: Iterable[GateReport]) -> bool:
    """Whether no gate had anything to do; services run only for others."""
    return all(gate.is_service or gate.state in _RAN_NOTHING for gate in gates)


def verdict(ending: Ending, code: int) -> str:
    """Whether the run was interrupted (by a signal or ``pytest.exit``), or else passed or failed."""
    if ending.stop is not None and ending.stop.kind in ("interrupted", "exit"):
        return "interrupted"
    return "passed" if code == OK else "failed"


class _TestsSpan:
    """How long a tests gate takes at the very least, however many workers there are.

    See `Tally.spans` for the formula.
    """

    __slots__ = ("chains", "longest_s", "max_workers", "starts_alone", "work_s")

    def __init__(self, gate: Gate, *, starts_alone: bool) -> None:
        self.max_workers = gate.work.max_workers if isinstance(gate.work, Tests) else None
        self.starts_alone = starts_alone
        self.work_s = 0.0
        self.longest_s = 0.0
        self.chains: dict[str, float] = {}

    def least_s(self) -> float:
        shared_s = self.work_s / self.max_workers if self.max_workers else 0.0
        return max(self.longest_s, shared_s, *self.chains.values(), 0.0)


class Tally:
    """A subscriber that knows the result of the run so far."""

    name = "tally"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._workers = 1
        self._reports: dict[GateName, GateReport] = {}
        self._started: dict[GateName, float] = {}
        self._ready_after: dict[GateName, float] = {}
        self._collection_errors = 0
        tests = [gate for gate in plan.gates if isinstance(gate.work, Tests)]
        self._spans = {
            gate.name: _TestsSpan(gate, starts_alone=not plan.needs.get(gate.name)) for gate in tests
        }
        # results name their gate by its place among the claims; gates left out run nothing
        self._by_claim = [self._spans.get(gate.name) for gate in plan.claims]

    def handle(self, event: Event) -> None:
        """Take note.  TestsWereRun is the hot path."""
        if isinstance(event, TestsWereRun):
            self._add_results(event.collected, event.results)
        elif isinstance(event, FileWasCollected):
            self._collection_errors += event.collected.errors
        elif isinstance(event, GateStarted):
            self._started.setdefault(event.gate, event.at)
        elif isinstance(event, GateBecameReady):
            self._ready_after[event.gate] = event.at - self._started.get(event.gate, event.at)
        elif isinstance(event, GateFinished):
            self._reports[event.report.name] = event.report
        elif isinstance(event, RunStarted):
            self._workers = event.workers

    def result(self, at: float, ending: Ending | None = None) -> RunResult:
        """The result of a run that ends ``at`` seconds after its start.

        A gate that has not ended is cancelled: every gate of the plan is in the result once.
        """
        ending = ending or Ending()
        gates = self.gates()
        code = self.exit_code(ending)
        return RunResult(
            verdict=verdict(ending, code),
            exit_code=code,
            wall_s=at,
            workers=self._workers,
            gates=gates,
            schedule=self.schedule(at),
            stop_reason=ending.stop.reason if ending.stop else None,
            missing=ending.owed,
        )

    def exit_code(self, ending: Ending) -> int:
        """Asked for again when something failed after the result was published."""
        return exit_code(ending, self.gates(), collection_errors=self._collection_errors)

    def gates(self) -> tuple[GateReport, ...]:
        """How each gate ended, in the plan's order."""
        return tuple(self._reports.get(gate.name) or self._unended(gate) for gate in self._plan.gates)

    def schedule(self, wall_s: float) -> Schedule:
        """How well the run used its workers.

        Work leaves services out: they take no worker.  The lower bound is
        ``max(critical path, work / workers)``; efficiency is that over the wall time,
        at most 1, and 0 for a run that took no time.
        """
        work = {name: report.work_s for name, report in self._reports.items() if not report.is_service}
        spans = self.spans()
        path_s, path = critical_path(self._plan, spans)
        bound_s = lower_bound(self._plan, work, spans, self._workers)
        return Schedule(
            work_s=sum(work.values()),
            critical_path_s=path_s,
            critical_path=path,
            lower_bound_s=bound_s,
            efficiency=min(1.0, bound_s / wall_s) if wall_s > 0 else 0.0,
            spans=spans,
        )

    def spans(self) -> dict[GateName, float]:
        """The least time each gate takes from its start, whatever the number of workers.

        A command: its wall time.  A service: until it was ready, for that is what its
        dependents wait for.  A tests gate, the greatest of

        - its longest test, plus the collection of that test's file where the gate needs
          nothing: files can be split, so that the longest file is no bound; and where the
          gate needs others, its files may be collected while those run;
        - the sum of its tests that must run one after the other (one xdist group, one
          ``serial`` name);
        - its work over its ``max-workers``.

        Each is met by every schedule, so that no run beats the critical path over them.
        """
        spans: dict[GateName, float] = {}
        for gate in self._plan.gates:
            report = self._reports.get(gate.name)
            if gate.name in self._spans:
                spans[gate.name] = self._spans[gate.name].least_s()
            elif gate.is_service:
                spans[gate.name] = self._ready_after.get(gate.name, 0.0)
            else:
                spans[gate.name] = report.wall_s if report else 0.0
        return spans

    def _unended(self, gate: Gate) -> GateReport:
        return GateReport(
            name=gate.name,
            kind=gate.kind,
            state=GateState.CANCELLED,
            required=gate.required,
            needs=self._plan.needs.get(gate.name, ()),
            reason="the run ended first",
            started_s=self._started.get(gate.name),
            is_service=gate.is_service,
        )

    def _add_results(self, collected: CollectedFile, results: Iterable[TestResult]) -> None:
        gates, traits, by_claim = collected.gates, collected.traits, self._by_claim
        for index, _outcome, duration_s, _payload, _text in results:
            claim = gates[index]
            span = by_claim[claim] if claim != NO_GATE else None
            if span is None:
                continue
            span.work_s += duration_s
            reach_s = duration_s + collected.duration_s if span.starts_alone else duration_s
            span.longest_s = max(span.longest_s, reach_s)
            if index in traits:
                trait = traits[index]
                chains = [f"serial {name}" for name in trait.serial]
                if trait.group is not None:
                    chains.append(f"group {trait.group}")
                for chain in chains:
                    span.chains[chain] = span.chains.get(chain, 0.0) + duration_s
