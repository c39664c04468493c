"""What workers say that is not for the dispatcher: material for pytest's own hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.valuetypes import dataclass


@dataclass(frozen=True, slots=True)
class WorkerIntroduced:
    """The worker is up.  ``info``: its interpreter and platform, named as xdist names them."""

    worker: str
    info: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeywordsNamed:
    """Reports of this worker name these keywords by ``number`` from now on.

    None stands for the id of the test's parameters.
    """

    worker: str
    number: int
    names: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class WarningRaised:
    worker: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OutputPrinted:
    """Lines that pytest did not capture, without the last one's end."""

    worker: str
    text: str


class WorkerMeasured(NamedTuple):
    """``running``: file, index and seconds of the test that it is in, if any."""

    worker: str
    cpu_s: float
    rss_bytes: int
    running: tuple[str, int, float] | None


class CommandMeasured(NamedTuple):
    """``looked``: when, as `time.monotonic` has it."""

    gate: GateName
    cpu_s: float
    rss_bytes: int
    looked: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found by looking at all processes of the run; of no worker's saying."""

    workers: tuple[WorkerMeasured, ...]
    commands: tuple[CommandMeasured, ...]


@dataclass(frozen=True, slots=True)
class JunitNoted:
    """An attribute of a test's case in the JUnit report; without ``nodeid``, a property of the suite."""

    worker: str
    nodeid: str | None
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class LooseReports:
    """Collect reports that belong to no file: a folder that could not be read."""

    worker: str
    reports: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class WorkerUsageError:
    worker: str
    text: str


@dataclass(frozen=True, slots=True)
class WorkerInternalError:
    worker: str
    text: str


@dataclass(frozen=True, slots=True)
class ExitRaised:
    """``pytest.exit`` (with its reason) or a KeyboardInterrupt (reason None) in a worker."""

    worker: str
    reason: str | None
    returncode: int | None


@dataclass(frozen=True, slots=True)
class SessionStopped:
    """``session.shouldfail`` or ``session.shouldstop`` was set in a worker."""

    worker: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerOutput:
    """The worker's session ended; ``data`` is its ``config.workeroutput``."""

    worker: str
    data: Mapping[str, Any]


SideMessage: TypeAlias = (
    WorkerIntroduced
    | KeywordsNamed
    | WarningRaised
    | OutputPrinted
    | Measured
    | JunitNoted
    | LooseReports
    | WorkerUsageError
    | WorkerInternalError
    | ExitRaised
    | SessionStopped
    | WorkerOutput
)
