"""`junit.xml`: one suite per gate, kept whole and current while the run goes on.

Tests are cases of their gate; a command is one case, with what its tool found.  A tests gate that
fails with no test to blame has a case of its own name that says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import field
from typing import Any

from junitparser.xunit2 import JUnitXml, TestSuite

from pytest_batchgate.core.agreed import path_matches
from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    GateFinished,
    GateReport,
    GateStarted,
    GateWillRetry,
    RunFinished,
    RunStarted,
    TestsWereCarried,
    TestsWereRun,
    TestWasLost,
)
from pytest_batchgate.core.model import Gate, GateState, Tests
from pytest_batchgate.core.protocol import CollectedFile
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.report.findings import render
from pytest_batchgate.report.junitcases import (
    Case,
    PassedCases,
    case_xml,
    clean,
    escaped,
    names,
    property_lines,
)
from pytest_batchgate.report.rewriter import PAUSE_S, Rewriter
from pytest_batchgate.report.tail import tail
from pytest_batchgate.report.testrows import GatesOfTests, TestRows, sound_s
from pytest_batchgate.report.told import NOTHING, Teller, Told

_NEW_SUITE: Any = TestSuite  # it has no types
# How a gate that is not good shows, by its state.
_SHOWN_AS = {
    GateState.SKIPPED: "skipped",
    GateState.CANCELLED: "skipped",
    GateState.FAILED: "failed",
    GateState.TIMED_OUT: "error",
    GateState.CRASHED: "error",
    GateState.BROKEN: "error",
    GateState.EMPTY: "error",
}
_CARRIED = Told(message="as in the run before", properties=(("carried", "true"),))
_FOUND_MOST = 500  # findings in a case; SARIF has them all


@dataclass(slots=True, eq=False)
class _Suite:
    """A gate's cases, rendered, and their sums."""

    gate: Gate
    bodies: list[bytes] = field(default_factory=list)
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    time_s: float = 0.0
    tries: list[tuple[str, Told]] = field(default_factory=list)  # of a command, but the last
    state: str = GateState.WAITING.value
    properties: dict[str, str] = field(default_factory=dict)

    def count(self, case: Case, sign: int = 1) -> None:
        self.failures += sign * case.count("failed")
        self.errors += sign * case.count("error")
        self.skipped += sign * case.count("skipped", "xfailed")
        self.time_s += sign * case.duration_s


@dataclass(slots=True, eq=False)
class _Reported:
    """Where a test's case stands; ``case`` is None for a plain pass, which is rendered at once."""

    place: int
    duration_s: float
    case: Case | None


