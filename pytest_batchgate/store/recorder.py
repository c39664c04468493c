"""Gathers what the history keeps of a run, from the events of that run."""

from __future__ import annotations

import time
from itertools import islice

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    RunFinished,
    RunStarted,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
)
from pytest_batchgate.core.protocol import CollectedFile
from pytest_batchgate.store.history import History
from pytest_batchgate.store.record import FileSample, NotedTest, RunRecord, TimedTest

SLOW_S = 0.005  # a faster test only counts in the sum of its file: most tests are, and rows cost
NOTED_SLOW = 200  # tests of each run, for statistics
NOTED_FAILED = 2_000
_FAILED = frozenset({"failed", "error"})


class _FileSum:
    """One file so far.  A plain object: it changes with every batch of results."""

    __slots__ = ("collect_s", "expected", "ran", "spoilt", "work_s")

    def __init__(self) -> None:
        self.expected = 0
        self.ran = 0
        self.work_s = 0.0
        self.collect_s = 0.0
        self.spoilt = False  # a test failed or was lost: what it took is not what it takes


class HistoryRecorder:
    """A subscriber that hands the whole run to ``history`` when it has finished.

    ``narrowed``: ``-k``, ``-m``, paths or node ids were typed, or gates left out, so that
    sums and counts of this run are not those of a full one.  ``part``: nor are they for another reason,
    but each file of it was run as ever.
    """

    name = "history"

    def __init__(self, history: History, *, run_id: str, narrowed: bool = False, part: bool = False) -> None:
        self._history = history
        self._run_id = run_id
        self._narrowed = narrowed
        self._part = part
        self._started_unix_s = time.time()
        self._files: dict[str, _FileSum] = {}
        self._tests: list[TimedTest] = []
        self._claims: tuple[str, ...] = ()
        self._gates: dict[str, str] = {}  # by node id, of `_tests`
        self._failed: dict[str, NotedTest] = {}  # by node id, as they last ended
        self._retries: dict[str, int] = {}
        self._tried: dict[str, NotedTest] = {}  # as they ended at first

    def handle(self, event: Event) -> None:
        """Take note.  TestsWereRun is the hot path: a tenth of a microsecond per fast test."""
        if isinstance(event, TestsWereRun):
            self._add_results(event)
        elif isinstance(event, FileWasCollected):
            self._add_file(event.collected)
        elif isinstance(event, TestWasLost):
            self._sum_of(event.collected).spoilt = True
            if event.outcome in _FAILED:
                self._note_failure(event.collected, event.index, event.outcome, 0.0)
        elif isinstance(event, TestWillRetry):
            nodeid = event.collected.nodeid(event.result.index)
            self._retries[nodeid] = self._retries.get(nodeid, 0) + 1
            gate = str(event.gate)
            self._tried[nodeid] = NotedTest(
                event.collected.file, nodeid, gate, "passed", event.result.duration_s, 0
            )
        elif isinstance(event, RunStarted):
            self._claims = tuple(map(str, event.claims))
        elif isinstance(event, RunFinished):
            self._history.record(self._run_record(event))

    def _sum_of(self, collected: CollectedFile) -> _FileSum:
        found = self._files.get(collected.file)
        if found is None:
            found = self._files[collected.file] = _FileSum()
        return found

    def _add_file(self, collected: CollectedFile) -> None:
        found = self._sum_of(collected)
        # environments collect a file each, yet its tests run once
        found.expected = len(collected.keys) - collected.gates.count(NO_GATE)
        found.collect_s = max(found.collect_s, collected.duration_s)
        found.spoilt |= collected.errors > 0

    def _add_results(self, event: TestsWereRun) -> None:
        collected = event.collected
        found = self._sum_of(collected)
        work_s = 0.0
        for index, outcome, duration_s, _payload, _text in event.results:
            work_s += duration_s
            if duration_s > SLOW_S or outcome in _FAILED:
                found.spoilt |= outcome in _FAILED
                nodeid = collected.nodeid(index)
                self._tests.append(TimedTest(collected.file, nodeid, duration_s, outcome))
                self._gates[nodeid] = self._gate(collected, index)
                if outcome in _FAILED:
                    self._note_failure(collected, index, outcome, duration_s)
        found.work_s += work_s
        found.ran += len(event.results)

    def _gate(self, collected: CollectedFile, index: int) -> str:
        claim = collected.gates[index]
        return self._claims[claim] if 0 <= claim < len(self._claims) else ""

    def _note_failure(self, collected: CollectedFile, index: int, outcome: str, duration_s: float) -> None:
        nodeid = collected.nodeid(index)
        gate = self._gate(collected, index)
        self._failed[nodeid] = NotedTest(collected.file, nodeid, gate, outcome, duration_s, 0)

    def _noted(self) -> list[NotedTest]:
        """The slowest, then those that took several attempts, then those that failed: later ones replace."""
        slowest = sorted(self._tests, key=lambda test: -test.duration_s)[:NOTED_SLOW]
        noted = {
            test.nodeid: NotedTest(
                test.file, test.nodeid, self._gates[test.nodeid], test.outcome, test.duration_s, 0
            )
            for test in slowest
        }
        noted |= dict(islice(self._tried.items(), NOTED_FAILED))
        noted |= dict(islice(self._failed.items(), NOTED_FAILED))
        return [test._replace(retries=self._retries.get(nodeid, 0)) for nodeid, test in noted.items()]

    def _run_record(self, event: RunFinished) -> RunRecord:
        files = {
            file: FileSample(found.ran, found.work_s, found.collect_s, self._is_trusted(found))
            for file, found in self._files.items()
            if found.ran
        }
        return RunRecord(
            run_id=self._run_id,
            started_unix_s=self._started_unix_s,
            result=event.result,
            files=files,
            tests=self._tests,
            noted=self._noted(),
            narrowed=self._narrowed or self._part,
        )

    def _is_trusted(self, found: _FileSum) -> bool:
        return not (self._narrowed or found.spoilt) and found.ran >= found.expected > 0
