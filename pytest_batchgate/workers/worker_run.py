"""Inside a worker: run tests one after the other and say what became of them.

A test is only run once its successor is known, because pytest decides by it
which fixtures to tear down.  With nothing queued the worker says so and holds
its last test back until it is told to park (keep session fixtures) or to finish.
What was announced so can still be taken back until it begins: fixtures that were
kept for it are then torn down before another test runs.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

import pytest

from pytest_batchgate.core.agreed import IN_COLLECTION
from pytest_batchgate.workers import wire
from pytest_batchgate.workers.backlog import Backlog, Job, WorkUnit
from pytest_batchgate.workers.mapping import Announced, Standstill
from pytest_batchgate.workers.outbox import Outbox
from pytest_batchgate.workers.worker_collect import FileCollector, Gathered, freeze, locations, serialized

if TYPE_CHECKING:  # few runs end at a number of failures
    from pytest_batchgate.workers.failures import Failures

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


Taken: TypeAlias = Job[pytest.Item]


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
        self.attempt = 0
        self.manage_gc: bool = setup["manage_gc"]
        self.standstill: Standstill | Announced = Standstill(setup["standstill"])
        if setup["announce"]:
            self.standstill = Announced(outbox)
        self.reports: list[pytest.TestReport] = []
        self.last: Taken | None = None
        self.misfit = False  # fixtures stand for a test that was taken back
        self.failures: Failures | None = None
        if setup["failures"] is not None:
            from pytest_batchgate.workers.failures import Failures

            self.failures = Failures.opened(*setup["failures"])
        self.gate = -1
        self.keywords: dict[tuple[str | None, ...], int] = {}

    # --- the loop ---------------------------------------------------------------

    def run(self, session: pytest.Session) -> None:
        """Until told to finish, or a failure or plugin stops the session."""
        current = self.next_job(session)
        while isinstance(current, Job):
            following = self.next_job(session, holding=current)
            if self.failures is not None and self.failures.are_enough():
                self.outbox.put_now(wire.SHOULDSTOP, "shouldfail", self.failures.words)
                break
            if self.backlog.begin(current):
                if self.misfit:
                    self.tear_down(session, current.item)
                self.run_job(current, self.nextitem_of(session, following))
                if session.shouldfail or session.shouldstop:
                    self.report_stop(session)
                    return
            else:
                self.misfit = True
                self.count(current)
            if following == "finish":
                break
            current = following if isinstance(following, Job) else self.next_job(session)
        self.tear_down(session, None)

    @staticmethod
    def nextitem_of(session: pytest.Session, following: Taken | str) -> Any:
        if isinstance(following, Job):
            return following.item
        return None if following == "finish" else _Nothing(session)

    def next_job(
        self, session: pytest.Session, *, holding: Taken | None = None
    ) -> Taken | Literal["park", "finish"]:
        """The next test, collecting the next file for it if need be; or what to do without one.

        ``holding``: the test that waits for this one to be known; if it is taken back meanwhile it is
        as if it had been parked.
        """
        hungry_at: int | None = None  # so many units had been taken back when we last said so
        while True:
            unit = self.backlog.head()
            if unit is None:
                self.outbox.flush()
                withdrawn = self.backlog.withdrawn
                if holding is not None and holding.recalled:
                    return "finish" if self.backlog.orders.halt else "park"
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
            job = self.backlog.take(unit)
            if job is not None:
                return job
            if unit.taken == 0:
                self.outbox.put(wire.UNIT_DONE, unit.id)

    def prepare(self, session: pytest.Session, unit: WorkUnit[pytest.Item]) -> None:
        self.standstill.mark(unit.id, IN_COLLECTION)
        self.outbox.flush()
        known = unit.file in self.collector.gathered
        if self.last is not None and not _has_room():
            self.give_way(session, self.last.item)
        try:
            gathered = self.collector.gather(session, unit.file)
        except KeyError:
            gathered = None
        self.standstill.clear()
        if gathered is not None and self.manage_gc and not known:
            freeze()
        find_jobs = self.report_collection if unit.wanted is None else self.find_wanted
        self.backlog.prepared(unit, lambda: find_jobs(unit, gathered))

    def report_collection(
        self, unit: WorkUnit[pytest.Item], gathered: Gathered | None
    ) -> list[tuple[int, int, pytest.Item]]:
        if gathered is None:
            gathered = Gathered([], [], {}, {}, [], [], 0, 0.0)
        if self.failures is not None and gathered.errors:
            self.failures.add(gathered.errors)
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

    def give_way(self, session: pytest.Session, last: pytest.Item) -> NoReturn:
        """Tests have used up all descriptors: another worker does the rest, or each import would fail."""
        self.tear_down(session, None)
        words = f"no descriptor is left after {last.nodeid}: its worker has been replaced"
        with contextlib.suppress(pytest.PytestWarning):  # raised with `-W error`
            self.config.issue_config_time_warning(pytest.PytestWarning(words), stacklevel=1)
        self.outbox.flush()
        os._exit(1)

    # --- one test ---------------------------------------------------------------

    def run_job(self, job: Taken, nextitem: Any) -> None:
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
            self.standstill.done()
            # With its set-up alone the test was interrupted: it has not been run.
            if len(self.reports) > 1 or (self.reports and not self.reports[0].passed):
                self.send(job)
            if self.retries[job.gate][0]:
                del job.item.user_properties[given:]
        self.count(job)

    def count(self, job: Taken) -> None:
        """The test is through with, one way or another."""
        if self.backlog.reported(job.unit):
            self.outbox.put(wire.UNIT_DONE, job.unit.id)

    def send(self, job: Taken) -> None:
        reports, self.reports = self.reports, []
        compact = self.compact(job.item, reports)
        if compact is not None:
            duration_s = compact[2] + compact[4] + compact[6]
            self.outbox.result(job.unit.id, job.index, "passed", duration_s, compact)
            return
        outcome = outcome_of(reports)
        duration_s = sum(report.duration for report in reports)
        failed = outcome in {"failed", "error"}
        text = self.judge(job, reports) if failed else ""
        full = [self.serialize(report) for report in reports]
        self.outbox.result(job.unit.id, job.index, outcome, duration_s, full, text)
        if failed:
            self.outbox.flush()

    def judge(self, job: Taken, reports: list[pytest.TestReport]) -> str:
        """The text of a failure, where it matters; counts one that might have been tried again."""
        from pytest_batchgate.workers.worker_again import failure_text, is_tried_again

        text = failure_text(reports) if job.gate in self.matching else ""
        retries = self.retries[job.gate]
        if self.failures is not None and retries[0] and not is_tried_again(retries, self.attempt, text):
            self.failures.add(sum(map(_counts, reports)))
        return text

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
        if self.outbox.orphaned:  # here, before it tears down fixtures that are its parent's
            os._exit(int(report.failed))
        self.reports.append(report)
        if self.failures is not None and _counts(report) and not self.retries[self.gate][0]:
            self.failures.add()  # before anyone hears of it

    # --- the end ----------------------------------------------------------------

    def tear_down(self, session: pytest.Session, nextitem: pytest.Item | None) -> None:
        """What stands for no test that will run; what fails is charged to the last one that did.

        None: all of it, at the end, session fixtures of a worker that was parked included.
        """
        self.misfit = False
        job = self.last
        if job is None or not session._setupstate.stack:
            return

        def tear_down() -> None:
            __tracebackhide__ = True
            session._setupstate.teardown_exact(nextitem)

        self.standstill.mark(job.unit.id, job.index)
        call = pytest.CallInfo.from_call(tear_down, when="teardown")
        self.standstill.clear()
        if call.excinfo is None:
            return
        report = job.item.ihook.pytest_runtest_makereport(item=job.item, call=call)
        if report.failed:
            if self.failures is not None:
                self.failures.add()
            self.outbox.result(job.unit.id, job.index, "error", report.duration, [self.serialize(report)])
            self.outbox.flush()

    def report_stop(self, session: pytest.Session) -> None:
        kind = "shouldfail" if session.shouldfail else "shouldstop"
        self.outbox.put_now(wire.SHOULDSTOP, kind, str(session.shouldfail or session.shouldstop))


def _has_room() -> bool:
    """Whether a file could be opened."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    return True


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


def _counts(report: pytest.TestReport) -> bool:
    """As pytest counts for `--maxfail`."""
    return report.failed and not hasattr(report, "wasxfail")
