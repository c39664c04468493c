"""Events -> pytest's own hooks: its summary, --junitxml and other plugins see what they always saw.

Two ways for passed tests.  The plain way calls the hooks for each report and is the
reference.  The fast way, taken only where nobody could tell the difference, calls
every implementation of `pytest_runtest_logreport` directly and does the
terminal's counting in bulk.  `BATCHGATE_BRIDGE=plain` forces the first.
"""

from __future__ import annotations

import copy
import os
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from _pytest.junitxml import xml_key
from _pytest.terminal import TerminalReporter

from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
    WorkerStarted,
)
from pytest_batchgate.core.protocol import CollectedFile, ShownFile, StopAsked
from pytest_batchgate.plugin import rebuild
from pytest_batchgate.plugin.lastfailed import keep_findable
from pytest_batchgate.plugin.lines import TestLines
from pytest_batchgate.plugin.nodes import Nodes
from pytest_batchgate.report.words import harmless
from pytest_batchgate.workers import messages as side
from pytest_batchgate.workers.wire import SUBTESTS

# Implementations that do nothing for a passed report, by the module that defines them.
_SILENT_MODULES = frozenset({"_pytest.main", "_pytest.logging", "_pytest.terminal"})
_ADDRESS = re.compile("0x[0-9a-fA-F]+")  # differs from process to process
_STATUS_MODULES = frozenset({"_pytest.runner", "_pytest.terminal", "_pytest.skipping", "_pytest.subtests"})


RERUN = "rerun"  # an outcome that pytest does not know, and pytest-rerunfailures made familiar


