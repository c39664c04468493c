"""Reads the `events.jsonl` of a shard back into events, for reports that are made again from them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.events import (
    BreakerChanged,
    Event,
    FilesListed,
    FileWasCollected,
    GateBecameReady,
    GateFinished,
    GateStarted,
    GateWillRetry,
    Noticed,
    RunFinished,
    RunStarted,
    TestsWereCarried,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
    WorkerStarted,
    WorkerStopped,
)
from pytest_batchgate.core.joining import Part
from pytest_batchgate.core.model import Gate, GateState
from pytest_batchgate.core.protocol import CollectedFile, TestResult, Traits
from pytest_batchgate.core.shards import MOST_SHARDS
from pytest_batchgate.errors import ReportError
from pytest_batchgate.report.journal import SCHEMA
from pytest_batchgate.report.structure import made, number
from pytest_batchgate.report.told import NOTHING, Told

_PLAIN: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        BreakerChanged,
        FilesListed,
        GateBecameReady,
        GateStarted,
        GateWillRetry,
        Noticed,
        RunFinished,
        WorkerStarted,
        WorkerStopped,
    )
}

_GATE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # logs are files of that name


class _Said(NamedTuple):
    """A test's payload."""

    told: Told
    start_s: float | None


class _Places(NamedTuple):
    """A collected file's payload."""

    errors: tuple[str, ...]
    lines: tuple[int | None, ...]
    defined_in: Mapping[int, str]


class ReplayTeller:
    """A `Teller` of replayed events.  ``began_s``: what 0 on the joined run's clock is on its parts'."""

    def __init__(self, began_s: float = 0.0) -> None:
        self._began_s = began_s

    def told(self, event: TestsWereRun, result: TestResult) -> Told:  # noqa: ARG002 - as every Teller
        return result.payload.told if isinstance(result.payload, _Said) else NOTHING

    def collection_errors(self, collected: CollectedFile) -> tuple[str, ...]:
        return collected.payload.errors if isinstance(collected.payload, _Places) else ()

    def start_s(self, result: TestResult) -> float | None:
        if not isinstance(result.payload, _Said) or result.payload.start_s is None:
            return None
        return result.payload.start_s - self._began_s

    def place(self, collected: CollectedFile, index: int) -> tuple[str, int | None]:
        places = collected.payload
        if not isinstance(places, _Places) or index >= len(places.lines):
            return collected.file, None
        return places.defined_in.get(index, collected.file), places.lines[index]


