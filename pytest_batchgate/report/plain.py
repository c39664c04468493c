"""The plain output: one line per change of a gate, and a closing table.

For pipes, CI logs and terminals that cannot redraw.  Nothing is ever taken back, every
line begins with text of ours, and what tools print is made harmless first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from pytest_batchgate.core.events import (
    BreakerChanged,
    Event,
    GateBecameReady,
    GateFinished,
    GateReport,
    GateStarted,
    GateWillRetry,
    Noticed,
    RunFinished,
    RunResult,
    RunStarted,
    TestWillRetry,
    WorkerStopped,
)
from pytest_batchgate.core.model import GateState
from pytest_batchgate.report.findings import render
from pytest_batchgate.report.table import columns
from pytest_batchgate.report.tail import tail
from pytest_batchgate.report.words import clip, counts, duration, harmless, percent, plural

NAME = "plain output"
_STATE_WIDTH = max(len(state.value) for state in GateState)
_NAME_WIDTH = 30  # characters; a longer name shifts its own line only
_REASON_WIDTH = 500
_NAMED_CULPRITS = 10
_SHOWN_FINDINGS = 50
_SHOWN_RERUNS = 20  # of tests, per gate
_SHOWS_LOG = frozenset({GateState.FAILED, GateState.TIMED_OUT, GateState.CRASHED, GateState.BROKEN})
_HELD = {  # what a breaker's state means for the tests that have not ended
    "open": "{} held back",
    "half-open": "of {} some are tried",
    "closed": "{} to go",
    "broken": "{} not run",
}
_CODES = {2: "collection errors", 3: "an internal error", 4: "a usage error", 5: "nothing to run"}


class Write(Protocol):
    """Writes one line; ``markup`` is any of red, green, yellow, bold."""

    def __call__(self, text: str, /, **markup: bool) -> object: ...


class PlainReport:
    """A subscriber that tells the run line by line.

    ``width`` in characters bounds the table.  ``unicode``: the stream can take characters
    beyond ASCII; without it they show as their codes.  While ``beside_tree()``, changes of
    gates are left to the live tree, but for those that went wrong.  Where logs do not
    outlive the run (``logs_stay``) no path is told.  Without ``shows_logs`` somebody else shows them.
    """

    name = NAME

    def __init__(
        self,
        write: Write,
        *,
        width: int = 80,
        unicode: bool = True,
        beside_tree: Callable[[], bool] = lambda: False,
        logs_stay: bool = True,
        shows_logs: bool = True,
    ) -> None:
        self._write = write
        self._beside_tree = beside_tree
        self._logs_stay = logs_stay
        self._shows_logs = shows_logs
        self._width = width
        self._unicode = unicode
        self._name_width = 0
        self._bad: set[str] = set()
        self._reruns: Counter[str] = Counter()

    def handle(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._begin(event)
        elif isinstance(event, GateStarted):
            slots = ", ".join(f"gw{slot}" for slot in event.slots)
            self._change(event.at, event.gate, "started", slots, lasting=False)
        elif isinstance(event, GateBecameReady):
            self._change(event.at, event.gate, "ready", "", lasting=False)
        elif isinstance(event, GateWillRetry):
            self._again(event)
        elif isinstance(event, TestWillRetry):
            self._test_again(event)
        elif isinstance(event, BreakerChanged):
            self._breaker(event)
        elif isinstance(event, GateFinished):
            self._finish(event.at, event.report)
        elif isinstance(event, Noticed):
            self._line(event.at, f"note: {self._safe(event.text)}", yellow=True)
        elif isinstance(event, WorkerStopped):
            if event.reason is not None:
                self._line(event.at, f"{event.worker} was lost: {self._safe(event.reason)}", yellow=True)
        elif isinstance(event, RunFinished):
            self._close(event.result)

    # --- while it runs -----------------------------------------------------------

    def _begin(self, event: RunStarted) -> None:
        widest = max((len(gate.name) for gate in event.gates), default=0)
        self._name_width = min(widest, _NAME_WIDTH)
        if event.gates:
            self._line(event.at, f"{plural(len(event.gates), 'gate')}, {plural(event.workers, 'worker')}")

    def _again(self, event: GateWillRetry) -> None:
        why = f": {self._safe(event.reason)}" if event.reason else ""
        pause = f" in {duration(event.pause_s)}" if event.pause_s else ""
        text = f"attempt {event.attempt} of {event.most}{why}; again{pause}"
        self._change(event.at, event.gate, event.state.value, text, lasting=True, yellow=True)

    def _test_again(self, event: TestWillRetry) -> None:
        self._reruns[event.gate] += 1
        if self._reruns[event.gate] > _SHOWN_RERUNS:
            return
        pause = f" in {duration(event.pause_s)}" if event.pause_s else ""
        test = self._safe(event.collected.nodeid(event.result.index))
        text = f"{test}: attempt {event.attempt} of {event.most} {event.state.value}; again{pause}"
        if self._reruns[event.gate] == _SHOWN_RERUNS:
            text += " (further ones are not shown)"
        self._change(event.at, event.gate, "retry", text, lasting=False, yellow=True)

    def _breaker(self, event: BreakerChanged) -> None:
        change = event.change
        text = f"breaker: {self._safe(change.reason)}"
        if event.held:
            text += f"; {_HELD[change.after.value].format(plural(event.held, 'test'))}"
        if change.wakes_at is not None:
            text += f"; tried again in {duration(change.wakes_at - event.at)}"
        closed = change.after.value == "closed"
        self._change(event.at, event.gate, change.after.value, text, lasting=True, yellow=not closed)

    def _finish(self, at: float, report: GateReport) -> None:
        details = [] if report.started_s is None else [duration(report.wall_s)]
        if report.attempts > 1:
            details.append(plural(report.attempts, "attempt"))
        if results := _results(report):
            details.append(results)
        text = ", ".join(details)
        if not report.state.good:
            self._bad.add(report.name)
            text += " (not required)" if not report.required else ""
        if reason := report.reason or self._culprits(report):
            text += f": {self._safe(reason)}" if text else self._safe(reason)
        stopped = report.is_service and report.state is GateState.PASSED
        word = "stopped" if stopped else report.state.value
        lasting = not (report.state.good or report.state.follows)
        self._change(at, report.name, word, text.lstrip(), lasting=lasting, **_markup(report))

    def _culprits(self, report: GateReport) -> str | None:
        names = [need for need in report.needs if need in self._bad]
        return f"needs {', '.join(names)}" if report.state is GateState.SKIPPED and names else None

    def _change(
        self, at: float, gate: str, word: str, details: str, *, lasting: bool, **markup: bool
    ) -> None:
        if self._beside_tree() and not lasting:
            return
        text = f"{gate:{self._name_width}}  {word:{_STATE_WIDTH}}  {details}"
        self._line(at, text, **markup)

    def _line(self, at: float, text: str, **markup: bool) -> None:
        self._write(f"[{at:5.1f}s] {text}".rstrip(), **markup)

    def _safe(self, text: str) -> str:
        return clip(harmless(text, unicode=self._unicode), _REASON_WIDTH)

    # --- at the end --------------------------------------------------------------

    def _close(self, result: RunResult) -> None:
        for report in result.gates if self._shows_logs else ():
            if report.log_path is not None and report.state in _SHOWS_LOG:
                self._log(report, report.log_path)
        if result.gates:
            self._write("")
            self._table(result)
            self._schedule(result)
        self._verdict(result)

    def _log(self, report: GateReport, path: str) -> None:
        self._write("")
        shown = f", its log: {harmless(_from_here(path), unicode=self._unicode)}" if self._logs_stay else ":"
        self._write(f"{report.name} {report.state.value}{shown}", bold=True)
        for line in _findings(report):
            self._write(f"  {self._safe(line)}")
        if any(finding.severity == "error" for finding in report.findings):
            return
        # Findings that fail nothing may stand beside what did: a tool that broke down says so at its end.
        try:
            lines = tail(path, unicode=self._unicode) or ["(no output)"]
        except OSError as error:
            lines = [f"(the log cannot be read: {error.strerror})"]
        for line in lines:
            self._write(f"{report.name} | {line}".rstrip())

    def _table(self, result: RunResult) -> None:
        rows = [("gate", "state", "tests", "wall", "work"), *(_row(report) for report in result.gates)]
        head, *lines = columns(rows, align="<<<>>", width=self._width)
        self._write(head, bold=True)
        for report, line in zip(result.gates, lines, strict=True):
            self._write(line, **_markup(report))

    def _schedule(self, result: RunResult) -> None:
        schedule = result.schedule
        if result.wall_s <= 0 or schedule.work_s <= 0:
            return
        speedup = schedule.work_s / result.wall_s
        self._write("")
        self._write(
            f"{duration(schedule.work_s)} of work in {duration(result.wall_s)}"
            f" on {plural(result.workers, 'worker')}: speedup {speedup:.2f}"
        )
        arrow = " \u2192 " if self._unicode else " -> "
        path = f": {arrow.join(schedule.critical_path)}" if schedule.critical_path else ""
        self._write(
            f"lower bound {duration(schedule.lower_bound_s)}, efficiency {percent(schedule.efficiency)};"
            f" critical path {duration(schedule.critical_path_s)}{path}"
        )

    def verdict_line(self, result: RunResult) -> str:
        """Whether the change may merge, and why not."""
        text = result.verdict + (f" (exit code {result.exit_code})" if result.exit_code else "")
        if why := self._why(result):
            text += f": {why}"
        if spared := _ends(report for report in result.gates if not (report.required or report.state.good)):
            text += f"; not required: {_listed(spared)}"
        return text

    def _verdict(self, result: RunResult) -> None:
        colour = {"passed": "green", "interrupted": "yellow"}.get(result.verdict, "red")
        self._write("")
        self._write(self.verdict_line(result), bold=True, **{colour: True})

    def _why(self, result: RunResult) -> str:
        if result.verdict == "passed":
            good = sum(report.state.good for report in result.gates)
            return f"{good} of {plural(len(result.gates), 'gate')} good" if result.gates else "no gates"
        reason = self._safe(result.stop_reason) if result.stop_reason is not None else ""
        if result.verdict == "interrupted":
            return reason
        bad = _ends(result.culprits)
        lost = [self._safe(_from_here(path)) for path in result.missing]
        missing = f"{_listed(lost)} could not be written" if lost else ""
        return "; ".join(filter(None, [_listed(bad), reason, missing])) or _CODES.get(result.exit_code, "")


def _from_here(path: str) -> str:
    """``path`` as it can be typed from the working directory."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (OSError, ValueError):
        return path


