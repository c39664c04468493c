"""What happened in a run, in the past tense: the one stream every subscriber reads.

Events carry ``at``, seconds on the run's own monotonic clock (0 is its start).
Terminal, history, reports and the bridge to pytest learn everything from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, TypeAlias

from pytest_batchgate.core.model import Finding, Gate, GateName, GateState
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.core.valuetypes import dataclass

if TYPE_CHECKING:  # few runs have a breaker
    from pytest_batchgate.core.breaker import BreakerChange

OUTCOMES = ("passed", "failed", "skipped", "xfailed", "xpassed", "error", "not_run")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """How one gate ended.  ``work_s`` is worker time: test durations, or wall time x weight."""

    name: GateName
    kind: str
    state: GateState
    required: bool
    needs: tuple[GateName, ...]
    reason: str | None = None
    started_s: float | None = None  # on the run's clock; None if it never started
    wall_s: float = 0.0
    work_s: float = 0.0
    cpu_s: float = 0.0  # of all attempts; of tests, collection of their files included
    peak_rss_bytes: int = 0  # of a command's processes together, or of the worker that used most
    attempts: int = 0
    flaky: int = 0  # tests that passed, and had not at first
    counts: Mapping[str, int] = field(default_factory=dict)  # by OUTCOMES; tests gates only
    findings: tuple[Finding, ...] = ()
    more_findings: int = 0  # beyond those that were kept
    log_path: str | None = None
    is_service: bool = False
    wrote_outputs: bool = False  # for those that need it

    @property
    def fails_run(self) -> bool:
        return self.required and not self.state.good


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How well the run used its workers.  Efficiency is lower bound / wall, 0..1.

    ``spans``: seconds that each gate takes at the very least, whatever the number of workers.
    """

    work_s: float
    critical_path_s: float
    critical_path: tuple[GateName, ...]
    lower_bound_s: float  # max(critical path, work / workers)
    efficiency: float
    spans: Mapping[GateName, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    verdict: str  # passed, failed, interrupted
    exit_code: int
    wall_s: float
    workers: int
    gates: tuple[GateReport, ...]
    schedule: Schedule
    stop_reason: str | None = None
    missing: tuple[str, ...] = ()  # files that were asked for and could not be written

    @property
    def culprits(self) -> list[GateReport]:
        """The gates that fail the run; those that only followed from others come last."""
        return sorted(
            (report for report in self.gates if report.fails_run), key=lambda bad: bad.state.follows
        )


@dataclass(frozen=True, slots=True)
class RunStarted:
    """``claims``: what `CollectedFile.gates` counts into, gates that were left out of the run included."""

    at: float
    gates: tuple[Gate, ...]
    workers: int
    claims: tuple[GateName, ...] = ()


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something the user should know that fails nothing."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class GateStarted:
    at: float
    gate: GateName
    slots: tuple[int, ...]  # of a command; tests gates spread as they go


@dataclass(frozen=True, slots=True)
class GateBecameReady:
    """A service answers."""

    at: float
    gate: GateName


@dataclass(frozen=True, slots=True)
class GateWillRetry:
    """Attempt number ``attempt`` of at most ``most`` ended so; the next one starts in ``pause_s``."""

    at: float
    gate: GateName
    attempt: int
    most: int
    state: GateState
    reason: str | None
    pause_s: float


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """A gate's circuit breaker went from one state to another.

    ``held``: how many of its collected tests had not ended then, those that still ran included.
    """

    at: float
    gate: GateName
    change: BreakerChange
    held: int


@dataclass(frozen=True, slots=True)
class GateFinished:
    at: float
    report: GateReport


@dataclass(frozen=True, slots=True)
class WorkerStarted:
    at: float
    worker: str  # gw0...


@dataclass(frozen=True, slots=True)
class WorkerStopped:
    """``reason`` is None for a worker that ended as told."""

    at: float
    worker: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class FilesListed:
    """``elsewhere``: files that other shards run."""

    at: float
    files: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileWasCollected:
    """Once per file and environment: the collection that counts.

    ``worker`` is empty where a resumed run takes it from the run before.
    """

    at: float
    worker: str
    collected: CollectedFile


@dataclass(frozen=True, slots=True)
class TestsWereRun:
    """A batch of one file, in the order the worker ran it.

    ``late``: these tests were told of before; a fixture of theirs has failed since.
    """

    __test__ = False

    at: float
    worker: str
    collected: CollectedFile
    results: tuple[TestResult, ...]
    late: bool = False


@dataclass(frozen=True, slots=True)
class TestWasLost:
    """A test with no report of its own: its worker died, or a marker cannot be honoured.

    ``outcome`` is failed (a crash), error, or skipped (a need was not good).
    """

    __test__ = False

    at: float
    worker: str | None
    collected: CollectedFile
    index: int
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class TestWillRetry:
    """Attempt number ``attempt`` of ``most`` of a test did not pass; the next one follows in ``pause_s``.

    What a test ends as is told as ever, once.  ``state`` is failed, or crashed: then ``result``
    has no payload, and its text says how the worker died.
    """

    __test__ = False

    at: float
    gate: GateName
    worker: str
    collected: CollectedFile
    result: TestResult
    state: GateState
    attempt: int
    most: int
    pause_s: float


@dataclass(frozen=True, slots=True)
class TestsWereCarried:
    """Tests of a file that a resumed run does not run: how they ended in the run before."""

    __test__ = False

    at: float
    collected: CollectedFile
    results: tuple[TestResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerUse:
    """What one worker uses, the processes that its tests started included as far as they can be found.

    ``cpu_s`` counts from the start of the process.  ``test`` is what it runs, None between two tests.
    """

    worker: str  # gw0...
    cpu_s: float
    rss_bytes: int
    gate: GateName | None = None
    test: str | None = None  # node id
    running_s: float | None = None  # since that test began


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandUse:
    """What all processes of a running command or service used ``looked_at``, on the run's clock.

    The longer it runs the less often they are looked at: every two seconds in the end.  ``cpu_s`` counts
    from the start of its attempt.
    """

    gate: GateName
    cpu_s: float
    rss_bytes: int
    looked_at: float


@dataclass(frozen=True, slots=True)
class Sampled:
    """A look at what is used, twice a second, while there is somebody who wants to know."""

    at: float
    workers: tuple[WorkerUse, ...]
    commands: tuple[CommandUse, ...]


@dataclass(frozen=True, slots=True)
class RunFinished:
    at: float
    result: RunResult


Event: TypeAlias = (
    RunStarted
    | Noticed
    | GateStarted
    | GateBecameReady
    | GateWillRetry
    | BreakerChanged
    | GateFinished
    | WorkerStarted
    | WorkerStopped
    | FilesListed
    | FileWasCollected
    | TestsWereRun
    | TestWasLost
    | TestWillRetry
    | TestsWereCarried
    | Sampled
    | RunFinished
)
