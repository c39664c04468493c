"""Inside a worker: run tests one after the other and say what became of them.

A test is only run once its successor is known, because pytest decides by it
which fixtures to tear down.  With nothing queued the worker says so and holds
its last test back until it is told to park (keep session fixtures) or to finish.
"""

from __future__ import annotations

import mmap
import os
import re
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from pytest_batchgate.core.agreed import IN_COLLECTION
from pytest_batchgate.workers import wire
from pytest_batchgate.workers.backlog import Backlog, WorkUnit
from pytest_batchgate.workers.outbox import Outbox
from pytest_batchgate.workers.worker_collect import FileCollector, Gathered, serialized

_STANDARD = frozenset(
    {
        "nodeid",
        "_id",
        "location",
        "keywords",
        "outcome",
        "longrepr",
        "when",
        "user_properties",
        "sections",
        "duration",
        "start",
        "stop",
    }
)
_PHASES = ["setup", "call", "teardown"]
_HALF_TEXT = 32 * 1024


@dataclass(eq=False, slots=True)
class Job:
    unit: WorkUnit[pytest.Item]
    index: int
    gate: int
    item: pytest.Item


class Standstill:
    """Which test runs, where a crash cannot lose it: a few bytes in a shared mapping."""

    def __init__(self, path: str | None) -> None:
        self._map: mmap.mmap | None = None
        if path is not None:
            try:
                with open(path, "r+b") as file:  # noqa: PTH123 (a file descriptor is what mmap wants)
                    self._map = mmap.mmap(file.fileno(), wire.STANDSTILL.size)
            except (OSError, ValueError):
                self._map = None  # the run goes on; a crash then blames the whole unit's first test

    def mark(self, unit: int, index: int) -> None:
        if self._map is not None:
            wire.STANDSTILL.pack_into(self._map, 0, unit, index, wire.steady_s())

    def clear(self) -> None:
        if self._map is not None:
            wire.STANDSTILL.pack_into(self._map, 0, 0, 0, 0.0)


