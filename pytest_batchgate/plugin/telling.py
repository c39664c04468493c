"""Reads what tests said of themselves out of the reports that the bridge rebuilt."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_batchgate.core.events import TestsWereRun
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.plugin import rebuild
from pytest_batchgate.plugin.bridge import Bridge
from pytest_batchgate.report.told import NOTHING, Told

MOST_TEXT = 64 * 1024
"""Characters kept of a failure, and of a test's output: its beginning and its end."""


class BridgeTeller:
    """Asks the bridge, which handles each event first; reports are read once for all who ask.

    ``epoch_s``: what 0 on the run's clock is, in seconds since 1970.
    """

    def __init__(self, bridge: Bridge, *, epoch_s: float) -> None:
        self._bridge = bridge
        self._epoch_s = epoch_s
        self._event: TestsWereRun | None = None
        self._read: dict[int, Told] = {}

    def told(self, event: TestsWereRun, result: TestResult) -> Told:
        if type(result.payload) is tuple:
            return NOTHING
        if event is not self._event:
            self._event, self._read = event, {}
        known = self._read.get(result.index)
        if known is None:
            known = self._read[result.index] = self._read_all(event, result)
        return known

    def _read_all(self, event: TestsWereRun, result: TestResult) -> Told:
        config = self._bridge.config
        file, _ = self.place(event.collected, result.index)
        reports = self._bridge.rebuilt.get(result.index, ())
        return told_by(reports, file=config.rootpath / file, working=config.invocation_params.dir)

    def collection_errors(self, collected: CollectedFile) -> tuple[str, ...]:
        reports = rebuild.collect_reports(self._bridge.config, collected)
        return tuple(clip_middle(_longrepr(report)) for report in reports if report.failed)

    def start_s(self, result: TestResult) -> float | None:
        payload: Any = result.payload
        if type(payload) is tuple:  # as `workers.worker_run` compacts a passed test
            return float(payload[1]) - self._epoch_s
        try:
            return float(payload[0]["start"]) - self._epoch_s
        except (TypeError, ValueError, KeyError, IndexError):  # pytest below 8.1 keeps no start
            return None

    def place(self, collected: CollectedFile, index: int) -> tuple[str, int | None]:
        payload = collected.payload
        if not isinstance(payload, Mapping):
            return collected.file, None
        line = payload["lines"][index]
        odd = payload["odd"].get(index)
        return (odd[0] if odd is not None else collected.file), (None if line is None else line + 1)


def told_by(reports: Sequence[Any], *, file: Path | None = None, working: Path | None = None) -> Told:
    """The story of one test by its reports, in the order in which they came.

    ``file``: the test's own.  ``working``: what paths in tracebacks are relative to.
    """
    failed = [report for report in reports if report.failed]
    skipped = [report for report in reports if report.skipped]
    message = text = ""
    if failed:
        message = _message(failed[0])
        text = clip_middle("\n\n".join(filter(None, map(_longrepr, failed))))
    elif skipped:
        message = _skip_reason(skipped[0])
    else:
        message = next((str(report.wasxfail) for report in reports if hasattr(report, "wasxfail")), "")
    last = reports[-1] if reports else None  # its sections and properties include the earlier phases'
    return Told(
        message=clip_middle(message, 2_000),
        text=text,
        output=tuple((str(name), clip_middle(str(said))) for name, said in getattr(last, "sections", ())),
        properties=tuple((str(name), str(value)) for name, value in getattr(last, "user_properties", ())),
        line=_last_line(failed[0], file, working)
        if failed and file is not None and working is not None
        else None,
    )


def _message(report: Any) -> str:
    """As pytest's own JUnit report has it."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(crash.message) if crash is not None else _longrepr(report)
    return message if report.when == "call" else f'failed on {report.when} with "{message}"'


def _last_line(report: Any, file: Path, working: Path) -> int | None:
    """Of ``file``, where the failure last came through; as far as the report names lines."""
    longrepr = report.longrepr
    entries = getattr(getattr(longrepr, "reprtraceback", None), "reprentries", ())
    places = [
        getattr(longrepr, "reprcrash", None),
        *(getattr(each, "reprfileloc", None) for each in entries[::-1]),
    ]
    own = os.path.realpath(file)
    for place in places:
        path, line = getattr(place, "path", None), getattr(place, "lineno", None)
        if isinstance(path, str) and isinstance(line, int) and os.path.realpath(working / path) == own:
            return line
    return None


def _longrepr(report: Any) -> str:
    try:
        return str(report.longreprtext)
    except Exception as exc:  # noqa: BLE001 (a plugin's report may be anything)
        return f"(its text cannot be read: {type(exc).__name__})"


def _skip_reason(report: Any) -> str:
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail)
    longrepr = report.longrepr
    if isinstance(longrepr, tuple) and len(longrepr) == 3:
        return str(longrepr[2]).removeprefix("Skipped: ")
    return _longrepr(report)


def clip_middle(text: str, most: int = MOST_TEXT) -> str:
    """At most about ``most`` characters: the beginning and the end."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half:,} characters left out ...]\n{text[-half:]}"
