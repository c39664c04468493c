"""`trace.json`: the run for a trace viewer (Perfetto, chrome://tracing), as Chrome trace events.

A row per worker with its tests, collections and commands, a row per service, and one for the
critical path; CPU and memory as counters.  Times are microseconds from the run's start.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter

from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    GateBecameReady,
    GateFinished,
    GateStarted,
    GateWillRetry,
    RunFinished,
    RunResult,
    RunStarted,
    Sampled,
    TestsWereRun,
    TestWasLost,
    WorkerStopped,
)
from pytest_batchgate.report.jsonable import quoted, rendered
from pytest_batchgate.report.testrows import GatesOfTests, sound_s
from pytest_batchgate.report.told import Teller
from pytest_batchgate.report.usage import Load, Loads

_PID = 1
_MIB = 1024 * 1024
_ENDLESS_S = 1e9
_CRITICAL = "critical path"
_WORKER = re.compile(r"gw(\d+)")
# Colours by the viewer's own names.
_COLOURS = {"failed": "terrible", "error": "terrible", "skipped": "grey", "xfailed": "grey"}

# start and end in seconds, and the event without its times
_Slice = tuple[float, float, str]
_AFTER: _Slice = (_ENDLESS_S, _ENDLESS_S, "")


class TraceReport:
    """A subscriber that hands the document to ``write`` when the run has finished."""

    name = "trace.json"

    def __init__(self, write: Callable[[bytes], object], teller: Teller, *, run_id: str) -> None:
        self._write = write
        self._teller = teller
        self._run_id = run_id
        self._gates = GatesOfTests(RunStarted(0.0, (), 0))
        self._services: frozenset[str] = frozenset()
        self._rows: dict[str, list[_Slice]] = {}
        self._instants: list[tuple[str, float, str]] = []  # row, seconds, text
        self._loads = Loads()
        self._counters: list[str] = []
        self._counted: dict[str, None] = {}  # everything that was ever counted, in order
        self._at_work: dict[str, tuple[float, tuple[str, ...]]] = {}  # commands: since when, on which rows

    def handle(self, event: Event) -> None:
        """TestsWereRun is the hot path."""
        if isinstance(event, TestsWereRun):
            self._add_results(event)
        elif isinstance(event, FileWasCollected):
            if not event.worker:
                return
            took_s = event.collected.duration_s
            args = {"file": event.collected.file, "tests": len(event.collected.keys)}
            self._add(
                event.worker, event.at - took_s, event.at, f"collect {event.collected.file}", "collect", args
            )
        elif isinstance(event, TestWasLost):
            if event.worker is not None:
                nodeid = event.collected.nodeid(event.index)
                self._instants.append((event.worker, event.at, f"{nodeid} {event.outcome}: {event.reason}"))
        elif isinstance(event, WorkerStopped):
            if event.reason is not None:
                self._instants.append((event.worker, event.at, f"{event.worker} was lost: {event.reason}"))
        elif isinstance(event, Sampled):
            self._count(event)
        elif isinstance(event, GateStarted):
            rows = tuple(f"gw{slot}" for slot in event.slots)
            rows = (f"service {event.gate}",) if event.gate in self._services else rows
            self._at_work[event.gate] = (event.at, rows)
        elif isinstance(event, GateBecameReady):
            self._instants.append((f"service {event.gate}", event.at, f"{event.gate} is ready"))
        elif isinstance(event, GateWillRetry):
            self._stop(event.gate, event.at, event.state.value)
        elif isinstance(event, GateFinished):
            self._stop(event.report.name, event.at, event.report.state.value)
        elif isinstance(event, RunStarted):
            self._gates = GatesOfTests(event)
            self._services = frozenset(str(gate.name) for gate in event.gates if gate.is_service)
        elif isinstance(event, RunFinished):
            self._write(self._document(event.result).encode("ascii"))

    def _add_results(self, event: TestsWereRun) -> None:
        collected, start_of = event.collected, self._teller.start_s
        row = self._rows.setdefault(event.worker, [])
        for result in event.results:
            index, outcome, duration_s, _payload, _text = result
            nodeid = collected.nodeid(index)
            start_s = start_of(result)
            took_s = sound_s(duration_s)
            if start_s is None or not 0.0 <= start_s < _ENDLESS_S:
                start_s = event.at - took_s
            colour = f',"cname":"{_COLOURS[outcome]}"' if outcome in _COLOURS else ""
            gate = self._gates.quoted(collected, index)
            args = f'{{"outcome":"{outcome}","gate":{gate}}}'
            rest = f'"name":{quoted(nodeid)},"cat":"test"{colour},"args":{args}'
            row.append((start_s, start_s + took_s, rest))

    def _add(
        self, row: str, start_s: float, end_s: float, name: str, category: str, args: dict[str, object]
    ) -> None:
        rest = f'"name":{quoted(name)},"cat":"{category}","args":{rendered(args)}'
        self._rows.setdefault(row, []).append((start_s, end_s, rest))

    def _count(self, event: Sampled) -> None:
        self._loads.take(event)
        found = {**self._loads.workers, **{str(gate): load for gate, load in self._loads.commands.items()}}
        self._counted |= dict.fromkeys(found)
        nothing = Load(0.0, 0)  # of what has ended: viewers draw the last value on
        loads = {name: found.get(name, nothing) for name in self._counted}
        cores = {name: round(load.cores, 3) for name, load in loads.items()}
        memory = {name: round(load.rss_bytes / _MIB, 1) for name, load in loads.items()}
        for name, values in (("CPU (cores)", cores), ("memory (MiB)", memory)):
            self._counters.append(
                f'{{"ph":"C","pid":{_PID},"ts":{_us(event.at)},"name":"{name}","args":{rendered(values)}}}'
            )

    def _stop(self, gate: str, at: float, state: str) -> None:
        begun = self._at_work.pop(gate, None)
        if begun is not None:
            for row in begun[1]:
                self._add(row, begun[0], at, gate, "gate", {"state": state})

    def _document(self, result: RunResult) -> str:
        started = {report.name: report for report in result.gates if report.started_s is not None}
        for name in result.schedule.critical_path:
            if name in started:
                report = started[name]
                begin_s = report.started_s or 0.0
                args: dict[str, object] = {"state": report.state.value}
                self._add(_CRITICAL, begin_s, begin_s + report.wall_s, name, "critical path", args)
        rows = sorted({*self._rows, *(row for row, _, _ in self._instants)}, key=_place)
        tids = {row: tid for tid, row in enumerate(rows, 1)}
        lines = [_meta("process_name", 0, {"name": f"pytest-batchgate {self._run_id}"})]
        for row, tid in tids.items():
            lines.append(_meta("thread_name", tid, {"name": row}))
            lines.append(_meta("thread_sort_index", tid, {"sort_index": tid}))
            lines += _slices(self._rows.get(row, []), tid)
        for row, at, text in self._instants:
            lines.append(
                f'{{"ph":"i","s":"t","pid":{_PID},"tid":{tids[row]},"ts":{_us(at)},'
                f'"name":{quoted(text)},"cat":"event"}}'
            )
        lines += self._counters
        about = rendered({"run_id": self._run_id, "verdict": result.verdict, "workers": result.workers})
        events = ",\n".join(lines)
        return f'{{"displayTimeUnit":"ms","otherData":{about},"traceEvents":[\n{events}\n]}}\n'


def _slices(row: list[_Slice], tid: int) -> list[str]:
    """In order and side by side: viewers take what overlaps for nested.

    Clocks of several processes, and messages on their way, differ a little.
    """
    row.sort(key=itemgetter(0))
    lines = []
    head = f'{{"ph":"X","pid":{_PID},"tid":{tid},"ts":'
    followers = [*row[1:], _AFTER] if row else []  # of a worker that was lost before it did anything
    for (start_s, end_s, rest), (next_s, _, _) in zip(row, followers, strict=True):
        begin, end = _us(start_s), _us(min(end_s, next_s))
        lines.append(f'{head}{begin},"dur":{max(0, end - begin)},{rest}}}')
    return lines


def _us(at_s: float) -> int:
    """Microseconds; nothing happens before the run."""
    return round(at_s * 1e6) if 0.0 < at_s <= _ENDLESS_S else 0


def _meta(what: str, tid: int, args: dict[str, object]) -> str:
    return f'{{"ph":"M","pid":{_PID},"tid":{tid},"ts":0,"name":"{what}","args":{rendered(args)}}}'


def _place(row: str) -> tuple[int, int, str]:
    """The critical path, workers by number, services."""
    if row == _CRITICAL:
        return 0, 0, row
    worker = _WORKER.fullmatch(row)
    return (1, int(worker[1]), row) if worker else (2, 0, row)
