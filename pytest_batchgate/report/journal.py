"""`events.jsonl`: the run as it happened, one JSON object per event, written before the next one.

A run that is killed leaves every event that it had heard of.  Whoever follows the file may
meet a last line that is not whole yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    GateFinished,
    GateReport,
    RunStarted,
    TestsWereCarried,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
)
from pytest_batchgate.core.protocol import CollectedFile, Traits
from pytest_batchgate.report.attempts import as_result
from pytest_batchgate.report.jsonable import plain, quoted, rendered, seconds
from pytest_batchgate.report.tail import tail
from pytest_batchgate.report.told import NOTHING, Teller, Told

SCHEMA = 1  # raised when a line changes its meaning; what is added changes none


class Journal:
    """A subscriber that appends each event as a line.

    ``append`` writes bytes so that readers see them at once.  ``started_unix_s``: what 0 on
    the run's clock is, in seconds since 1970.  ``shard``: which part of a run this is, for whoever joins
    the parts; then lines also say what all reports can be made of again: places, starts, ends of logs.
    """

    name = "events.jsonl"

    def __init__(
        self,
        append: Callable[[bytes], object],
        teller: Teller,
        *,
        run_id: str,
        started_unix_s: float,
        shard: Mapping[str, object] | None = None,
    ) -> None:
        self._shard = shard
        self._append = append
        self._teller = teller
        self._run_id = run_id
        self._started_unix_s = started_unix_s
        self._gates: tuple[str, ...] = ()

    def handle(self, event: Event) -> None:
        """TestsWereRun is the hot path."""
        if isinstance(event, TestsWereRun):
            line = self._results(event)
        elif isinstance(event, TestsWereCarried):
            line = self._carried(event)
        elif isinstance(event, FileWasCollected):
            line = self._collected(event)
        elif isinstance(event, TestWasLost):
            line = self._lost(event)
        elif isinstance(event, TestWillRetry):
            line = self._again(event)
        elif isinstance(event, RunStarted):
            line = self._started(event)
        elif isinstance(event, GateFinished) and self._shard is not None:
            line = _object(
                "GateFinished", {"at": event.at, "report": event.report, "log": _log(event.report)}
            )
        else:
            line = _object(type(event).__name__, {name: getattr(event, name) for name in _names(event)})
        self._append(line.encode("ascii") + b"\n")

    def _started(self, event: RunStarted) -> str:
        self._gates = tuple(str(name) for name in event.claims)
        return _object(
            "RunStarted",
            {
                "at": event.at,
                "schema": SCHEMA,
                "run_id": self._run_id,
                "started_unix_s": self._started_unix_s,
                "workers": event.workers,
                **({"shard": self._shard, "claims": event.claims} if self._shard is not None else {}),
                # a gate's environment may hold what is nobody's business
                "gates": [
                    {name: getattr(gate, name) for name in _names(gate) if name != "env"}
                    | {"kind": gate.kind, "is_service": gate.is_service}
                    for gate in event.gates
                ],
            },
        )

    def _collected(self, event: FileWasCollected) -> str:
        collected = event.collected
        return _object(
            "FileWasCollected",
            {
                "at": event.at,
                "worker": event.worker,
                "file": collected.file,
                "tests": [collected.nodeid(index) for index in range(len(collected.keys))],
                "gates": [self._gate(claim) for claim in collected.gates],
                "traits": {index: _told_traits(traits) for index, traits in collected.traits.items()},
                "deselected": collected.deselected,
                "errors": self._teller.collection_errors(collected) if collected.errors else (),
                "duration_s": collected.duration_s,
                **(self._places(collected) if self._shard is not None else {}),
            },
        )

    def _places(self, collected: CollectedFile) -> dict[str, object]:
        places = [self._teller.place(collected, index) for index in range(len(collected.keys))]
        files = {index: file for index, (file, _) in enumerate(places) if file != collected.file}
        return {"lines": [line for _, line in places], "defined_in": files}

    def _results(self, event: TestsWereRun) -> str:
        collected, told_of, is_part = event.collected, self._teller.told, self._shard is not None
        gates = [quoted(gate) for gate in self._gates]
        results = []
        for result in event.results:
            index, outcome, duration_s, _payload, _text = result
            claim = collected.gates[index]
            gate = gates[claim] if claim != NO_GATE else "null"
            more = ""
            told = told_of(event, result)
            if told is not NOTHING:
                more = f",{rendered(_told(told))[1:-1]}"
            if is_part and (start_s := self._teller.start_s(result)) is not None:
                more += f',"start_s":{seconds(start_s)}'
            results.append(
                f'{{"nodeid":{quoted(collected.nodeid(index))},"gate":{gate},'
                f'"outcome":"{outcome}","duration_s":{seconds(duration_s)}{more}}}'
            )
        return (
            f'{{"event":"TestsWereRun","at":{seconds(event.at)},"worker":{quoted(event.worker)},'
            f'"file":{quoted(collected.file)}{_LATE if event.late else ""},"results":[{",".join(results)}]}}'
        )

    def _carried(self, event: TestsWereCarried) -> str:
        collected = event.collected
        return _object(
            "TestsWereCarried",
            {
                "at": event.at,
                "file": collected.file,
                "results": [
                    {
                        "nodeid": collected.nodeid(result.index),
                        "gate": self._gate(collected.gates[result.index]),
                        "outcome": result.outcome,
                        "duration_s": result.duration_s,
                    }
                    for result in event.results
                ],
            },
        )

    def _lost(self, event: TestWasLost) -> str:
        return _object(
            "TestWasLost",
            {
                "at": event.at,
                "worker": event.worker,
                "nodeid": event.collected.nodeid(event.index),
                "gate": self._gate(event.collected.gates[event.index]),
                "outcome": event.outcome,
                "reason": event.reason,
            },
        )

    def _again(self, event: TestWillRetry) -> str:
        attempt = as_result(event)
        if isinstance(attempt, TestsWereRun):
            told = self._teller.told(attempt, event.result)
        else:
            told = Told(message=attempt.reason)
        return _object(
            "TestWillRetry",
            {
                "at": event.at,
                "worker": event.worker,
                "nodeid": event.collected.nodeid(event.result.index),
                "gate": event.gate,
                "state": event.state,
                "duration_s": event.result.duration_s,
                "attempt": event.attempt,
                "most": event.most,
                "pause_s": event.pause_s,
                **_told(told),
                **({"start_s": self._teller.start_s(event.result)} if self._shard is not None else {}),
            },
        )

    def _gate(self, claim: int) -> str | None:
        return self._gates[claim] if claim != NO_GATE else None


_LATE = ',"late":true'


def _object(event: str, values: dict[str, object]) -> str:
    return rendered({"event": event, **values})


def _told(told: Told) -> dict[str, object]:
    return {name: getattr(told, name) for name in ("message", "text", "output", "properties")}


def _names(value: object) -> list[str]:
    return [field.name for field in fields(value)]  # type: ignore[arg-type]


def _told_traits(traits: Traits) -> object:
    return {name: value for name, value in plain(traits).items() if value}


def _log(report: GateReport) -> list[str]:
    """The end of the log of a command that went wrong: the log itself stays on this machine."""
    if report.log_path is None or report.state.good:
        return []
    try:
        return tail(report.log_path)
    except OSError:
        return []
