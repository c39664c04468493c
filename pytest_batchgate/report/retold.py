"""From the lines of `report.shortjournal` back to a run that can be looked at.  Pure.

Lines are read leniently: what a later version writes, and this one does not know, is passed over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from pytest_batchgate.core.breaker import BreakerChange, BreakerState, Trigger
from pytest_batchgate.core.events import (
    BreakerChanged,
    CommandUse,
    Event,
    FilesListed,
    FileWasCollected,
    GateBecameReady,
    GateFinished,
    GateReport,
    GateStarted,
    GateWillRetry,
    Noticed,
    RunFinished,
    RunResult,
    RunStarted,
    Sampled,
    Schedule,
    TestsWereCarried,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
    WorkerStarted,
    WorkerStopped,
    WorkerUse,
)
from pytest_batchgate.core.graph import inverted, topological_order
from pytest_batchgate.core.model import Command, Config, Finding, Gate, GateName, GateState, Ready, Tests
from pytest_batchgate.core.plan import Plan
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import BatchGateError

Line = Mapping[str, Any]

_LONGEST_S = 1e9
_MOST_TESTS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A test, or the collection of a file, that failed.  ``text`` and ``output`` may have been left out."""

    at: float
    nodeid: str
    gate: str | None
    outcome: str
    message: str
    text: str = ""
    output: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the first line says of a run."""

    run_id: str
    started_unix_s: float
    plan: Plan
    workers: int
    sequential: bool
    narrowed: bool
    pid: int
    rootdir: str
    logs: str
    log_names: Mapping[str, str]


def opening(line: Line) -> Opening:
    """Raises BatchGateError for a line that this version cannot read."""
    try:
        plan = _plan(line)
        return Opening(
            run_id=str(line["run_id"]),
            started_unix_s=float(line["started_unix_s"]),
            plan=plan,
            workers=int(line["workers"]),
            sequential=bool(line["sequential"]),
            narrowed=bool(line["narrowed"]),
            pid=int(line["pid"]),
            rootdir=str(line["rootdir"]),
            logs=str(line["logs"]),
            log_names={str(gate): str(name) for gate, name in line["log_names"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise BatchGateError(
            f"the record of the run cannot be read ({problem!r})", todo="Was it written by another version?"
        ) from None


def _plan(line: Line) -> Plan:
    gates = tuple(_gate(data) for data in line["gates"])
    by_name = {gate.name: gate for gate in gates}
    claims = tuple(by_name.get(name) or Gate(name=GateName(name), work=Tests()) for name in line["claims"])
    needs = {gate.name: tuple(map(GateName, line["needs"].get(gate.name, ()))) for gate in gates}
    return Plan(
        config=Config(gates=gates, stages=tuple(map(str, line["stages"]))),
        gates=gates,
        claims=claims,
        needs=needs,
        dependents=inverted(needs, needs),
        order=topological_order(tuple(needs), needs) or tuple(needs),
    )


def _gate(data: Mapping[str, Any]) -> Gate:
    """As much of it as followers look at."""
    work = data["work"]
    if data["kind"] == "tests":
        does: Tests | Command = Tests(max_workers=work.get("max_workers"))
    else:
        ready = Ready(line="") if data["is_service"] else None
        shell = work.get("shell")
        does = Command(argv=tuple(work["argv"]), shell=shell, weight=work["weight"], ready=ready)  # nosec B604
    return Gate(
        name=GateName(data["name"]),
        work=does,
        needs=tuple(map(GateName, data["needs"])),
        stage=data["stage"],
        required=data["required"],
        when=data["when"],
        priority=data["priority"],
        resources=tuple(data["resources"]),
    )


class Replay:
    """Makes events of lines.  Of tests they tell gates and outcomes; `failures` has names and texts."""

    def __init__(self, start: Opening, *, most_failures: int = 1_000) -> None:
        self._claims = {str(gate.name): number for number, gate in enumerate(start.plan.claims)}
        self._gates = start.plan.gates
        # One "test" per gate stands for all of it.
        numbers = tuple(self._claims.values())
        self._all = CollectedFile(file="", keys=tuple(self._claims), gates=numbers)
        self.failures: deque[Failure] = deque(maxlen=most_failures)
        self.number = 0  # of failures, kept or not
        self.fresh: list[Failure] = []  # of the line that was read last

    def events(self, line: Line) -> Iterator[Event]:
        """What the line tells; nothing of one that is not understood."""
        self.fresh = []
        maker = getattr(self, f"_on_{line.get('event')}", None)
        if maker is not None:
            try:
                at = float(line["at"])
                if 0 <= at < _LONGEST_S:
                    yield maker(at, line)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
                return

    def _add(self, failure: Failure) -> None:
        self.failures.append(failure)
        self.fresh.append(failure)
        self.number += 1

    def _on_RunStarted(self, at: float, line: Line) -> Event:  # noqa: N802 (as the event is called)
        return RunStarted(at, self._gates, int(line["workers"]), tuple(map(GateName, self._claims)))

    def _on_Noticed(self, at: float, line: Line) -> Event:  # noqa: N802
        return Noticed(at, str(line["text"]))

    def _on_GateStarted(self, at: float, line: Line) -> Event:  # noqa: N802
        return GateStarted(at, GateName(line["gate"]), tuple(map(int, line["slots"])))

    def _on_GateBecameReady(self, at: float, line: Line) -> Event:  # noqa: N802
        return GateBecameReady(at, GateName(line["gate"]))

    def _on_GateWillRetry(self, at: float, line: Line) -> Event:  # noqa: N802
        return GateWillRetry(
            at,
            GateName(line["gate"]),
            int(line["attempt"]),
            int(line["most"]),
            GateState(line["state"]),
            line["reason"],
            float(line["pause_s"]),
        )

    def _on_BreakerChanged(self, at: float, line: Line) -> Event:  # noqa: N802
        change = line["change"]
        told = BreakerChange(
            at=float(change["at"]),
            before=BreakerState(change["before"]),
            after=BreakerState(change["after"]),
            trigger=Trigger(change["trigger"]),
            reason=str(change["reason"]),
            wakes_at=change["wakes_at"],
        )
        return BreakerChanged(at, GateName(line["gate"]), told, int(line["held"]))

    def _on_GateFinished(self, at: float, line: Line) -> Event:  # noqa: N802
        return GateFinished(at, _report(line["report"]))

    def _on_WorkerStarted(self, at: float, line: Line) -> Event:  # noqa: N802
        return WorkerStarted(at, str(line["worker"]))

    def _on_WorkerStopped(self, at: float, line: Line) -> Event:  # noqa: N802
        return WorkerStopped(at, str(line["worker"]), line["reason"])

    def _on_FilesListed(self, at: float, line: Line) -> Event:  # noqa: N802
        return FilesListed(at, tuple(map(str, line["files"])))

    def _on_FileWasCollected(self, at: float, line: Line) -> Event:  # noqa: N802
        gates = [self._claims[gate] for gate, number in line["tests"].items() for _ in range(_number(number))]
        for text in line["errors"]:
            self._add(
                Failure(
                    at=at,
                    nodeid=line["file"],
                    gate=None,
                    outcome="error",
                    message="cannot be collected",
                    text=text,
                )
            )
        collected = CollectedFile(
            file=str(line["file"]), keys=("",) * len(gates), gates=tuple(gates), errors=len(line["errors"])
        )
        return FileWasCollected(at, str(line["worker"]), collected)

    def _on_TestsWereRun(self, at: float, line: Line) -> Event:  # noqa: N802
        for row in line.get("failures", ()):
            self._add(_failure(at, row))
        results, late = tuple(self._results(line)), line.get("late") is True
        return TestsWereRun(at, str(line["worker"]), self._all, results, late=late)

    def _on_TestsWereCarried(self, at: float, line: Line) -> Event:  # noqa: N802
        return TestsWereCarried(at, self._all, tuple(self._results(line)))

    def _results(self, line: Line) -> Iterable[TestResult]:
        for gate, outcomes in line["counts"].items():
            for outcome, number in outcomes.items():
                for _ in range(_number(number)):
                    yield TestResult(self._claims[gate], str(outcome), 0.0)

    def _on_TestWasLost(self, at: float, line: Line) -> Event:  # noqa: N802
        nodeid, gate, outcome, reason = (line[name] for name in ("nodeid", "gate", "outcome", "reason"))
        if outcome != "skipped":
            self._add(Failure(at=at, nodeid=nodeid, gate=gate, outcome=outcome, message=reason, text=reason))
        return TestWasLost(at, line["worker"], self._all, self._claims[gate], outcome, reason)

    def _on_TestWillRetry(self, at: float, line: Line) -> Event:  # noqa: N802
        test = CollectedFile(file="", keys=(str(line["nodeid"]),), gates=(self._claims[line["gate"]],))
        return TestWillRetry(
            at=at,
            gate=GateName(line["gate"]),
            worker=str(line["worker"]),
            collected=test,
            result=TestResult(0, "failed", float(line["duration_s"])),
            state=GateState(line["state"]),
            attempt=int(line["attempt"]),
            most=int(line["most"]),
            pause_s=float(line["pause_s"]),
        )

    def _on_Sampled(self, at: float, line: Line) -> Event:  # noqa: N802
        workers = tuple(WorkerUse(**_known(WorkerUse, use)) for use in line["workers"])
        return Sampled(at, workers, tuple(CommandUse(**_known(CommandUse, use)) for use in line["commands"]))

    def _on_RunFinished(self, at: float, line: Line) -> Event:  # noqa: N802
        result = _known(RunResult, line["result"])
        result["gates"] = tuple(map(_report, result["gates"]))
        result["schedule"] = Schedule(**_known(Schedule, result["schedule"]))
        return RunFinished(at, RunResult(**result))


def _number(told: Any) -> int:
    """Raises ValueError for more tests than a line ever tells of."""
    number = int(told)
    if number > _MOST_TESTS:
        raise ValueError(number)
    return number


def _report(data: Mapping[str, Any]) -> GateReport:
    known = _known(GateReport, data)
    known["state"] = GateState(known["state"])
    known["findings"] = tuple(Finding(**_known(Finding, finding)) for finding in known["findings"])
    return GateReport(**known)


def _failure(at: float, row: Mapping[str, Any]) -> Failure:
    return Failure(
        at=at,
        nodeid=str(row["nodeid"]),
        gate=row["gate"],
        outcome=str(row["outcome"]),
        message=str(row["message"]),
        text=str(row.get("text", "")),
        output=tuple((str(heading), str(text)) for heading, text in row.get("output", ())),
    )


def _known(kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in data.items()
        if name in names
    }
