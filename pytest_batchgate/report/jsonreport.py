"""`report.json`: the whole run as one document, for programs.

Its shape is fixed by `report.schema.json` beside this module, which a test holds to it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_batchgate.core.events import (
    OUTCOMES,
    Event,
    GateReport,
    RunFinished,
    RunResult,
    RunStarted,
    TestsWereCarried,
    TestsWereRun,
    TestWasLost,
)
from pytest_batchgate.core.model import Finding
from pytest_batchgate.core.protocol import CollectedFile
from pytest_batchgate.report.jsonable import quoted, rendered, seconds
from pytest_batchgate.report.testrows import GatesOfTests, TestRows

SCHEMA = 1
SCHEMA_PATH = Path(__file__).with_name("report.schema.json")

# outcome, seconds, attempts, and the row as JSON
_Row = tuple[str, float, int, str]


class JsonReport:
    """A subscriber that hands the document to ``write`` when the run has finished.

    Rows of tests are rendered as they come: at the end everybody waits.
    """

    name = "report.json"

    def __init__(self, write: Callable[[bytes], object], *, run_id: str) -> None:
        self._write = write
        self._run_id = run_id
        self._gates = GatesOfTests(RunStarted(0.0, (), 0))
        self._tests: TestRows[_Row] = TestRows()

    def handle(self, event: Event) -> None:
        if isinstance(event, TestsWereRun):
            self._add_results(event)
        elif isinstance(event, TestWasLost):
            if event.outcome != "not_run":
                self._add(event.collected, event.index, event.outcome, 0.0, event.worker)
        elif isinstance(event, TestsWereCarried):
            for result in event.results:
                self._add(event.collected, result.index, result.outcome, result.duration_s, None)
        elif isinstance(event, RunStarted):
            self._gates = GatesOfTests(event)
        elif isinstance(event, RunFinished):
            self._write(self._document(event.result).encode("ascii"))

    def _add_results(self, event: TestsWereRun) -> None:
        """The hot path: most tests report once."""
        collected, tests, gates = event.collected, self._tests, self._gates
        places = tests.places(collected)
        ends = f',"worker":{quoted(event.worker)},"attempts":1}}'
        for index, outcome, duration_s, _payload, _text in event.results:
            if places[index] >= 0:
                self._add(collected, index, outcome, duration_s, event.worker)
                continue
            row = (
                f'{{"nodeid":{quoted(collected.nodeid(index))},"gate":{gates.quoted(collected, index)},'
                f'"outcome":"{outcome}","duration_s":{seconds(duration_s)}{ends}'
            )
            tests.add(places, index, (outcome, duration_s, 1, row))

    def _add(
        self, collected: CollectedFile, index: int, outcome: str, duration_s: float, worker: str | None
    ) -> None:
        gate = self._gates.name(collected, index)
        attempts = 1 if worker else 0  # a test that was skipped with its gate was never tried
        earlier = self._tests.get(collected, index)
        if earlier is not None:
            duration_s += earlier[1]
            if self._gates.is_retry(gate, earlier[0]):
                attempts = earlier[2] + 1
            else:  # a fixture failed after the test had been reported
                outcome, attempts = "error" if earlier[0] != "failed" else "failed", earlier[2]
        row = (
            f'{{"nodeid":{quoted(collected.nodeid(index))},"gate":{quoted(gate)},"outcome":"{outcome}",'
            f'"duration_s":{seconds(duration_s)},"worker":{quoted(worker) if worker else "null"},'
            f'"attempts":{attempts}}}'
        )
        self._tests.put(collected, index, (outcome, duration_s, attempts, row))

    def _document(self, result: RunResult) -> str:
        head = rendered(
            {
                "schema": SCHEMA,
                "run_id": self._run_id,
                "verdict": result.verdict,
                "exit_code": result.exit_code,
                "wall_s": _rounded(result.wall_s),
                "workers": result.workers,
                "gates": [_gate(report) for report in result.gates],
            }
        )
        schedule = rendered(
            {
                "work_s": _rounded(result.schedule.work_s),
                "critical_path_s": _rounded(result.schedule.critical_path_s),
                "lower_bound_s": _rounded(result.schedule.lower_bound_s),
                "efficiency": round(result.schedule.efficiency, 4),
            }
        )
        tests = ",\n".join(row for _, _, _, row in self._tests.rows)
        return f'{head[:-1]},"tests":[\n{tests}\n],"schedule":{schedule}}}\n'


def _gate(report: GateReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "kind": report.kind,
        "state": report.state.value,
        "required": report.required,
        "needs": report.needs,
        "reason": report.reason,
        "wall_s": _rounded(report.wall_s),
        "cpu_s": _rounded(report.cpu_s),
        "peak_rss_bytes": report.peak_rss_bytes,
        "attempts": report.attempts,
        "counts": {outcome: report.counts.get(outcome, 0) for outcome in OUTCOMES},
        "findings": [finding_json(finding) for finding in report.findings],
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "rule": finding.rule,
        "severity": finding.severity,
        "message": finding.message,
    }


def _rounded(value_s: float) -> float:
    return round(value_s, 6)
