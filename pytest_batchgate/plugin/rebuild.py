"""From what workers send back to the objects that pytest's hooks carry."""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Mapping
from typing import Any

import pytest
from _pytest._code.code import TerminalRepr
from _pytest._io import TerminalWriter
from _pytest.reports import CollectErrorRepr

from pytest_batchgate.core.protocol import CollectedFile
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.workers.wire import SHOWN, SUBTESTS, derived_domain

Location = tuple[str, "int | None", str]


@dataclass(frozen=True)
class Deselected:
    """Stands for an item that was deselected in a worker.

    pytest's hook wants objects, and plugins put attributes of their own on them.
    """

    nodeid: str
    name: str


def location_of(collected: CollectedFile, index: int) -> Location:
    """pytest's ``location`` of a test: path, zero-based line, dotted name."""
    payload = collected.payload
    nodeid = collected.nodeid(index)
    if not isinstance(payload, Mapping):
        return (collected.file, None, nodeid)
    line = payload["lines"][index]
    odd = payload["odd"].get(index)
    if odd is not None:
        return (odd[0], line, odd[1])
    return (collected.file, line, derived_domain(nodeid))


def passed_reports(
    nodeid: str, location: Location, rest: tuple[str | None, ...], payload: tuple[Any, ...], worker: str
) -> tuple[pytest.TestReport, pytest.TestReport, pytest.TestReport]:
    """The three reports of a wholly passed test.

    They share what pytest's own reports have equal (node id, location, keywords);
    only the first is built by the constructor, which parses the node id.
    """
    _, start0, took0, start1, took1, start2, took2 = payload
    keywords: dict[str, Any] = {_own_name(nodeid): 1}
    for name in rest:
        keywords[_parameters(nodeid) if name is None else name] = 1
    setup = pytest.TestReport(
        nodeid, location, keywords, "passed", None, "setup", (), took0, start0, start0 + took0
    )
    setup.worker_id = worker  # type: ignore[attr-defined]  # as xdist's workers mark theirs
    return setup, _phase(setup, "call", start1, took1), _phase(setup, "teardown", start2, took2)


def _phase(setup: pytest.TestReport, when: str, start: float, took: float) -> pytest.TestReport:
    report = object.__new__(pytest.TestReport)
    attributes = report.__dict__
    attributes.update(setup.__dict__)
    attributes["when"] = when
    attributes["sections"] = []
    attributes["user_properties"] = []
    attributes["duration"] = took
    attributes["start"] = start
    attributes["stop"] = start + took
    return report


def _own_name(nodeid: str) -> str:
    head, bracket, parameters = nodeid.partition("[")
    return head.rpartition("::")[2] + bracket + parameters


def _parameters(nodeid: str) -> str:
    return nodeid.partition("[")[2][:-1]


def full_reports(config: pytest.Config, data: list[dict[str, Any]], worker: str) -> list[Any]:
    """Serialized reports, rebuilt; one that cannot be becomes an error of its test."""
    reports = []
    for entry in data:
        nodeid = str(entry.get("nodeid", entry.get("_id", "")))
        try:
            report = _from_serializable(config, entry)
        except Exception as exc:  # noqa: BLE001 (a plugin's hook may raise anything)
            report = None
            why = f"its report could not be rebuilt: {type(exc).__name__}: {exc}"
        else:
            why = "no plugin could rebuild its report"
        if report is None:
            report = lost_report(nodeid, (nodeid.partition("::")[0], None, nodeid), "failed", why, "setup")
        report.worker_id = worker
        reports.append(report)
    return reports


def _from_serializable(config: pytest.Config, entry: Mapping[str, Any]) -> Any:
    data = dict(entry)
    shown = data.pop(SHOWN, False)
    failed_subtests = data.pop(SUBTESTS, 0)
    report = config.hook.pytest_report_from_serializable(config=config, data=data)
    told = data.get("_subtest.context")
    if told is not None and hasattr(report, "context"):
        # pytest 9 takes the repr of these on either side, and the second one shows quotes
        object.__setattr__(report.context, "kwargs", told["kwargs"])
    if failed_subtests:
        _tell_failed_subtests(config, report, failed_subtests)
    if shown and report is not None:
        is_collecting = isinstance(report, pytest.CollectReport)
        report.longrepr = CollectErrorRepr(report.longrepr) if is_collecting else _Shown(report.longrepr)
    return report