class _Nothing:
    """Stands in for the next test when none is known: only the session is kept set up."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session

    def listchain(self) -> list[pytest.Session]:
        return [self._session]


class TestRunner:
    """A pytest plugin: runs the backlog inside `pytest_runtestloop`."""

    __test__ = False

    def __init__(
        self,
        config: pytest.Config,
        backlog: Backlog[pytest.Item],
        outbox: Outbox,
        collector: FileCollector,
        setup: dict[str, Any],
    ) -> None:
        self.config = config
        self.backlog = backlog
        self.outbox = outbox
        self.collector = collector
        self.gate_names: list[str] = setup["gate_names"]
        self.matching: frozenset[int] = frozenset(setup["matching"])  # gates that search a failure's text
        self.retries: dict[int, tuple[int, str | None]] = setup["retries"]
        # Failures that end the session, counted here where a gate has retries.
        self.most_failures: int = (setup["maxfail"] or 0) if setup["options"].get("maxfail") == 0 else 0
        self.failures = 0
        self.attempt = 0
        self.manage_gc: bool = setup["manage_gc"]
        self.standstill = Standstill(setup["standstill"])
        self.reports: list[pytest.TestReport] = []
        self.last: Job | None = None
        self.gate = -1
        self.keywords: dict[tuple[str | None, ...], int] = {}

    # --- the loop ---------------------------------------------------------------

    def run(self, session: pytest.Session) -> None:
        """Until told to finish, or a failure or plugin stops the session."""
        current = self.next_job(session, holding=False)
        while isinstance(current, Job):
            following = self.next_job(session, holding=True)
            parking = following == "park"
            if isinstance(following, Job):
                nextitem: Any = following.item
            else:
                nextitem = _Nothing(session) if parking else None
            self.run_job(current, nextitem)
            if 0 < self.most_failures <= self.failures:
                session.shouldfail = f"stopping after {self.failures} failures"
            if session.shouldfail or session.shouldstop:
                self.report_stop(session)
                return
            if following == "finish":
                return
            current = self.next_job(session, holding=False) if parking else following
        self.tear_down_session(session)

    def next_job(self, session: pytest.Session, *, holding: bool) -> Job | Literal["park", "finish"]:
        """The next test, collecting the next file for it if need be; or what to do without one."""
        hungry_at: int | None = None  # so many units had been taken back when we last said so
        while True:
            unit = self.backlog.head()
            if unit is None:
                self.outbox.flush()
                withdrawn = self.backlog.withdrawn
                if holding and hungry_at != withdrawn and not self.backlog.orders.halt:
                    self.outbox.put_now(wire.HUNGRY)
                    hungry_at = withdrawn
                orders = self.backlog.wait(withdrawn)
                if orders.halt:
                    return "finish"
                if self.backlog.units:
                    continue
                if orders.finish:
                    return "finish"
                if orders.park and holding:
                    return "park"
                continue
            hungry_at = None  # it was told of this unit: should nothing of it be for us, we say so again
            if unit.jobs is None:
                self.prepare(session, unit)
            taken = self.backlog.take(unit)
            if taken is not None:
                index, gate, item = taken
                return Job(unit, index, gate, item)
            if unit.taken == 0:
                self.outbox.put(wire.UNIT_DONE, unit.id)

    def prepare(self, session: pytest.Session, unit: WorkUnit[pytest.Item]) -> None:
        self.standstill.mark(unit.id, IN_COLLECTION)
        self.outbox.flush()
        known = unit.file in self.collector.gathered
        try:
            gathered = self.collector.gather(session, unit.file)
        except KeyError:
            gathered = None
        self.standstill.clear()
        if gathered is not None and self.manage_gc and not known:
            _freeze()
        find_jobs = self.report_collection if unit.wanted is None else self.find_wanted
        self.backlog.prepared(unit, lambda: find_jobs(unit, gathered))

    def report_collection(
        self, unit: WorkUnit[pytest.Item], gathered: Gathered | None
    ) -> list[tuple[int, int, pytest.Item]]:
        if gathered is None:
            gathered = Gathered([], [], {}, {}, [], [], 0, 0.0)
        lines, odd = locations(unit.file, gathered)
        self.outbox.put_now(
            wire.COLLECTED,
            unit.id,
            {
                "keys": tuple(gathered.keys),
                "gates": tuple(gathered.gates),
                "traits": gathered.traits,
                "timeouts": gathered.timeouts,
                "deselected": tuple(gathered.deselected),
                "errors": gathered.errors,
                "duration_s": gathered.duration_s,
                "reports": gathered.reports,
                "lines": lines,
                "odd": odd,
            },
            () if unit.revoked else None,
        )
        if unit.revoked:
            return []
        return [
            (index, gate, gathered.items[index])
            for index, gate in enumerate(gathered.gates)
            if gate in unit.open_gates and index not in gathered.traits
        ]

    def find_wanted(
        self, unit: WorkUnit[pytest.Item], gathered: Gathered | None
    ) -> list[tuple[int, int, pytest.Item]]:
        jobs = []
        missing = []
        for index, key, gate in unit.wanted or ():
            item = gathered.by_key.get(key) if gathered else None
            if item is None:
                missing.append(index)
            else:
                jobs.append((index, gate, item))
        if missing:
            self.outbox.put(wire.MISSING, unit.id, tuple(missing))
        return jobs

    # --- one test ---------------------------------------------------------------

    def run_job(self, job: Job, nextitem: Any) -> None:
        self.last = job
        if job.gate != self.gate:
            self.gate = job.gate
            os.environ["BATCHGATE_GATE"] = self.gate_names[job.gate]
        attempt = job.unit.attempts.get(job.index, 1)
        if attempt != self.attempt:
            self.attempt = attempt
            os.environ["BATCHGATE_ATTEMPT"] = str(attempt)
        if attempt > 1:
            from pytest_batchgate.workers.worker_again import make_fresh

            make_fresh(job.item)
        self.reports = []
        given = len(job.item.user_properties)
        self.standstill.mark(job.unit.id, job.index)
        try:
            job.item.config.hook.pytest_runtest_protocol(item=job.item, nextitem=nextitem)
        finally:
            self.standstill.clear()
            # With its set-up alone the test was interrupted: it has not been run.
            if len(self.reports) > 1 or (self.reports and not self.reports[0].passed):
                self.send(job)
            if self.retries[job.gate][0]:
                del job.item.user_properties[given:]
        if self.backlog.reported(job.unit):
            self.outbox.put(wire.UNIT_DONE, job.unit.id)

    def send(self, job: Job) -> None:
        reports, self.reports = self.reports, []
        compact = self.compact(job.item, reports)
        if compact is not None:
            duration_s = compact[2] + compact[4] + compact[6]
            self.outbox.result(job.unit.id, job.index, "passed", duration_s, compact)
            return
        outcome = outcome_of(reports)
        duration_s = sum(report.duration for report in reports)
        failed = outcome in {"failed", "error"}
        text = failure_text(reports) if failed and job.gate in self.matching else ""
        self.failures += failed and not self.is_tried_again(job, text)
        full = [self.serialize(report) for report in reports]
        self.outbox.result(job.unit.id, job.index, outcome, duration_s, full, text)
        if failed:
            self.outbox.flush()

    def is_tried_again(self, job: Job, text: str) -> bool:
        """As the controller will decide, which has the last word."""
        count, match = self.retries[job.gate]
        return self.attempt <= count and (match is None or re.search(match, text) is not None)

    def compact(self, item: pytest.Item, reports: list[pytest.TestReport]) -> tuple[Any, ...] | None:
        """A wholly and plainly passed test as one tuple; None if anything is to be said."""
        if len(reports) != 3:
            return None
        times: list[float] = []
        for report, when in zip(reports, _PHASES, strict=True):
            if report.outcome != "passed" or report.when != when or report.sections or report.user_properties:
                return None
            if len(report.__dict__) != 11 or not _STANDARD.issuperset(report.__dict__):
                return None
            times += (report.start, report.duration)
        rest: tuple[str | None, ...] = tuple(reports[2].keywords)[1:]
        callspec = getattr(item, "callspec", None)
        if callspec is not None:  # its id is a keyword too, and would make every test's keywords unique
            own = callspec.id
            rest = tuple([None if name == own else name for name in rest])
        number = self.keywords.get(rest)
        if number is None:
            number = self.keywords[rest] = len(self.keywords)
            self.outbox.put(wire.KEYWORDS, number, tuple(wire.plain(name) for name in rest))
        return (number, *times)

    def serialize(self, report: pytest.TestReport) -> dict[str, Any]:
        """Total: a report that cannot be sent becomes an error of its test."""
        try:
            return serialized(self.config, report)
        except Exception as exc:  # noqa: BLE001 (a plugin's hook may raise anything)
            report.outcome = "failed"
            report.longrepr = f"the report of this test cannot be sent: {type(exc).__name__}: {exc}"
            report.sections = []
            report.user_properties = []
            return serialized(self.config, report)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(report)

    # --- the end ----------------------------------------------------------------

    def tear_down_session(self, session: pytest.Session) -> None:
        """Session fixtures of a worker that was parked; what fails is charged to its last test."""
        job = self.last
        if job is None or not session._setupstate.stack:
            return

        def tear_down() -> None:
            __tracebackhide__ = True
            session._setupstate.teardown_exact(None)

        self.standstill.mark(job.unit.id, job.index)
        call = pytest.CallInfo.from_call(tear_down, when="teardown")
        self.standstill.clear()
        if call.excinfo is None:
            return
        report = job.item.ihook.pytest_runtest_makereport(item=job.item, call=call)
        if report.failed:
            self.outbox.result(job.unit.id, job.index, "error", report.duration, [self.serialize(report)])
            self.outbox.flush()

    def report_stop(self, session: pytest.Session) -> None:
        kind = "shouldfail" if session.shouldfail else "shouldstop"
        self.outbox.put_now(wire.SHOULDSTOP, kind, str(session.shouldfail or session.shouldstop))


def outcome_of(reports: list[pytest.TestReport]) -> str:
    """One word for a test's reports; a failure in any phase outweighs the rest."""
    outcome = "passed"
    for report in reports:
        if report.failed:
            if report.when == "call":
                return "failed"
            outcome = "error"
        elif outcome != "error" and report.skipped:
            outcome = "xfailed" if hasattr(report, "wasxfail") else "skipped"
        elif outcome == "passed" and report.when == "call" and hasattr(report, "wasxfail"):
            outcome = "xpassed"
    return outcome


