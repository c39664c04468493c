"""`report.html`: the run as one page for people, with everything that it shows inside it.

Here the events become one document; `htmlpage` puts it into the page, and what stands in
`page/` draws it in the browser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_batchgate.core.events import (
    OUTCOMES,
    Event,
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
    TestsWereCarried,
    TestsWereRun,
    TestWasLost,
    WorkerStopped,
)
from pytest_batchgate.core.model import Command, Finding, Gate
from pytest_batchgate.core.protocol import CollectedFile
from pytest_batchgate.report.because import because
from pytest_batchgate.report.htmlcolumns import SILENT, FileColumns, micros
from pytest_batchgate.report.htmlfailures import Failures, clean
from pytest_batchgate.report.htmlpage import render_page
from pytest_batchgate.report.testrows import FAILED, GatesOfTests, sound_s
from pytest_batchgate.report.told import Teller, Told
from pytest_batchgate.report.words import duration, harmless, plural

DOCUMENT = 1
"""The version of the document inside the page; nobody but the page reads it."""

_MOST_NOTES = 2_000  # different reasons for which tests were skipped
_MOST_NOTICES = 200
_MOST_FINDINGS = 5_000  # of all gates together
_MOST_BROKEN = 200  # files that could not be collected, with their texts
_MOST_MARKS = 500  # moments in the timeline
_TEXT = 12_000  # characters of what could not be collected
_LINE = 1_000  # of a reason, a message of a tool, a notice


class HtmlReport:
    """A subscriber that hands the page to ``write`` when the run has finished."""

    name = "report.html"

    def __init__(self, write: Callable[[bytes], object], teller: Teller, *, run_id: str) -> None:
        self._write = write
        self._teller = teller
        self._run_id = run_id
        self._gates = GatesOfTests(RunStarted(0.0, (), 0))
        self._claims: tuple[str, ...] = ()
        self._files: dict[int, FileColumns] = {}  # by identity, in the order in which they reported
        self._failures = Failures()
        self._lanes: dict[str, int] = {}
        self._slices: list[tuple[int, str, int, int, str, str]] = []  # lane, kind, start, micros, text, state
        self._earlier: list[tuple[int, int, int, str]] = []  # attempts that another one followed
        self._marks: list[tuple[int, int, str]] = []
        self._at_work: dict[str, tuple[float, tuple[int, ...]]] = {}
        self._notes: dict[str, int] = {}
        self._notices: list[str] = []
        self._broken: list[tuple[str, str]] = []
        self._more_broken = 0

    def handle(self, event: Event) -> None:
        """TestsWereRun is the hot path."""
        if isinstance(event, TestsWereRun):
            self._add_results(event)
        elif isinstance(event, TestWasLost):
            self._add_lost(event)
        elif isinstance(event, TestsWereCarried):
            columns = self._columns(event.collected)
            for result in event.results:
                columns.put(result.index, result.outcome, micros(result.duration_s), 0, -1)
                columns.attempts[result.index] = 0
        elif isinstance(event, FileWasCollected):
            self._add_collected(event)
        elif isinstance(event, RunStarted):
            self._gates = GatesOfTests(event)
            self._claims = tuple(map(str, event.claims))
            for number in range(event.workers):
                self._lane(f"gw{number}")
        elif isinstance(event, RunFinished):
            self._write(render_page(self.document(event.result)))
        else:
            self._add_moment(event)

    def _add_moment(self, event: Event) -> None:
        if isinstance(event, GateStarted):
            lanes = tuple(self._lane(f"gw{slot}") for slot in event.slots)
            if any(gate.name == event.gate and gate.is_service for gate in self._gates.gates):
                lanes = (self._lane(event.gate),)
            self._at_work[event.gate] = (event.at, lanes)
        elif isinstance(event, GateWillRetry):
            self._stop(event.gate, event.at, event.state.value)
        elif isinstance(event, GateFinished):
            self._stop(event.report.name, event.at, event.report.state.value)
        elif isinstance(event, GateBecameReady):
            self._mark(self._lane(event.gate), event.at, f"{event.gate} is ready")
        elif isinstance(event, WorkerStopped):
            if event.reason is not None:
                self._mark(self._lane(event.worker), event.at, f"{event.worker} was lost: {event.reason}")
        elif isinstance(event, Noticed) and len(self._notices) < _MOST_NOTICES:
            self._notices.append(clean(event.text, _LINE)[0])

    # --- tests ------------------------------------------------------------------------

    def _columns(self, collected: CollectedFile) -> FileColumns:
        found = self._files.get(id(collected))
        if found is None:
            found = self._files[id(collected)] = FileColumns(collected)
        return found

    def _add_results(self, event: TestsWereRun) -> None:
        collected, start_of = event.collected, self._teller.start_s
        columns = self._columns(collected)
        lane = self._lane(event.worker)
        codes, put = columns.codes, columns.put
        for result in event.results:
            index, outcome, duration_s, _payload, _text = result
            took = micros(duration_s)
            start_s = start_of(result)
            start = micros(start_s if start_s is not None else event.at - sound_s(duration_s))
            if outcome != "passed":
                self._add_told(event.collected, index, outcome, self._told(event, result))
            if codes[index] != SILENT:
                self._report_again(columns, index, outcome, took, start, lane)
            else:
                put(index, outcome, took, start, lane)

    def _told(self, event: TestsWereRun, result: Any) -> Told:
        if result.outcome in FAILED and not self._failures.has_room((id(event.collected), result.index)):
            return Told()
        return self._teller.told(event, result)

    def _add_told(self, collected: CollectedFile, index: int, outcome: str, told: Told) -> None:
        if outcome in FAILED:
            self._failures.put((id(collected), index), outcome, told)
        elif told.message:
            text = clean(told.message, _LINE)[0]
            note = self._notes.setdefault(text, len(self._notes)) if self._has_note(text) else -1
            if note >= 0:
                self._columns(collected).notes[index] = note

    def _has_note(self, text: str) -> bool:
        return len(self._notes) < _MOST_NOTES or text in self._notes

    def _report_again(
        self, columns: FileColumns, index: int, outcome: str, took: int, start: int, lane: int
    ) -> None:
        earlier = columns.outcome(index)
        tried = columns.attempts.get(index, 1)
        before = columns.durations[index]
        if self._gates.is_retry(self._gates.name(columns.collected, index), earlier):
            if columns.lanes[index] >= 0:
                self._earlier.append((columns.lanes[index], columns.starts[index], before, earlier))
            columns.attempts[index] = tried + 1
        else:  # a fixture failed after the test had been reported
            outcome = "error" if earlier != "failed" else "failed"
            start, lane = columns.starts[index], columns.lanes[index]
            took += before
        columns.put(index, outcome, took, start, lane)

    def _add_lost(self, event: TestWasLost) -> None:
        lane = -1 if event.worker is None else self._lane(event.worker)
        columns = self._columns(event.collected)
        self._add_told(event.collected, event.index, event.outcome, Told(message=event.reason))
        start = micros(event.at) if lane >= 0 else 0
        if columns.codes[event.index] != SILENT:
            self._report_again(columns, event.index, event.outcome, 0, start, lane)
        else:
            columns.put(event.index, event.outcome, 0, start, lane)
            if event.worker is None:
                columns.attempts[event.index] = 0

    def _add_collected(self, event: FileWasCollected) -> None:
        collected = event.collected
        if collected.errors:
            if len(self._broken) < _MOST_BROKEN:
                text = "\n\n".join(self._teller.collection_errors(collected))
                self._broken.append((harmless(collected.file), clean(text, _TEXT)[0]))
            else:
                self._more_broken += 1
        if event.worker:
            took = micros(collected.duration_s)
            start = max(0, micros(event.at) - took)
            self._slices.append((self._lane(event.worker), "collect", start, took, collected.file, ""))

    # --- the timeline -----------------------------------------------------------------

    def _lane(self, name: str) -> int:
        return self._lanes.setdefault(name, len(self._lanes))

    def _mark(self, lane: int, at: float, text: str) -> None:
        if len(self._marks) < _MOST_MARKS:
            self._marks.append((lane, micros(at), clean(text, _LINE)[0]))

    def _stop(self, gate: str, at: float, state: str) -> None:
        begun = self._at_work.pop(gate, None)
        if begun is not None:
            start = micros(begun[0])
            for lane in begun[1]:
                self._slices.append((lane, "gate", start, max(0, micros(at) - start), gate, state))

    # --- the document -----------------------------------------------------------------

    def document(self, result: RunResult) -> dict[str, Any]:
        """What the page shows, as JSON knows it.  Every text in it is harmless."""
        blocks, failures = self._blocks()
        schedule = result.schedule
        about = [duration(result.wall_s), plural(result.workers, "worker"), f"exit code {result.exit_code}"]
        if result.stop_reason:
            about.append(f"stopped: {clean(result.stop_reason, _LINE)[0]}")
        return {
            "document": DOCUMENT,
            "run_id": harmless(self._run_id),
            "verdict": result.verdict,
            "why": harmless(because(result)),
            "about": ", ".join(about),
            "wall_s": _rounded(result.wall_s),
            "workers": result.workers,
            "gates": _gates(result.gates, {str(gate.name): gate for gate in self._gates.gates}),
            "claims": self._claims,
            "schedule": {
                "work_s": _rounded(schedule.work_s),
                "critical_path_s": _rounded(schedule.critical_path_s),
                "critical_path": schedule.critical_path,
                "lower_bound_s": _rounded(schedule.lower_bound_s),
                "efficiency": _rounded(schedule.efficiency),
            },
            "lanes": [harmless(lane) for lane in self._lanes],
            "slices": [
                [lane, kind, start, took, harmless(text), state]
                for lane, kind, start, took, text, state in self._slices
            ],
            "earlier": self._earlier,
            "marks": self._marks,
            "files": blocks,
            "notes": list(self._notes),
            "failures": failures,
            "broken": [{"file": file, "text": text} for file, text in self._broken],
            "more_broken": self._more_broken,
            "notices": self._notices,
        }

    def _blocks(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The files' tests, and the failures, which point into them."""
        blocks: list[dict[str, Any]] = []
        numbers: dict[int, int] = {}
        for key, columns in self._files.items():
            block = columns.block()
            if block is not None:
                numbers[key] = len(blocks)
                blocks.append(block)
        failures = [
            {
                "file": numbers[file],
                "test": self._files[file].place(index),
                "outcome": failure.outcome,
                "message": failure.message,
                "text": failure.text,
                "output": failure.output,
                "cut": failure.cut,
            }
            for (file, index), failure in self._failures.kept.items()
        ]
        return blocks, failures


