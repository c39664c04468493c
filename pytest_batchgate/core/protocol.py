"""The two vocabularies around the dispatcher: inputs (what happened) and actions (what to do).

An input is a fact from a worker, a command, a signal or the clock; an action is
an order to the part of the program that does things.  Both are plain values, so
that any run can be written down and replayed.  What subscribers hear is a third
vocabulary, `core.events`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import NamedTuple, NewType, TypeAlias

from pytest_batchgate.core.model import Finding, GateName, GateState
from pytest_batchgate.core.valuetypes import dataclass

WorkerId = NewType("WorkerId", int)  # one per worker process, never used again
UnitId = NewType("UnitId", int)  # one per assignment, never used again


class TestResult(NamedTuple):
    """One finished test.  ``payload`` is for the bridge to pytest; the core never looks in."""

    index: int  # type: ignore[assignment]  # in its CollectedFile; hides tuple.index
    outcome: str  # passed, failed, skipped, xfailed, xpassed, error
    duration_s: float  # setup, call and teardown together
    payload: object = None
    text: str = ""  # of a failure, where the gate has a `match` that is searched in it


TestResult.__test__ = False  # type: ignore[attr-defined]  # in its body it would be a field to mypy


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What constrains one test beyond its gate (section 3 of the markers)."""

    depends_on: tuple[str, ...] = ()  # targets as written, or "gate:NAME"
    serial: tuple[str, ...] = ()  # mutex names; "" is the whole run
    group: str | None = None  # one worker for all of the group
    problem: str | None = None  # a marker that cannot be honoured: the test is an error


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedFile:
    """The tests of one file.  ``keys`` are node ids, made unique where pytest repeats one."""

    file: str
    keys: tuple[str, ...]
    gates: tuple[int, ...]  # per test: index into Plan.claims, NO_GATE if no gate takes it
    traits: Mapping[int, Traits] = field(default_factory=dict)
    timeouts: Mapping[int, float] = field(default_factory=dict)  # of tests marked so; 0: no limit
    deselected: tuple[str, ...] = ()
    errors: int = 0  # collect reports that failed
    duration_s: float = 0.0
    payload: object = None

    def nodeid(self, index: int) -> str:
        return self.keys[index].partition("\0")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A process that a test left running, as far as it can be told whose it was; it has been ended."""

    what: str  # "sleep 9 (pid 7)"
    gate: str | None = None
    test: str | None = None  # node id

    @property
    def words(self) -> str:
        return f"{self.what} of {self.test}" if self.test else self.what

    def told(self, mask: Callable[[str], str]) -> Leftover:
        """With masked texts: a command line may hold anything."""
        test = mask(self.test) if self.test is not None else None
        return Leftover(what=mask(self.what), gate=self.gate, test=test)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFile(CollectedFile):
    """A file with tests that are called otherwise than their keys, which hold what no output may show."""

    shown: Mapping[int, str]

    def nodeid(self, index: int) -> str:
        return self.shown.get(index) or CollectedFile.nodeid(self, index)


# --- inputs -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WorkerListed:
    """The worker is up and has listed the test files, importing none.

    ``marked``: those whose text mentions a gate marker.  Their tests may belong to any
    gate, so that each gate waits until it has seen them; others are judged by path.
    """

    worker: WorkerId
    files: tuple[str, ...]
    marked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileCollected:
    """``taken``: the indexes the worker goes on to run unasked; None means every test."""

    worker: WorkerId
    unit: UnitId
    collected: CollectedFile
    taken: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class TestsFinished:
    """``cpu_s``: of the worker since its last batch, collection included; its peak is since it started."""

    __test__ = False

    worker: WorkerId
    unit: UnitId
    results: tuple[TestResult, ...]
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0


@dataclass(frozen=True, slots=True)
class TestsMissing:
    """The worker collected the file and found no test with these indexes' keys."""

    __test__ = False

    worker: WorkerId
    unit: UnitId
    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class UnitFinished:
    """Everything of the unit that was not released has been reported."""

    worker: WorkerId
    unit: UnitId


