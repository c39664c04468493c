"""`-v`: a line for each test, with the worker that ran it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_batchgate.report.words import harmless

_COLOURS = {"passed": "green", "failed": "red", "error": "red"}  # of categories; others are yellow


class TestLines:
    """Writes ``[gw0] PASSED tests/test_a.py::test_b`` for each status that pytest itself would write."""

    __test__ = False

    def __init__(self, terminal: Any, *, unicode: bool) -> None:
        self._terminal = terminal
        self._unicode = unicode

    def write(self, report: pytest.TestReport, status: Any) -> None:
        """``status``: of pytest_report_teststatus; nothing is written without a word."""
        category, _, word = status
        markup = {_COLOURS.get(category, "yellow"): True}
        if isinstance(word, tuple):
            word, markup = word
        if not word:
            return
        worker = getattr(report, "worker_id", None) or "-"
        reason = _reason(report)
        text = f"{report.nodeid} ({reason})" if reason else report.nodeid
        self._terminal.write(f"[{worker}] ")
        self._terminal.write(word, **markup)
        self._terminal.write_line(f" {harmless(text, unicode=self._unicode)}")


def _reason(report: pytest.TestReport) -> str:
    """Why it was skipped, or was expected to fail."""
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail).removeprefix("reason: ")
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return ""