def read_part(path: Path, *, shown: str, claims: dict[str, int], epoch_s: list[float]) -> Part:
    """The run that the file tells of.

    ``shown``: what messages call it.  ``claims``: the places of gates, the same for all parts, added to.
    ``epoch_s``: when the first part that was read began, in seconds since 1970, or empty: then this is
    the first.  All times are on that clock.  Raises ReportError.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as problem:
        words = problem.strerror or str(problem)
        raise ReportError(f"there is no report of a shard ({words})", where=shown) from None
    reader = _Reader(claims, epoch_s)
    for count, line in enumerate(lines[:-1], 1):  # behind the last newline there is nothing, or half a line
        _take(reader, line, count, shown)
    if reader.about is None:
        raise ReportError("nothing is known of the run, which ended as soon as it began", where=shown)
    return reader.part(shown)


def is_whole(path: Path) -> bool:
    """Whether the file tells of a run that was no shard, such as a joined one."""
    try:
        with path.open("rb") as file:
            for line in file:
                told = json.loads(line)
                if told["event"] != Noticed.__name__:  # that may be before all else
                    return bool(told["event"] == RunStarted.__name__ and "shard" not in told)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass
    return False


def _take(reader: _Reader, line: bytes, count: int, shown: str) -> None:
    try:
        told = json.loads(line)
        if type(told) is not dict:
            raise TypeError("no object")
        reader.read(told)
    except _NoPartError as problem:
        raise ReportError(str(problem), where=shown) from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as problem:
        raise ReportError(
            f"line {count} is not what this version writes ({type(problem).__name__}: {problem})",
            where=shown,
            todo="Use the same version of pytest-batchgate for all shards and for the merge",
        ) from None


class _NoPartError(ValueError):
    """The file is sound, and not of a shard."""


class _Reader:
    def __init__(self, claims: dict[str, int], epoch_s: list[float]) -> None:
        self.about: Mapping[str, Any] | None = None
        self._claims = claims
        self._epoch_s = epoch_s
        self._shift_s = 0.0
        self._gates: tuple[Gate, ...] = ()
        self._known: set[str] = set()
        self._early: list[dict[str, Any]] = []  # what was said before the run began
        self._workers = 1
        self._run_id = ""
        self._events: list[Event] = []
        self._logs: dict[str, tuple[str, ...]] = {}
        self._last: RunFinished | None = None
        # Where a test is: by node id its collections and places there, and whether it has reported.
        self._homes: dict[tuple[str, str | None], list[tuple[CollectedFile, int]]] = {}
        self._reported: set[tuple[int, int]] = set()
        self._tried: dict[tuple[int, int], TestResult] = {}  # attempts that another one was to follow

    def part(self, shown: str) -> Part:
        about = self.about
        assert about is not None
        return Part(
            shown=shown,
            index=about["index"],
            count=about["count"],
            facts=about["facts"],
            narrowed=about["narrowed"],
            source=about["source"],
            run_id=self._run_id,
            began_s=self._shift_s,
            workers=self._workers,
            gates=self._gates,
            events=tuple(self._events),
            result=None if self._last is None else self._last.result,
            logs=self._logs,
        )

    def read(self, told: dict[str, Any]) -> None:
        name = told["event"]
        if self.about is None:
            if name == Noticed.__name__:
                self._early.append(told)
                return
            if name != RunStarted.__name__ or told["schema"] != SCHEMA:
                raise ValueError("it does not begin as a run does")
            self._begin(told)
            for notice in self._early:
                self.read(notice)
            return
        told["at"] = number(told["at"]) + self._shift_s
        if name in _PLAIN:
            event = made(_PLAIN[name], told)
            self._check(getattr(event, "gate", None))
            if isinstance(event, RunFinished):
                self._last = event
            else:
                self._events.append(event)
        elif name == "GateFinished":
            finished = made(GateFinished, told)
            report = finished.report
            self._check(report.name)
            self._logs[report.name] = tuple(map(str, told.get("log", ())))
            if report.started_s is not None:
                report = replace(report, started_s=report.started_s + self._shift_s)
            self._events.append(GateFinished(finished.at, report))
        elif name in _TESTS:
            self._events.append(_TESTS[name](self, told))

    def _begin(self, told: dict[str, Any]) -> None:
        about = told.get("shard")
        if about is None:
            raise _NoPartError("this was no shard: the whole run is in its own reports")
        index, count = about["index"], about["count"]
        if not (type(index) is int and type(count) is int and 1 <= index <= count <= MOST_SHARDS):
            raise ValueError("no shard has such a number")
        started_unix_s = number(told["started_unix_s"])
        if not self._epoch_s:
            self._epoch_s.append(started_unix_s)
        self._shift_s = started_unix_s - self._epoch_s[0]
        self._gates = tuple(made(Gate, gate) for gate in told["gates"])
        for gate in self._gates:
            if not _GATE_NAME.fullmatch(gate.name):
                raise ValueError(f"{gate.name!r} is no gate's name")
        self._known = {gate.name for gate in self._gates}
        self._workers = max(1, int(told["workers"]))
        self._run_id = str(told["run_id"])
        for name in told["claims"]:
            self._claims.setdefault(str(name), len(self._claims))
        self.about = {
            "index": index,
            "count": count,
            "facts": {str(name): str(value) for name, value in about["facts"].items()},
            "narrowed": bool(about["narrowed"]),
            "source": str(about["source"]),
        }

    def _check(self, gate: str | None) -> None:
        if gate is not None and gate not in self._known:
            raise ValueError(f"the run has no gate {gate!r}")

    # --- tests ------------------------------------------------------------------------

    def _collected(self, told: dict[str, Any]) -> FileWasCollected:
        names = [str(name) for name in told["tests"]]
        gates = [NO_GATE if gate is None else self._claims[gate] for gate in told["gates"]]
        if len(gates) != len(names):
            raise ValueError("as many gates as tests")
        traits = {int(index): made(Traits, trait) for index, trait in told["traits"].items()}
        defined_in = {int(index): str(file) for index, file in told["defined_in"].items()}
        errors = tuple(map(str, told["errors"]))
        collected = CollectedFile(
            file=str(told["file"]),
            keys=tuple(f"{name}\0{place}" for place, name in enumerate(names)),
            gates=tuple(gates),
            traits=traits,
            deselected=tuple(map(str, told["deselected"])),
            errors=len(errors),
            duration_s=number(told["duration_s"]),
            payload=_Places(errors, tuple(told["lines"]), defined_in),
        )
        for index, (name, gate) in enumerate(zip(names, told["gates"], strict=True)):
            self._homes.setdefault((name, gate), []).append((collected, index))
        return FileWasCollected(told["at"], str(told["worker"]), collected)

    def _home(self, told: Mapping[str, Any]) -> tuple[CollectedFile, int]:
        """Environments collect a file each, and only one of them runs a test; ids may repeat, too."""
        homes = self._homes[told["nodeid"], told["gate"]]
        fresh = ((file, index) for file, index in homes if (id(file), index) not in self._reported)
        found = homes[0] if len(homes) == 1 else next(fresh, homes[0])
        self._reported.add((id(found[0]), found[1]))
        return found

    def _result(self, told: Mapping[str, Any], index: int) -> TestResult:
        start_s = told.get("start_s")
        said = _Said(_told(told), None if start_s is None else number(start_s) + self._shift_s)
        outcome = str(told.get("outcome", "failed"))
        return TestResult(index, outcome, number(told["duration_s"]), said)

    def _batches(self, told: dict[str, Any]) -> Iterable[tuple[CollectedFile, list[TestResult]]]:
        """The results, by the collection that they are of."""
        groups: dict[int, tuple[CollectedFile, list[TestResult]]] = {}
        for one in told["results"]:
            collected, index = self._home(one)
            results = groups.setdefault(id(collected), (collected, []))[1]
            result, tried = self._result(one, index), self._tried.get((id(collected), index))
            # Told again as the end of its test: `report.attempts` knows it by its identity.
            results.append(tried if tried is not None and tried == result else result)
        return groups.values()

    def _run(self, told: dict[str, Any]) -> TestsWereRun:
        *others, last = self._batches(told)
        worker = str(told["worker"])
        late = told.get("late") is True
        self._events += [
            TestsWereRun(told["at"], worker, file, tuple(results), late) for file, results in others
        ]
        return TestsWereRun(told["at"], worker, last[0], tuple(last[1]), late)

    def _carried(self, told: dict[str, Any]) -> TestsWereCarried:
        *others, last = self._batches(told)
        self._events += [TestsWereCarried(told["at"], file, tuple(results)) for file, results in others]
        return TestsWereCarried(told["at"], last[0], tuple(last[1]))

    def _lost(self, told: dict[str, Any]) -> TestWasLost:
        collected, index = self._home(told)
        worker = None if told["worker"] is None else str(told["worker"])
        reason, tried = str(told["reason"]), self._tried.get((id(collected), index))
        if tried is not None and tried.text == reason:
            reason = tried.text
        return TestWasLost(told["at"], worker, collected, index, str(told["outcome"]), reason)

    def _again(self, told: dict[str, Any]) -> TestWillRetry:
        collected, index = self._home(told)
        self._reported.discard((id(collected), index))
        state = GateState(told["state"])
        result = self._result(told, index)
        if state is not GateState.FAILED:  # nobody but us could tell: see TestWillRetry
            result = result._replace(payload=None, text=str(told["message"]))
        self._tried[id(collected), index] = result
        return TestWillRetry(
            told["at"],
            told["gate"],
            str(told["worker"]),
            collected,
            result,
            state,
            int(told["attempt"]),
            int(told["most"]),
            number(told["pause_s"]),
        )


_TESTS: Mapping[str, Any] = {
    "FileWasCollected": _Reader._collected,  # noqa: SLF001 - a table of its own methods
    "TestsWereRun": _Reader._run,  # noqa: SLF001
    "TestsWereCarried": _Reader._carried,  # noqa: SLF001
    "TestWasLost": _Reader._lost,  # noqa: SLF001
    "TestWillRetry": _Reader._again,  # noqa: SLF001
}


def _told(told: Mapping[str, Any]) -> Told:
    if "message" not in told:
        return NOTHING
    return Told(
        message=str(told["message"]),
        text=str(told["text"]),
        output=tuple((str(name), str(said)) for name, said in told["output"]),
        properties=tuple((str(name), str(value)) for name, value in told["properties"]),
    )