class Bridge:
    """A subscriber that replays what workers did into the controller's pytest session."""

    name = "bridge to pytest"

    def __init__(self, session: pytest.Session, nodes: Nodes) -> None:
        self.session = session
        self.config = session.config
        self.stop: StopAsked | None = None
        self.keywords: dict[str, dict[int, tuple[str | None, ...]]] = {}
        self.nodes = nodes
        self._said: set[tuple[Any, ...]] = set()
        self._newest: Any = self.config.pluginmanager.get_plugin("nfplugin")
        self._terminal: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        self._quiet = self._terminal is not None and self.config.option.verbose <= 0
        self._muted = False
        self.internal_errors: list[str] = []
        self._warned: Counter[tuple[str, tuple[Any, ...]]] = Counter()  # by worker; "": told to pytest
        self._properties: Counter[tuple[str, str, str]] = Counter()
        # Of the latest batch, by index: the reports of tests that did not simply pass.
        self.rebuilt: dict[int, list[Any]] = {}
        self._unicode = self._terminal is not None and writes_unicode(self._terminal)
        self._lines: TestLines | None = None
        self._status: Any = None
        if self._terminal is not None:
            if not self._quiet:
                self._lines = TestLines(self._terminal, unicode=self._unicode)
            self._terminal.showfspath = False
            self._terminal._show_progress_info = False
            self._terminal.report_collect = _report_nothing  # it rewrites the line it finds
        self._listeners = self._fast_listeners()

    # --- which way ----------------------------------------------------------------

    def _fast_listeners(self) -> list[Callable[..., Any]] | None:
        """Who must hear of each passed report; None where only the plain way is faithful."""
        if os.environ.get("BATCHGATE_BRIDGE") == "plain":
            return None
        if not self._quiet or type(self._terminal) is not TerminalReporter:
            return None
        hook = self.config.hook
        for name in ("pytest_runtest_logstart", "pytest_runtest_logfinish"):
            if not _only_modules(getattr(hook, name), _SILENT_MODULES):
                return None
        if not _only_modules(hook.pytest_report_teststatus, _STATUS_MODULES, own=self):
            return None
        listeners: list[Callable[..., Any]] = []
        for impl in reversed(hook.pytest_runtest_logreport.get_hookimpls()):
            if impl.hookwrapper or getattr(impl, "wrapper", False):
                return None
            if impl.function.__module__ in _SILENT_MODULES:
                continue
            if tuple(impl.argnames) not in {(), ("report",)}:
                return None
            listeners.append(impl.function if impl.argnames else _ignoring(impl.function))
        return listeners

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> Generator[None, Any, Any]:
        """While muted, tests are counted as ever but leave no dot."""
        status = yield
        if report.outcome == RERUN:
            status = (RERUN, "R", ("RERUN", {"yellow": True}))
        if self._muted and status is not None:
            self._status = status
            return (status[0], "", "")
        return status

    @contextmanager
    def _hush(self) -> Iterator[None]:
        self._muted = self._terminal is not None
        try:
            yield
        finally:
            self._muted = False

    # --- events -------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        if isinstance(event, TestsWereRun):
            self.replay(event)
            if isinstance(event.collected, ShownFile):
                keep_findable(self.config, event.collected, [result.index for result in event.results])
        elif isinstance(event, FileWasCollected):
            if event.worker:  # else nobody did: a resumed run has nothing to run of it
                self._file_collected(event.collected)
        elif isinstance(event, TestWasLost):
            reports = rebuild.lost_reports(event.collected, event.index, event.outcome, event.reason)
            for report in reports:
                report.worker_id = event.worker  # type: ignore[attr-defined]
            self._log_plainly(event.collected, event.index, reports)
            keep_findable(self.config, event.collected, [event.index])
        elif isinstance(event, TestWillRetry):
            self._tried_again(event)
        elif isinstance(event, WorkerStarted):
            self.keywords[event.worker] = {}

    def _tried_again(self, event: TestWillRetry) -> None:
        """As pytest-rerunfailures tells of an attempt: one report that is neither passed nor failed."""
        collected, index, payload = event.collected, event.result.index, event.result.payload
        if isinstance(payload, list):
            # pytest builds them in place, and the payload is needed again if there is no other attempt.
            entries = copy.deepcopy(payload)
            for entry in entries:
                entry.pop(SUBTESTS, None)  # by their number pytest would fail the last attempt, too
            reports = rebuild.full_reports(self.config, entries, event.worker)
            name_as_shown(collected, index, reports)
        else:
            reports = rebuild.lost_reports(collected, index, "failed", event.result.text)
        self.rebuilt = {index: reports}
        report = copy.copy(next((report for report in reports if report.failed), reports[-1]))
        report.outcome = RERUN
        if report.when == "teardown":
            report.when = "call"  # for a teardown pytest's JUnit file would close the test
        report.rerun = event.attempt - 1
        report.worker_id = event.worker
        self._log_plainly(collected, index, [report])

    def replay(self, event: TestsWereRun) -> None:
        listeners = self._listeners
        passed: list[pytest.TestReport] = []
        around: list[pytest.TestReport] = []
        collected, worker = event.collected, event.worker
        names = self.keywords.get(worker, {})
        self.rebuilt = {}
        for result in event.results:
            payload: Any = result.payload
            if type(payload) is not tuple:
                reports = self.rebuilt[result.index] = rebuild.full_reports(self.config, payload, worker)
                name_as_shown(collected, result.index, reports)
                self._log_plainly(collected, result.index, reports)
                continue
            three = rebuild.passed_reports(
                collected.nodeid(result.index),
                rebuild.location_of(collected, result.index),
                names.get(payload[0], ()),
                payload,
                worker,
            )
            if listeners is None:
                self._log_plainly(collected, result.index, three)
                continue
            for listener in listeners:
                listener(report=three[0])
                listener(report=three[1])
                listener(report=three[2])
            around.append(three[0])
            passed.append(three[1])
            around.append(three[2])
        if passed:
            self._terminal._tests_ran = True
            self._terminal._add_stats("", around)
            self._terminal._add_stats("passed", passed)

    def _log_plainly(self, collected: CollectedFile, index: int, reports: Any) -> None:
        hook = self.config.hook
        nodeid = collected.nodeid(index)
        location = rebuild.location_of(collected, index)
        begin, end = hook.pytest_runtest_logstart, hook.pytest_runtest_logfinish
        if self._lines is not None:  # pytest's line would begin before the test's output, which came earlier
            subset = self.config.pluginmanager.subset_hook_caller
            begin = subset("pytest_runtest_logstart", [self._terminal])
            end = subset("pytest_runtest_logfinish", [self._terminal])
        with self._hush():
            begin(nodeid=nodeid, location=location)
            for report in reports:
                self._status = None
                hook.pytest_runtest_logreport(report=report)
                if self._lines is not None and self._status is not None:
                    self._lines.write(report, self._status)
            end(nodeid=nodeid, location=location)

    def _file_collected(self, collected: CollectedFile) -> None:
        self.session.testscollected += len(collected.keys)
        if self._terminal is not None:  # what --collect-only counts
            self._terminal._numcollected += len(collected.keys) + len(collected.deselected)
        for report in rebuild.collect_reports(self.config, collected):
            self.config.hook.pytest_collectreport(report=report)
        if collected.deselected:
            items = [
                rebuild.Deselected(nodeid, nodeid.rpartition("::")[2]) for nodeid in collected.deselected
            ]
            self.config.hook.pytest_deselected(items=items)
        if self._newest is not None and hasattr(self._newest, "cached_nodeids"):
            hidden = isinstance(collected, ShownFile)
            told = map(collected.nodeid, range(len(collected.keys))) if hidden else collected.keys
            self._newest.cached_nodeids.update(told)

    # --- what is no event -----------------------------------------------------------

    def aside(self, message: side.SideMessage) -> StopAsked | None:
        """Material for pytest's hooks; some of it asks the run to stop."""
        match message:
            case side.WorkerIntroduced(worker, info):
                self.nodes.ready(worker, info)
            case side.KeywordsNamed(worker, number, names):
                self.keywords.setdefault(worker, {})[number] = names
            case side.WarningRaised(worker, data):
                self._warn(worker, data)
            case side.OutputPrinted(worker, text):
                self._print(worker, text)
            case side.JunitNoted():
                self._note_in_junit(message)
            case side.LooseReports(_, reports):
                self._loose(reports)
            case side.WorkerOutput(worker, data):
                self.nodes.ended(worker, data)
            case side.WorkerUsageError(_, text):
                return StopAsked("usage", text, 4)
            case side.WorkerInternalError(worker, text):
                self.internal_errors.append(f"[{worker}] {text}")
                last = next((line for line in reversed(text.splitlines()) if line.strip()), "unknown")
                return StopAsked("internal", f"internal error in {worker}: {last.strip()}", 3)
            case side.ExitRaised(_, None, _):
                return StopAsked("interrupted", "KeyboardInterrupt", 2)
            case side.ExitRaised(_, str(reason), code):
                return StopAsked("exit", reason, 2 if code is None else code)
            case side.SessionStopped(_, "shouldstop", reason):
                self.session.shouldstop = reason
                return StopAsked("interrupted", reason, 2)
            case side.SessionStopped(_, _, reason):
                return StopAsked("maxfail", reason, 1)
        return None

    def stop_asked(self) -> StopAsked | None:
        """What pytest or a plugin asked for while reports were replayed."""
        if self.session.shouldfail:
            return StopAsked("maxfail", str(self.session.shouldfail), 1)
        if self.session.shouldstop:
            return StopAsked("interrupted", str(self.session.shouldstop), 2)
        return None

    @pytest.hookimpl
    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str) -> None:
        """Every warning that was told: pytest repeats the earlier ones, of this process, to a new plugin."""
        if when != "runtest":
            told, text = warning_message, str(warning_message.message)
            self._warned["", _warning_key(when, nodeid, told.filename, told.lineno, text)] += 1

    def _warn(self, worker: str, data: Any) -> None:
        if data["when"] != "runtest":  # each worker loads the same conftests, and may collect the same file
            key = _warning_key(
                data["when"], data["nodeid"], data["filename"], data["lineno"], data["message"]
            )
            self._warned[worker, key] += 1
            if data["when"] == "config" and self._warned["", key]:
                return  # pytest repeats some for each file that a worker collects
            if self._warned[worker, key] <= self._warned["", key]:
                return
        self.config.hook.pytest_warning_recorded.call_historic(
            kwargs={
                "warning_message": rebuild.warning_message(data),
                "when": data["when"],
                "nodeid": data["nodeid"],
                "location": data["location"],
            }
        )

    def _loose(self, reports: Any) -> None:
        for report in rebuild.rebuild_collect_reports(self.config, list(reports)):
            key = ("loose", report.nodeid)
            if key not in self._said:
                self._said.add(key)
                self.config.hook.pytest_collectreport(report=report)

    def _print(self, worker: str, text: str) -> None:
        lines = [f"[{worker}] {harmless(line, unicode=self._unicode)}".rstrip() for line in text.splitlines()]
        if lines and self._terminal is not None:
            self._terminal.write_line("\n".join(lines))

    def _note_in_junit(self, note: side.JunitNoted) -> None:
        xml: Any = self.config.stash.get(xml_key, None)
        if xml is None:
            return
        if note.nodeid is not None:
            xml.node_reporter(note.nodeid).add_attribute(note.name, note.value)
            return
        # Every worker's session fixtures say the same: it counts as often as one of them said it.
        key = (note.worker, note.name, note.value)
        self._properties[key] += 1
        if self._properties[key] > xml.global_properties.count((note.name, note.value)):
            xml.add_global_property(note.name, note.value)


def name_as_shown(collected: CollectedFile, index: int, reports: list[Any]) -> None:
    """Masked ids that were equal have been told apart."""
    if isinstance(collected, ShownFile):
        for report in reports:
            report.nodeid = collected.nodeid(index)


def _warning_key(*parts: Any) -> tuple[Any, ...]:
    return (*parts[:-1], _ADDRESS.sub("", parts[-1]))


def writes_unicode(terminal: Any) -> bool:
    """Whether the terminal's stream can take characters beyond ASCII."""
    encoding = getattr(terminal._tw._file, "encoding", None) or "ascii"
    return encoding.lower().replace("-", "") in {"utf8", "utf16", "utf32"}


def _only_modules(hook: Any, modules: frozenset[str], own: object = None) -> bool:
    return all(impl.plugin is own or impl.function.__module__ in modules for impl in hook.get_hookimpls())


def _ignoring(function: Callable[[], Any]) -> Callable[..., Any]:
    def listener(report: pytest.TestReport) -> None:  # noqa: ARG001 (the caller names it)
        function()

    return listener


def _report_nothing(final: bool = False) -> None:  # noqa: ARG001 (as pytest calls it)
    return
