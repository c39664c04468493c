"""What a run tells GitHub's runner: annotations, and a group of the log for each gate.

Made of events alone.  Who prints the lines lifts what keeps the runner from taking orders
(`plugin.fence`); what tests and tools said stands in them harmless, behind the name of its gate, and
where no orders are taken.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    GateReport,
    RunFinished,
    RunResult,
    RunStarted,
    TestsWereRun,
    TestWasLost,
)
from pytest_batchgate.core.model import Finding, Gate, GateState
from pytest_batchgate.core.protocol import CollectedFile
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.report.annotations import (
    MOST_MESSAGE,
    Annotation,
    Level,
    chosen,
    escaped,
    order,
)
from pytest_batchgate.report.findings import render
from pytest_batchgate.report.testrows import FAILED, GatesOfTests
from pytest_batchgate.report.told import Teller
from pytest_batchgate.report.words import clip, counts, duration, harmless, plural

_KEPT = 500  # failures of a gate whose words are kept; the others are counted
_LINE = 500  # characters of a line in a group
_MOST_LINES = 100  # of failures, and of findings, in a group
_LOG_LINES = 500  # of a gate that is not good
_QUIET_LOG_LINES = 50  # of one that is
_WHERE = re.compile(r"(?P<file>.+):(?P<line>\d+)")
_CODES = {2: "collection errors", 3: "an internal error", 4: "a usage error", 5: "nothing to run"}
# A gate in one of these says more than its tests or findings do.
_OF_ITSELF = frozenset({GateState.TIMED_OUT, GateState.CRASHED, GateState.BROKEN, GateState.EMPTY})
_SEVERITIES: dict[str, Level] = {"error": "error", "warning": "warning", "note": "notice"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A part of the log that is folded.  ``lines`` are harmless."""

    title: str
    lines: tuple[str, ...]


@dataclass(slots=True, eq=False)
class _Failure:
    gate: str
    nodeid: str
    outcome: str
    message: str
    path: str
    line: int | None


Tail = Callable[[str, int], Sequence[str]]
"""The last lines of a log, harmless, at most so many.  Raises OSError."""