class JunitReport:
    """A subscriber that keeps the file current by ``write``, which replaces it.

    ``started_unix_s``: what 0 on the run's clock is.  ``pause_s``: between two writes, at least.
    """

    name = "junit.xml"

    def __init__(
        self,
        write: Callable[[bytes], object],
        teller: Teller,
        *,
        started_unix_s: float,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._teller = teller
        self._started_unix_s = started_unix_s
        self._gates = GatesOfTests(RunStarted(0.0, (), 0))
        self._suites: dict[str, _Suite] = {}
        self._tests: TestRows[_Reported] = TestRows()
        self._passed = PassedCases()
        self._common: dict[tuple[str, str], str] = {}  # property lines that tests share
        self._rewriter = Rewriter(self.composed, write, name=self.name, pause_s=pause_s)

    def handle(self, event: Event) -> None:
        """Everything but the first and the last write is done by another thread."""
        if isinstance(event, RunFinished):
            self._rewriter.finish()
            return
        with self._rewriter.lock:
            changed = self._take_in(event)
        if isinstance(event, RunStarted):
            self._rewriter.begin()
        elif changed:
            self._rewriter.touch()

    def close(self) -> None:
        """Where the run did not come to its end."""
        self._rewriter.close()

    def _take_in(self, event: Event) -> bool:
        if isinstance(event, TestsWereRun):
            self._add_results(event)
        elif isinstance(event, TestWasLost):
            if event.outcome == "not_run":
                return False
            told = Told(message=event.reason, text="" if event.outcome == "skipped" else event.reason)
            self._add(event.collected, event.index, event.outcome, 0.0, event.worker, told)
        elif isinstance(event, TestsWereCarried):
            for result in event.results:
                self._add(event.collected, result.index, result.outcome, result.duration_s, None, _CARRIED)
        elif isinstance(event, FileWasCollected):
            if not event.collected.errors:
                return False
            self._add_collection_errors(event)
        elif isinstance(event, GateFinished):
            self._finish(event.report)
        elif isinstance(event, GateWillRetry):
            outcome = "failed" if event.state is GateState.FAILED else "error"
            self._suites[event.gate].tries.append((outcome, Told(message=event.reason or event.state.value)))
        elif isinstance(event, GateStarted):
            self._suites[event.gate].state = GateState.RUNNING.value
        elif isinstance(event, RunStarted):
            self._gates = GatesOfTests(event)
            self._suites = {str(gate.name): _Suite(gate) for gate in event.gates}
        else:
            return False
        return True

    # --- tests ------------------------------------------------------------------------

    def _add_results(self, event: TestsWereRun) -> None:
        """The hot path: a plain pass costs about as much as its text."""
        collected, worker, tests, teller = event.collected, event.worker, self._tests, self._teller
        places = tests.places(collected)
        for result in event.results:
            index, outcome, took_s, _payload, _text = result
            duration_s = sound_s(took_s)
            told = teller.told(event, result)
            if outcome != "passed" or told is not NOTHING or places[index] >= 0:
                self._add(collected, index, outcome, duration_s, worker, told)
                continue
            suite = self._suites[self._gates.name(collected, index)]
            file, line = teller.place(collected, index)
            said = self._common.get((worker, file)) or self._common_lines(worker, file)
            if line is not None:
                said = f"[[PROPERTY|line={line}]]\n{said}"
            tests.add(places, index, _Reported(len(suite.bodies), duration_s, None))
            suite.bodies.append(self._passed.render(collected.nodeid(index), duration_s, said))
            suite.time_s += duration_s

    def _common_lines(self, worker: str, file: str) -> str:
        """What tests of a file say alike, escaped."""
        lines = property_lines([("file", file), ("worker", worker), ("attempt", 1)])
        said = self._common[worker, file] = "\n".join(map(escaped, lines.splitlines()))
        return said

    def _add(
        self,
        collected: CollectedFile,
        index: int,
        outcome: str,
        duration_s: float,
        worker: str | None,
        told: Told,
    ) -> None:
        gate = self._gates.name(collected, index)
        suite = self._suites[gate]
        known = self._tests.get(collected, index)
        if known is None:
            case = self._case(collected, index, worker)
            case.ends.append((outcome, told))
            known = _Reported(len(suite.bodies), 0.0, case)
            self._tests.put(collected, index, known)
            suite.bodies.append(b"")
        elif known.case is None:  # a plain pass, and then a fixture failed
            case = known.case = self._case(collected, index, worker)
            case.duration_s = known.duration_s
            suite.time_s -= known.duration_s
            case.ends.append((outcome, told))
        else:
            case = known.case
            suite.count(case, -1)
            if self._gates.is_retry(gate, case.outcome):
                case.earlier += [end for end in case.ends if end[0] in {"failed", "error"}]
                case.ends = [(outcome, told)]
                case.attempt += 1
                case.properties = {**case.properties, "worker": worker}
            else:
                case.ends.append((outcome, told))
        case.duration_s += duration_s
        suite.count(case)
        suite.bodies[known.place] = case_xml(case)

    def _case(self, collected: CollectedFile, index: int, worker: str | None) -> Case:
        classname, name = names(collected.nodeid(index))
        file, line = self._teller.place(collected, index)
        attempt = 1 if worker else 0  # a test that was skipped with its gate was never tried
        return Case(name, classname, {"line": line, "file": file, "worker": worker}, attempt=attempt)

    def _add_collection_errors(self, event: FileWasCollected) -> None:
        file = event.collected.file
        suite = self._suites.get(self._gate_for(file))
        for text in self._teller.collection_errors(event.collected) if suite is not None else ():
            told = Told(message="collection failure", text=text)
            self._append(
                suite,
                Case(file, "collection", {"file": file, "worker": event.worker}, ends=[("error", told)]),
            )

    def _gate_for(self, file: str) -> str:
        """The first tests gate that might have taken tests of the file."""
        for gate in self._gates.gates:
            if isinstance(gate.work, Tests) and (not gate.work.paths or path_matches(file, gate.work.paths)):
                return str(gate.name)
        return ""

    # --- gates ------------------------------------------------------------------------

    def _finish(self, report: GateReport) -> None:
        suite = self._suites[report.name]
        suite.state = report.state.value
        suite.properties = {
            **({"reason": report.reason} if report.reason else {}),
            "attempts": str(report.attempts),
            "wall_s": f"{report.wall_s:.3f}",
        }
        shown_as = _SHOWN_AS.get(report.state)
        has_blame = suite.failures or suite.errors
        if report.kind == "command":
            self._append(suite, _command_case(report, suite.tries))
        elif shown_as is not None and not (suite.bodies if shown_as == "skipped" else has_blame):
            told = Told(message=report.reason or report.state.value)
            self._append(suite, Case(report.name, "gates", {"state": suite.state}, ends=[(shown_as, told)]))

    def _append(self, suite: _Suite | None, case: Case) -> None:
        assert suite is not None
        suite.bodies.append(case_xml(case))
        suite.count(case)

    # --- the file ---------------------------------------------------------------------

    def composed(self) -> bytes:
        """The whole file as things stand."""
        root: Any = JUnitXml("pytest-batchgate")
        suites = self._suites.values()
        root.tests = sum(len(suite.bodies) for suite in suites)
        root.failures = sum(suite.failures for suite in suites)
        root.errors = sum(suite.errors for suite in suites)
        root._elem.set("time", f"{sum(suite.time_s for suite in suites):.3f}")  # noqa: SLF001 (see `case_xml`)
        parts = [b'<?xml version="1.0" encoding="utf-8"?>\n', _opened(root.tostring()), b"\n"]
        for suite in suites:
            parts += [self._head(suite), b"\n"]
            for body in suite.bodies:
                parts += [body, b"\n"]
            parts.append(b"</testsuite>\n")
        parts.append(b"</testsuites>\n")
        return b"".join(parts)

    def _head(self, suite: _Suite) -> bytes:
        gate = suite.gate
        head: Any = _NEW_SUITE(clean(gate.name))
        head.tests = len(suite.bodies)
        head.failures, head.errors, head.skipped = suite.failures, suite.errors, suite.skipped
        head._elem.set("time", f"{abs(suite.time_s):.3f}")  # noqa: SLF001 (see `case_xml`)
        head.timestamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started_unix_s))
        known = {"kind": gate.kind, "state": suite.state, "required": str(gate.required).lower()}
        for name, value in {**known, **suite.properties}.items():
            head.add_property(name, clean(value))
        xml: bytes = head.tostring()
        return xml.removesuffix(b"</testsuite>")