@dataclass(frozen=True, slots=True)
class UnitReleased:
    """Given back unstarted: these indexes, or the whole unit before its file was collected."""

    worker: WorkerId
    unit: UnitId
    indexes: tuple[int, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class WorkerHungry:
    """Nothing is queued: the worker holds its last test back until it knows what follows."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class TestsRunning:
    """A look at what workers do now: (file, index, seconds so far) of the test each is in, if any."""

    __test__ = False

    running: Mapping[WorkerId, tuple[str, int, float]]


@dataclass(frozen=True, slots=True)
class MemoryUsed:
    """What the worker and all that its tests started have in memory now, while it is in (file, index)."""

    worker: WorkerId
    running: tuple[str, int]
    rss_bytes: int  # resident; shared pages count in each process


@dataclass(frozen=True, slots=True)
class ProcessesLeft:
    """The worker's process is gone, and these were not.  WorkerEnded or WorkerLost follows.

    ``orderly``: it had finished its session; else they may be fixtures that nobody could tear down.
    """

    worker: WorkerId
    left: tuple[Leftover, ...]
    orderly: bool = True


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """The worker finished its session as it was told to."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """The process is gone or useless.  ``running`` is (file, index) of the test it was in."""

    worker: WorkerId
    running: tuple[str, int] | None
    reason: str


@dataclass(frozen=True, slots=True)
class ServiceReady:
    gate: GateName
    outputs: Mapping[str, str] = field(default_factory=dict)  # written before it was ready


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEnded:
    """A command and its whole process tree are gone."""

    gate: GateName
    state: GateState
    reason: str | None = None
    returncode: int | None = None  # negative: minus the signal's number
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0
    outputs: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    more_findings: int = 0  # beyond those that were kept
    text: str = ""  # what `match` of its retries is searched in: reason and output
    notes: tuple[str, ...] = ()  # what the user should know that changes nothing
    log_path: str | None = None
    leaked: tuple[str, ...] = ()  # processes it left behind, "sleep 9 (pid 7)"; they have been ended
    report_path: str | None = None  # the promised report; None if it is missing or stale


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Stop the run: ``kind`` is interrupted, maxfail, exit, usage or internal."""

    kind: str
    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Only the time is new."""


Input: TypeAlias = (
    WorkerListed
    | FileCollected
    | TestsFinished
    | TestsMissing
    | UnitFinished
    | UnitReleased
    | WorkerHungry
    | TestsRunning
    | MemoryUsed
    | ProcessesLeft
    | WorkerEnded
    | WorkerLost
    | ServiceReady
    | CommandEnded
    | StopAsked
    | TimePassed
)

# --- actions ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpawnWorker:
    """Start a worker process in a slot, its tests seeing ``env`` on top of the run's."""

    worker: WorkerId
    slot: int
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AssignFile:
    """Collect the file, then run its unconstrained tests of the gates in ``open_gates``."""

    worker: WorkerId
    unit: UnitId
    file: str
    open_gates: frozenset[int]


@dataclass(frozen=True, slots=True)
class AssignTests:
    """Run these tests of a file, collecting it first where this worker has not."""

    worker: WorkerId
    unit: UnitId
    file: str
    indexes: tuple[int, ...]
    keys: tuple[str, ...]
    gates: tuple[int, ...]
    attempts: tuple[int, ...] = ()  # per test, from 1; empty: each is the first


@dataclass(frozen=True, slots=True)
class ReleaseTests:
    """Give back up to ``count`` unstarted tests from the unit's end; None: all of them."""

    worker: WorkerId
    unit: UnitId
    count: int | None


@dataclass(frozen=True, slots=True)
class ParkWorker:
    """Run the test that is held back, keep session fixtures, and wait."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class FinishWorker:
    """Run the test that is held back as the last one, end the session, exit."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class HaltWorker:
    """Start no further test; end the session and exit."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class KillWorker:
    """End the process: SIGTERM, ``grace_s``, SIGKILL.  WorkerLost follows."""

    worker: WorkerId
    grace_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class StartCommand:
    gate: GateName
    slots: tuple[int, ...]  # empty for a service
    env: Mapping[str, str]  # outputs of needs, then the gate's own


@dataclass(frozen=True, slots=True)
class StopCommand:
    """End the command's process group.  CommandEnded follows, with ``state`` and ``reason``."""

    gate: GateName
    state: GateState
    reason: str | None
    grace_s: float


Action: TypeAlias = (
    SpawnWorker
    | AssignFile
    | AssignTests
    | ReleaseTests
    | ParkWorker
    | FinishWorker
    | HaltWorker
    | KillWorker
    | StartCommand
    | StopCommand
)
