"""What the history keeps of a run, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import NamedTuple

from pytest_batchgate.core.events import RunResult
from pytest_batchgate.core.valuetypes import dataclass


class FileSample(NamedTuple):
    """One file in one run.  ``trusted``: every test of it ran, and none failed."""

    tests: int
    work_s: float
    collect_s: float
    trusted: bool


class TimedTest(NamedTuple):
    """One test, as it last ended."""

    file: str
    nodeid: str
    duration_s: float
    outcome: str


class NotedTest(NamedTuple):
    """One test in one run: it failed, was tried again, or was among the slowest."""

    file: str
    nodeid: str
    gate: str  # empty where none took it
    outcome: str
    duration_s: float
    retries: int
    run: int = 0  # number of the run in the history; given when it is read


class PastRun(NamedTuple):
    """A run that the history keeps.  ``run`` is its number there, which rises."""

    run: int
    run_id: str
    started_unix_s: float
    wall_s: float
    workers: int
    verdict: str
    exit_code: int
    narrowed: bool


class GateSample(NamedTuple):
    """One gate in one run, for statistics."""

    run_id: str
    started_unix_s: float
    gate: str
    kind: str
    state: str
    wall_s: float
    work_s: float
    cpu_s: float
    peak_rss_bytes: int
    attempts: int
    tests: int
    not_run: int = 0  # tests that it came not to


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A whole run, as it is written down.

    ``narrowed``: the command line left tests out, so that counts and sums say nothing
    about a full run.
    """

    run_id: str
    started_unix_s: float
    result: RunResult
    files: Mapping[str, FileSample] = field(default_factory=dict)
    tests: Sequence[TimedTest] = ()
    noted: Sequence[NotedTest] = ()
    narrowed: bool = False