def _gates(reports: tuple[GateReport, ...], configured: dict[str, Gate]) -> list[dict[str, Any]]:
    room = _MOST_FINDINGS
    rendered = []
    for report in reports:
        kept = report.findings[:room]
        room -= len(kept)
        gate = configured.get(report.name)
        work = gate.work if gate is not None else None
        rendered.append(
            {
                "name": report.name,
                "kind": "service" if report.is_service else report.kind,
                "state": report.state.value,
                "good": report.state.good,
                "required": report.required,
                "needs": report.needs,
                "reason": clean(report.reason, _LINE)[0] if report.reason else "",
                "command": clean(work.display, _LINE)[0] if isinstance(work, Command) else "",
                "started_s": None if report.started_s is None else _rounded(report.started_s),
                "wall_s": _rounded(report.wall_s),
                "cpu_s": _rounded(report.cpu_s),
                "peak_rss_bytes": report.peak_rss_bytes,
                "attempts": report.attempts,
                "counts": {
                    outcome: report.counts[outcome] for outcome in OUTCOMES if outcome in report.counts
                },
                "findings": [_finding(finding) for finding in kept],
                "more_findings": report.more_findings + len(report.findings) - len(kept),
            }
        )
    return rendered


def _finding(finding: Finding) -> list[Any]:
    return [
        harmless(finding.path or ""),
        finding.line,
        finding.column,
        harmless(finding.rule or ""),
        finding.severity,
        clean(finding.message, _LINE)[0],
    ]


def _rounded(value: float) -> float:
    return round(sound_s(value), 6)