def failure_text(reports: list[pytest.TestReport]) -> str:
    """What `match` is searched in: each failed phase's text, at most its first and last 32 Ki characters."""
    texts = []
    for report in reports:
        if report.failed:
            texts.append(report.longreprtext)
            crash = getattr(report.longrepr, "reprcrash", None)
            texts.append(str(getattr(crash, "message", "")))  # with --tb=no it is all there is
    text = "\n".join(texts)
    if len(text) > 2 * _HALF_TEXT:
        text = f"{text[:_HALF_TEXT]}\n...\n{text[-_HALF_TEXT:]}"
    plain: str = wire.plain(text)
    return plain


def locations(file: str, gathered: Gathered) -> tuple[tuple[int | None, ...], dict[int, tuple[str, str]]]:
    """Line numbers, and (path, domain) where they do not follow from the node id."""
    lines: list[int | None] = []
    odd: dict[int, tuple[str, str]] = {}
    for index, item in enumerate(gathered.items):
        path, line, domain = item.location
        lines.append(line)
        if path != file or domain != wire.derived_domain(item.nodeid):
            odd[index] = (wire.plain(path), wire.plain(domain))
    return tuple(lines), odd


def _freeze() -> None:
    """Collect first, or leaked cycles would hide their warnings; then never look at imports again."""
    import gc

    gc.collect()
    gc.freeze()
    gc.enable()
