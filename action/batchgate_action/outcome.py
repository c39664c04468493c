"""From the reports of a run to the outputs of the action."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from batchgate_action.running import Ended

_GOOD = frozenset({"passed", "flaky", "cached", "carried", "unaffected", "deselected"})
_MOST_BYTES = 512 * 1024 * 1024  # more is no report of ours
NOTHING_REPORTED = 70  # exit code of a run that says it is good and shows nothing: EX_SOFTWARE
# Of each run; those of a benchmark are left alone, for they may be what it is compared with.
_REPORTS = (
    *("report.json", "report.html", "junit.xml", "summary.md", "findings.sarif", "trace.json"),
    "events.jsonl",
)


def forget_reports(folder: Path) -> None:
    """Those of an earlier run, or of the repository itself: what is there afterwards is of this one."""
    for name in _REPORTS:
        path = folder / name
        if path.is_symlink() or path.is_file():
            path.unlink()


def judged(ended: Ended, folder: Path) -> Ended:
    """A run that did nothing is no success, whatever its exit code: ``--version``, a conftest that exits."""
    if ended.code != 0 or ended.cause is not None:
        return ended
    if not has_report(folder):
        return replace(ended, code=NOTHING_REPORTED)
    return replace(ended, code=1) if _failed(_gates(_read(folder / "report.json"))) else ended


def result_of(ended: Ended) -> str:
    """success, failure or cancelled."""
    if ended.cause == "cancelled":
        return "cancelled"
    return "success" if ended.code == 0 and ended.cause is None else "failure"


def outputs_of(ended: Ended, folder: Path) -> dict[str, str]:
    """All that are known; a run that ended too early to report has no gates."""
    report = _read(folder / "report.json")
    gates = _gates(report)
    counts: dict[str, int] = {}
    for gate in gates:
        for outcome, number in (gate.get("counts") or {}).items():
            counts[outcome] = counts.get(outcome, 0) + int(number)
    failed = _failed(gates)
    wall_s, work_s = _times(report, ended, _benchmark(folder))
    return {
        "result": result_of(ended),
        "failed-gates": _compact(failed),
        "gates": _compact({gate["name"]: gate.get("state") for gate in gates}),
        "passed": str(counts.get("passed", 0)),
        "failed": str(counts.get("failed", 0) + counts.get("error", 0)),
        "skipped": str(counts.get("skipped", 0)),
        "duration": f"{wall_s:.2f}",
        "sequential-duration": f"{work_s:.2f}",
        "speedup": f"{work_s / wall_s:.2f}" if wall_s > 0 else "0.00",
        "report-path": str(folder),
        "junit-path": _path(folder / "junit.xml"),
        "sarif-path": _path(folder / "findings.sarif"),
        "html-path": _path(folder / "report.html"),
    }


def has_report(folder: Path) -> bool:
    """Whether the run came far enough to judge."""
    return bool(_gates(_read(folder / "report.json")))


def _gates(report: Any) -> list[dict[str, Any]]:
    return [gate for gate in _list(report, "gates") if isinstance(gate, dict)]


def _failed(gates: list[dict[str, Any]]) -> list[str]:
    return [gate["name"] for gate in gates if gate.get("required") and gate.get("state") not in _GOOD]


def _benchmark(folder: Path) -> Any:
    """Of this run: it is written after the report of the run's last part."""
    path, report = folder / "benchmark.json", folder / "report.json"
    try:
        is_older = path.stat().st_mtime_ns < report.stat().st_mtime_ns
    except OSError:
        return None
    return None if is_older else _read(path)


def _times(report: Any, ended: Ended, benchmark: Any) -> tuple[float, float]:
    """Seconds of the run, and of the same work in turn: measured by a benchmark, else added up."""
    levels = [level for level in _list(benchmark, "levels") if isinstance(level, dict)]
    measured = {level.get("workers"): level.get("wall_s") for level in levels}
    most = max((workers for workers in measured if isinstance(workers, int)), default=0)
    if most and isinstance(measured.get(1), float | int):
        return float(measured[most] or 0.0), float(measured[1] or 0.0)
    if not isinstance(report, dict):
        return ended.took_s, 0.0
    return float(report.get("wall_s", 0.0)), float((report.get("schedule") or {}).get("work_s", 0.0))


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _list(document: Any, key: str) -> list[Any]:
    found = document.get(key) if isinstance(document, dict) else None
    return found if isinstance(found, list) else []


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _path(path: Path) -> str:
    return str(path) if path.is_file() else ""