def _tell_failed_subtests(config: pytest.Config, report: Any, number: int) -> None:
    """pytest counts them where tests run, and by the count fails their test where it shows its status."""
    from _pytest.subtests import failed_subtests_key

    counts: Any = config.stash.get(failed_subtests_key, None)
    if counts is not None:
        counts[getattr(report, "id", report.nodeid)] = number


class _Shown(TerminalRepr):
    """What a worker's object had shown of itself."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def toterminal(self, tw: TerminalWriter) -> None:
        tw.line(self.text)


def tell_internal_error(config: pytest.Config, text: str) -> None:
    """As pytest tells of one of its own: in the terminal, in the JUnit report, to plugins."""
    try:
        raise RuntimeError(text)  # plugins are promised an exception with a traceback
    except RuntimeError as exc:
        excinfo = pytest.ExceptionInfo.from_exception(exc)
    shown: Any = _Shown(text)
    config.hook.pytest_internalerror(excrepr=shown, excinfo=excinfo)


def lost_report(
    nodeid: str, location: Location, outcome: str, reason: str, when: Any, duration: float = 0.0
) -> pytest.TestReport:
    """A report for a test that has none of its own."""
    longrepr: Any = reason
    if outcome == "skipped":
        longrepr = (location[0], (location[1] or 0) + 1, f"Skipped: {reason}")
    elif outcome == "passed":
        longrepr = None
    return pytest.TestReport(
        nodeid=nodeid,
        location=location,
        keywords={_own_name(nodeid): 1},
        outcome=outcome,  # type: ignore[arg-type]
        longrepr=longrepr,
        when=when,
        duration=duration,
    )


def lost_reports(collected: CollectedFile, index: int, outcome: str, reason: str) -> list[pytest.TestReport]:
    """The phases of a test that was lost: a failure of its call, or an error or skip of its setup."""
    nodeid, location = collected.nodeid(index), location_of(collected, index)
    if outcome == "failed":
        return [
            lost_report(nodeid, location, "passed", "", "setup"),
            lost_report(nodeid, location, "failed", reason, "call"),
            lost_report(nodeid, location, "passed", "", "teardown"),
        ]
    outcome = "failed" if outcome == "error" else "skipped"
    return [
        lost_report(nodeid, location, outcome, reason, "setup"),
        lost_report(nodeid, location, "passed", "", "teardown"),
    ]


def collect_reports(config: pytest.Config, collected: CollectedFile) -> list[Any]:
    """The collect reports of a file that did not simply pass."""
    payload = collected.payload
    if isinstance(payload, Mapping):
        return rebuild_collect_reports(config, payload["reports"])
    return [pytest.CollectReport(collected.file, "failed", str(payload), [])]


def rebuild_collect_reports(config: pytest.Config, data: list[dict[str, Any]]) -> list[Any]:
    reports = []
    for entry in data:
        report = _from_serializable(config, entry)
        if report is None:
            report = pytest.CollectReport(str(entry.get("nodeid", "")), "failed", "unreadable report", [])
        reports.append(report)
    return reports


_categories: dict[str, type[Warning]] = {}


def warning_message(data: Mapping[str, Any]) -> warnings.WarningMessage:
    """A warning whose category only has the original's name: no class a worker names is imported."""
    name = str(data["category"])
    category = getattr(builtins, name, None)
    if not (isinstance(category, type) and issubclass(category, Warning)):
        category = _categories.get(name)
    if category is None:
        category = _categories[name] = type(name, (Warning,), {"__module__": str(data["module"])})
    return warnings.WarningMessage(
        message=category(data["message"]),
        category=category,
        filename=data["filename"],
        lineno=data["lineno"],
        line=data["line"],
    )