def _opened(element: bytes) -> bytes:
    """An element without content, as one whose content follows."""
    return element.removesuffix(b"/>").rstrip() + b">"


def _command_case(report: GateReport, tries: list[tuple[str, Told]]) -> Case:
    found = render(report.findings)
    hidden = max(0, len(found) - _FOUND_MOST) + report.more_findings
    lines = [*found[:_FOUND_MOST], *([f"and {hidden:,} more"] if hidden else [])]
    shown_as = _SHOWN_AS.get(report.state)
    output = (("findings", "\n".join(lines)),) if lines else ()
    if shown_as in {"failed", "error"}:
        text = "\n".join(lines)
        if not any(finding.severity == "error" for finding in report.findings):
            text = "\n".join([*lines, *_log(report)])
        told = Told(message=report.reason or report.state.value, text=text)
    elif shown_as is not None:
        told = Told(message=report.reason or report.state.value, output=output)
    else:
        told = Told(output=output)
    return Case(
        report.name,
        "gates",
        {"state": report.state.value},
        duration_s=report.wall_s,
        attempt=report.attempts,
        ends=[(shown_as or "passed", told)],
        earlier=tries,
        types={
            "failed": "failed",
            "error": "error" if report.state.good else report.state.value,
            "skipped": report.state.value,
        },
    )


def _log(report: GateReport) -> list[str]:
    """What the command said last."""
    if report.log_path is None:
        return []
    try:
        return tail(report.log_path)
    except OSError as error:
        return [f"(the log cannot be read: {error.strerror})"]