def _ends(reports: Iterable[GateReport]) -> list[str]:
    return [f"{report.name} {report.state.value}" for report in reports]


def _row(report: GateReport) -> tuple[str, str, str, str, str]:
    bad_but_spared = not (report.required or report.state.good)
    state = report.state.value + (" (not required)" if bad_but_spared else "")
    if report.started_s is None:
        return report.name, state, _results(report), "-", "-"
    work = "-" if report.is_service else duration(report.work_s)
    return report.name, state, _results(report), duration(report.wall_s), work


def _results(report: GateReport) -> str:
    """The outcomes of its tests, or how much a tool found."""
    found = len(report.findings) + report.more_findings
    return counts(report.counts) or (plural(found, "finding") if found else "")


def _findings(report: GateReport) -> list[str]:
    shown = render(report.findings)
    hidden = len(shown) + report.more_findings - _SHOWN_FINDINGS
    return [*shown[:_SHOWN_FINDINGS], f"and {hidden:,} more"] if hidden > 0 else shown


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED_CULPRITS
    text = ", ".join(names[:_NAMED_CULPRITS])
    return f"{text} and {more} more" if more > 0 else text


def _markup(report: GateReport) -> dict[str, bool]:
    if report.state is GateState.FLAKY:
        return {"yellow": True}
    if report.state.good:
        return {"green": True}
    spared = not report.required or report.state in (GateState.SKIPPED, GateState.CANCELLED)
    return {"yellow": True} if spared else {"red": True}
