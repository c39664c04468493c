"""`summary.md`: what a reviewer wants to know, for a job summary or a comment.

The verdict first, the gates as a table and over time, then failures and findings, folded.  Never
over `MOST_BYTES`: what does not fit is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

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
from pytest_batchgate.core.model import GateState
from pytest_batchgate.core.protocol import CollectedFile
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.report.because import because
from pytest_batchgate.report.findings import render
from pytest_batchgate.report.markdown import code, drawn, fenced, folded, table
from pytest_batchgate.report.testrows import FAILED, GatesOfTests
from pytest_batchgate.report.told import Teller
from pytest_batchgate.report.words import counts, duration, percent, plural

MOST_BYTES = 128 * 1024  # GitHub takes 1 MiB for all steps of a job together
_MOST_ROWS = 100
_MOST_BARS = 60  # a chart with more cannot be read
_MOST_FAILURES = 100  # with their texts
_MOST_FINDINGS = 50  # of a gate
_NAME = 60  # characters of a gate's name, where it must not widen a table or leave a chart
_TEXT = 4_000  # characters kept of a failure
_RESERVE = 500  # bytes, for the line that says what was left out
_VERDICTS = {"passed": "\N{WHITE HEAVY CHECK MARK} Passed", "interrupted": "\N{OCTAGONAL SIGN} Interrupted"}
_FAILED = "\N{CROSS MARK} Failed"
_WARNING = "\N{WARNING SIGN}\N{VARIATION SELECTOR-16}"  # the second makes a picture of it, as the others are
# When a chart begins.  Without a zone, as the reader's browser takes it and shows it: counted from 1970 the
# axis of a reader in India would begin at half past.
_MIDNIGHT = datetime(2000, 1, 1)  # noqa: DTZ001
# Up to which second, in what the axis counts, and how: about ten marks, and no two of them the same.
_AXES = ((10, "seconds", "%-S.%L"), (3600, "minutes and seconds", "%-M:%S"))
_LONG_AXIS = ("hours and minutes", "%-H:%M")


@dataclass(slots=True, eq=False)
class _Failure:
    nodeid: str
    gate: str
    message: str
    text: str
    outcome: str


class Summary:
    """A subscriber that hands the page to ``write`` when the run has finished."""

    name = "summary.md"

    def __init__(self, write: Callable[[bytes], object], teller: Teller) -> None:
        self._write = write
        self._teller = teller
        self._gates = GatesOfTests(RunStarted(0.0, (), 0))
        self._failures: dict[tuple[int, int], _Failure] = {}
        self._flaky: list[tuple[str, str]] = []  # node id, gate
        self._kept: list[CollectedFile] = []  # whose identity stands in `_failures`
        self._broken: list[tuple[str, str]] = []  # files that could not be collected, and why

    def handle(self, event: Event) -> None:
        """Of TestsWereRun only what did not pass is looked at."""
        if isinstance(event, TestsWereRun):
            for result in event.results:
                key = (id(event.collected), result.index)
                if result.outcome in FAILED:
                    told = self._teller.told(event, result)
                    self._fail(event.collected, result.index, result.outcome, told.message, told.text)
                elif self._failures and key in self._failures:
                    failure = self._failures.pop(key)
                    self._flaky.append((failure.nodeid, failure.gate))
        elif isinstance(event, TestWasLost):
            if event.outcome in FAILED:
                self._fail(event.collected, event.index, event.outcome, event.reason, "")
        elif isinstance(event, FileWasCollected):
            if event.collected.errors:
                texts = self._teller.collection_errors(event.collected)
                self._broken.append((event.collected.file, "\n\n".join(texts)[-_TEXT:]))
        elif isinstance(event, RunStarted):
            self._gates = GatesOfTests(event)
        elif isinstance(event, RunFinished):
            self._write(self.page(event.result).encode("utf-8", "backslashreplace"))

    def _fail(self, collected: CollectedFile, index: int, outcome: str, message: str, text: str) -> None:
        if not (self._kept and self._kept[-1] is collected):
            self._kept.append(collected)
        text = text[-_TEXT:] if len(self._failures) < _MOST_FAILURES else ""
        gate = self._gates.name(collected, index)
        self._failures[id(collected), index] = _Failure(
            collected.nodeid(index), gate, message[:_TEXT], text, outcome
        )

    # --- the page ---------------------------------------------------------------------

    def page(self, result: RunResult) -> str:
        """The whole text; public for the job summary."""
        page = _verdict(result)
        for part in (_gates_table(result.gates), _schedule(result), _gantt(result)):
            if part and _size(page) + _size(part) < MOST_BYTES - _RESERVE:
                page += f"\n\n{part}"
        for title, pieces, total in self._sections(result):
            page += _fitting(title, pieces, total, MOST_BYTES - _size(page))
        return page + "\n"

    def _sections(self, result: RunResult) -> list[tuple[str, Iterable[str], int]]:
        """Title, pieces (made as there is room for them), and how many there would be of them all."""
        failures = list(self._failures.values())
        # of a gate that may fail, a failure bears on nothing
        required = {report.name for report in result.gates if report.required}
        failures.sort(key=lambda failure: failure.gate not in required)
        tests = (_failure_piece(failure) for failure in failures[:_MOST_FAILURES])
        files = (
            folded(f"{code(file)} could not be collected", fenced(text))
            for file, text in self._broken[:_MOST_FAILURES]
        )
        flaky = (f"- {code(nodeid)} of {code(gate)}" for nodeid, gate in self._flaky[:_MOST_FAILURES])
        found = [report for report in result.gates if report.findings]
        return [
            ("Files that could not be collected", files, len(self._broken)),
            ("Tests that failed", tests, len(failures)),
            ("Tests that passed on a retry", flaky, len(self._flaky)),
            ("Gates with findings", map(_findings_piece, found), len(found)),
        ]


def _verdict(result: RunResult) -> str:
    title = _VERDICTS.get(result.verdict, _FAILED)
    line = f"## {title}: {because(result, code)}"
    about = [duration(result.wall_s), plural(result.workers, "worker"), f"exit code {result.exit_code}"]
    if result.stop_reason:
        about.append(f"stopped: {code(result.stop_reason)}")
    return f"{line}\n\n{', '.join(about)}"


def _gates_table(gates: Sequence[GateReport]) -> str:
    if not gates:
        return ""
    shown = list(gates)
    if len(shown) > _MOST_ROWS:
        shown = sorted(gates, key=lambda report: report.state.good)[:_MOST_ROWS]
    rows = [
        [
            _sign(report),
            code(report.name, _NAME),
            report.state.value + ("" if report.required else " (not required)"),
            _results(report),
            duration(report.wall_s) if report.started_s is not None else "-",
            code(report.reason, 80) if report.reason else "",
        ]
        for report in shown
    ]
    text = table(["", "gate", "state", "results", "time", "why"], rows, align="<<<<><")
    left = len(gates) - len(shown)
    return text + (f"\n\nand {plural(left, 'more gate')}" if left else "")


def _sign(report: GateReport) -> str:
    if report.state is GateState.FLAKY:
        return _WARNING
    if report.state.good:
        return "\N{WHITE HEAVY CHECK MARK}"
    return "\N{CROSS MARK}" if report.required and not report.state.follows else _WARNING


def _results(report: GateReport) -> str:
    found = len(report.findings) + report.more_findings
    return counts(report.counts) or (plural(found, "finding") if found else "")


def _schedule(result: RunResult) -> str:
    schedule = result.schedule
    if result.wall_s <= 0 or schedule.work_s <= 0:
        return ""
    path = " \N{RIGHTWARDS ARROW} ".join(map(code, schedule.critical_path[:20]))
    return (
        f"{duration(schedule.work_s)} of work in {duration(result.wall_s)}, "
        f"efficiency {percent(schedule.efficiency)}; critical path {duration(schedule.critical_path_s)}"
        + (f": {path}" if path else "")
    )


def _gantt(result: RunResult) -> str:
    """Each gate from its start to its end."""
    started = [report for report in result.gates if report.started_s is not None]
    started.sort(key=lambda report: -report.wall_s)
    shown = started[:_MOST_BARS]
    if not shown:
        return ""
    shown.sort(key=lambda report: report.started_s or 0.0)
    end_s = max((report.started_s or 0.0) + report.wall_s for report in shown)
    unit, axis = next(((unit, axis) for most_s, unit, axis in _AXES if end_s < most_s), _LONG_AXIS)
    lines = [
        "gantt",
        f"  title Gates over time ({unit})",
        "  dateFormat YYYY-MM-DD HH:mm:ss.SSS",
        f"  axisFormat {axis}",
        "  todayMarker off",
    ]
    lines += [_bar(place, report, result) for place, report in enumerate(shown)]
    chart = "\n".join(["```mermaid", *lines, "```"])
    left = len(started) - len(shown)
    return chart + (f"\n\nand {plural(left, 'shorter gate')}" if left else "")


def _bar(place: int, report: GateReport, result: RunResult) -> str:
    begin = _MIDNIGHT + timedelta(milliseconds=round((report.started_s or 0.0) * 1000))
    wall_ms = max(1, round(report.wall_s * 1000))
    if not report.state.good:
        tag = "crit"
    else:
        tag = "active" if report.name in result.schedule.critical_path else "done"
    # a bar's text must not begin with a keyword, as a gate called `section` would
    sign = "\N{CHECK MARK}" if report.state.good else "\N{BALLOT X}"
    times = f"{begin.isoformat(' ', 'milliseconds')}, {wall_ms}ms"
    return f"  {sign} {drawn(report.name, _NAME)} :{tag}, g{place}, {times}"


def _failure_piece(failure: _Failure) -> str:
    head = f"{code(failure.nodeid)}: {code(failure.message.partition(chr(10))[0])}"
    return folded(head, fenced(failure.text or failure.message))


def _findings_piece(report: GateReport) -> str:
    lines = render(report.findings)
    total = len(lines) + report.more_findings
    text = "\n".join(lines[:_MOST_FINDINGS])
    content = fenced(text, most_lines=_MOST_FINDINGS, most=20_000)
    if total > _MOST_FINDINGS:
        content += f"\n\nand {total - _MOST_FINDINGS:,} more"
    return folded(f"{code(report.name)}: {plural(total, 'finding')}", content)


def _fitting(title: str, pieces: Iterable[str], total: int, room: int) -> str:
    """A section with as many of its pieces as there is room for, in bytes."""
    if not total:
        return ""
    text = f"\n\n### {title} ({total:,})"
    room -= _size(text) + _RESERVE
    taken = 0
    for piece in pieces:
        size = _size(piece) + 2
        if size > room:
            break
        text += f"\n\n{piece}" if piece.startswith("<") else f"\n{piece}"
        room -= size
        taken += 1
    if room < 0:
        return ""
    return text + (f"\n\nand {total - taken:,} more" if total > taken else "")


def _size(text: str) -> int:
    """In bytes, as it is written."""
    return len(text.encode("utf-8", "backslashreplace"))