class GithubReport:
    """A subscriber that hands groups and workflow commands to ``speak`` when the run has finished.

    ``most``: annotations of a level, 0..10.  ``place``: a path, relative to the rootdir or absolute, as
    seen from the repository's top, None outside of it.  ``changed``: those of the change, so seen.
    Without ``groups`` there are none.
    """

    name = "GitHub's annotations"

    def __init__(
        self,
        speak: Callable[[Sequence[Group], Sequence[str]], object],
        teller: Teller,
        *,
        tail: Tail,
        most: int,
        place: Callable[[str], str | None],
        changed: Callable[[], Collection[str]] = tuple,
        groups: bool = True,
        unicode: bool = True,
    ) -> None:
        self._speak = speak
        self._teller = teller
        self._tail = tail
        self._most = most
        self._place = place
        self._changed = changed
        self._groups = groups
        self._unicode = unicode
        self._gates: dict[str, Gate] = {}
        self._tests = GatesOfTests(RunStarted(0.0, (), 0))
        self._failures: dict[tuple[int, int], _Failure] = {}
        self._flaky: list[_Failure] = []
        self._failed: Counter[str] = Counter()  # by gate
        self._kept: list[CollectedFile] = []  # whose identity stands in `_failures`
        self._broken: list[Annotation] = []  # files that could not be collected

    def handle(self, event: Event) -> None:
        """Of TestsWereRun only what did not pass is looked at."""
        if isinstance(event, TestsWereRun):
            for result in event.results:
                key = (id(event.collected), result.index)
                if result.outcome in FAILED:
                    told = self._teller.told(event, result)
                    self._fail(event.collected, result.index, result.outcome, told.message, told.line)
                elif self._failures and key in self._failures:
                    self._mend(key)
        elif isinstance(event, TestWasLost):
            if event.outcome in FAILED:
                self._fail(event.collected, event.index, event.outcome, event.reason, None)
        elif isinstance(event, FileWasCollected):
            if event.collected.errors:
                self._break(event.collected)
        elif isinstance(event, RunStarted):
            self._tests = GatesOfTests(event)
            self._gates = {str(gate.name): gate for gate in event.gates}
        elif isinstance(event, RunFinished):
            groups = self.groups(event.result) if self._groups else []
            self._speak(groups, self.orders(event.result))

    def _fail(
        self, collected: CollectedFile, index: int, outcome: str, message: str, line: int | None
    ) -> None:
        gate = self._tests.name(collected, index)
        key = (id(collected), index)
        if key not in self._failures:
            self._failed[gate] += 1
            if self._failed[gate] > _KEPT:
                return
        if not (self._kept and self._kept[-1] is collected):
            self._kept.append(collected)
        path, defined = self._teller.place(collected, index)
        self._failures[key] = _Failure(
            gate, collected.nodeid(index), outcome, message[:MOST_MESSAGE], path, line or defined
        )

    def _mend(self, key: tuple[int, int]) -> None:
        failure = self._failures.pop(key)
        self._failed[failure.gate] -= 1
        if len(self._flaky) < _KEPT:
            self._flaky.append(failure)

    def _break(self, collected: CollectedFile) -> None:
        if len(self._broken) < _KEPT:
            texts = self._teller.collection_errors(collected)
            text = "\n\n".join(texts)
            self._broken.append(
                Annotation(
                    level="error",
                    gate="",
                    title=f"{collected.file} cannot be collected",
                    message=text[-MOST_MESSAGE // 2 :],
                    path=collected.file,
                    line=_line_in(text, collected.file),
                )
            )

    # --- annotations ------------------------------------------------------------------

    def orders(self, result: RunResult) -> list[str]:
        """The workflow commands that annotate, the worst first."""
        found = list(self._found(result))
        if result.verdict != "passed" and not any(each.level == "error" for each in found):
            found.append(_of_the_run(result))
        more: Counter[Level] = Counter()
        for report in result.gates:
            left = report.more_findings + max(0, self._failed[report.name] - _KEPT)
            more["error" if report.fails_run else "warning"] += left
        worst = result.culprits
        gates = [report.name for report in worst] + [report.name for report in result.gates]
        picked = chosen(
            found,
            most=self._most,
            gates=list(dict.fromkeys(gates)),
            more=more,
            changed=self._changed_paths(found),
        )
        return [order(annotation, self._place, unicode=self._unicode) for annotation in picked]

    def _changed_paths(self, found: Iterable[Annotation]) -> Callable[[], Collection[str]]:
        """The paths of annotations that are of the change."""

        def paths() -> Collection[str]:
            changed = frozenset(self._changed())
            mine = {annotation.path for annotation in found if annotation.path is not None}
            return frozenset(path for path in mine if self._place(path) in changed)

        return paths

    def _found(self, result: RunResult) -> Iterator[Annotation]:
        yield from self._broken
        required = {report.name for report in result.gates if report.required}
        for failure in self._failures.values():
            yield Annotation(
                level="error" if failure.gate in required or not failure.gate else "warning",
                gate=failure.gate,
                title=f"{failure.gate}: {failure.nodeid} {_outcome(failure.outcome)}",
                message=failure.message,
                path=failure.path,
                line=failure.line,
                rank=1,
            )
        for failure in self._flaky:
            yield Annotation(
                level="notice",
                gate=failure.gate,
                title=f"{failure.gate}: {failure.nodeid} is flaky",
                message=f"It passed on a retry. At first: {failure.message}",
                path=failure.path,
                line=failure.line,
                rank=1,
            )
        failing = {failure.gate for failure in self._failures.values()}
        for report in result.gates:
            yield from self._of_gate(report, has_failures=report.name in failing)

    def _of_gate(self, report: GateReport, *, has_failures: bool) -> Iterator[Annotation]:
        errors = False
        for finding in report.findings:
            level = _SEVERITIES[finding.severity]
            if level == "error" and not report.fails_run:
                level = "warning"  # it fails nothing
            errors = errors or finding.severity == "error"
            yield _of_finding(report.name, finding, level)
        if report.state.good or report.state.follows:
            return
        if (errors or has_failures) and report.state not in _OF_ITSELF:
            return
        lines = [report.reason] if report.reason else []
        if report.kind == "command":
            with_log = self._log(report, 20)
            lines += ["", *with_log] if lines and with_log else with_log
        gate = self._gates.get(report.name)
        where = _WHERE.fullmatch(gate.where) if gate is not None and gate.where else None
        yield Annotation(
            level="error" if report.required else "warning",
            gate=report.name,
            title=f"{report.name} {report.state.value}",
            message="\n".join(lines),
            path=where["file"] if where else None,
            line=int(where["line"]) if where else None,
        )

    def _log(self, report: GateReport, most: int) -> list[str]:
        if report.log_path is None:
            return []
        try:
            return list(self._tail(report.log_path, most))
        except OSError as error:
            return [f"(the log cannot be read: {error.strerror})"]

    # --- groups -----------------------------------------------------------------------

    def groups(self, result: RunResult) -> list[Group]:
        """One for each gate that ran, in the order of the configuration."""
        return [self._group(report) for report in result.gates if report.started_s is not None]

    def _group(self, report: GateReport) -> Group:
        name = str(report.name)
        found = len(report.findings) + report.more_findings
        about = counts(report.counts) or (plural(found, "finding") if found else "")
        head = f"{name} {report.state.value}, {duration(report.wall_s)}"
        lines = [f"needs {', '.join(report.needs)}"] if report.needs else []
        if report.reason:
            lines.append(report.reason)
        if report.kind == "tests":
            lines += self._failed_lines(name)
            lines = lines or [about or "no tests"]
        else:
            shown = render(report.findings[: 2 * _MOST_LINES])
            lines += shown[:_MOST_LINES]
            if found > _MOST_LINES:
                lines.append(f"and {found - _MOST_LINES:,} more")
            lines += self._log(report, _QUIET_LOG_LINES if report.state.good else _LOG_LINES)
            lines = lines or ["(no output)"]
        shown = [f"{name} | {clip(harmless(line, unicode=self._unicode), _LINE)}".rstrip() for line in lines]
        return Group(title=f"{head}, {about}" if about else head, lines=tuple(shown))

    def _failed_lines(self, gate: str) -> list[str]:
        mine = [failure for failure in self._failures.values() if failure.gate == gate]
        lines = []
        for failure in mine[:_MOST_LINES]:
            place = f" ({failure.path}:{failure.line})" if failure.line is not None else ""
            first = failure.message.lstrip().partition("\n")[0]
            lines.append(f"{_outcome(failure.outcome)} {failure.nodeid}{place}: {first}")
        left = self._failed[gate] - len(lines)
        return [*lines, f"and {left:,} more"] if len(lines) == _MOST_LINES and left > 0 else lines


def script(groups: Iterable[Group], orders: Iterable[str], word: Callable[[], str]) -> list[str]:
    """The lines to print while the runner takes orders.

    ``word``: a new one with each call, that nobody else knows.  What a group holds stands
    where no orders are taken.
    """
    lines: list[str] = []
    for group in groups:
        key = word()
        lines += [f"::group::{escaped(group.title)}", f"::stop-commands::{key}"]
        lines += [*group.lines, f"::{key}::", "::endgroup::"]
    return [*lines, *orders]


def _outcome(outcome: str) -> str:
    return "failed" if outcome == "failed" else "ended with an error"


def _of_finding(gate: str, finding: Finding, level: Level) -> Annotation:
    return Annotation(
        level=level,
        gate=gate,
        title=f"{gate}: {finding.rule}" if finding.rule else gate,
        message=finding.message[:MOST_MESSAGE],
        path=finding.path,
        line=finding.line,
        column=finding.column,
        rank=1,
    )


def _of_the_run(result: RunResult) -> Annotation:
    bad = ", ".join(f"{report.name} {report.state.value}" for report in result.culprits[:10])
    why = "; ".join(filter(None, [bad, result.stop_reason])) or _CODES.get(result.exit_code, "")
    return Annotation(
        level="error",
        gate="",
        title=f"gates {result.verdict}",
        message=why or f"exit code {result.exit_code}",
    )


def _line_in(text: str, file: str) -> int | None:
    """The last line of ``file`` that a traceback, Python's or pytest's, names."""
    found = re.findall(rf'{re.escape(file)}(?::|", line )(\d{{1,7}})', text)
    return int(found[-1]) if found else None
