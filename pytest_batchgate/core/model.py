"""What a run is made of: gates, their policies, and the states they end in.

Plain frozen values.  Reading them from a file is `pytest_batchgate.config`'s
work, ordering them `core.plan`'s, running them `core.dispatch`'s.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field
from typing import Literal, NewType

from pytest_batchgate.core.valuetypes import dataclass

GateName = NewType("GateName", str)


class GateState(enum.Enum):
    """Where a gate stands.  The first three are on the way, the others are ends."""

    WAITING = "waiting"  # a need has not ended, or no worker is free
    RUNNING = "running"
    READY = "ready"  # a service that answers; the gates that need it may start

    PASSED = "passed"
    FLAKY = "flaky"
    CACHED = "cached"
    CARRIED = "carried"
    UNAFFECTED = "unaffected"
    DESELECTED = "deselected"  # emptied by the command line

    FAILED = "failed"
    TIMED_OUT = "timed-out"
    CRASHED = "crashed"
    BROKEN = "broken"
    SKIPPED = "skipped"  # a need was not good
    CANCELLED = "cancelled"
    EMPTY = "empty"

    @property
    def ended(self) -> bool:
        return self not in _ON_THE_WAY

    @property
    def follows(self) -> bool:
        """Whether the gate ended because of something else: a need, fail-fast, an interrupt."""
        return self in {GateState.SKIPPED, GateState.CANCELLED}

    @property
    def good(self) -> bool:
        return self in _GOOD


_ON_THE_WAY = frozenset({GateState.WAITING, GateState.RUNNING, GateState.READY})
_GOOD = frozenset(
    {
        GateState.PASSED,
        GateState.FLAKY,
        GateState.CACHED,
        GateState.CARRIED,
        GateState.UNAFFECTED,
        GateState.DESELECTED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """When a service answers: exactly one of ``port``, ``url``, ``line`` is set."""

    port: int | None = None
    url: str | None = None
    line: str | None = None  # a regular expression searched in each output line
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program to run: ``argv``, or ``shell``, a line for ``/bin/sh -c``."""

    argv: tuple[str, ...] = ()
    shell: str | None = None
    cwd: str | None = None  # relative to the rootdir, inside it
    weight: int = 1
    ready: Ready | None = None
    parser: str | None = None
    report: str | None = None  # relative to the rootdir, inside it
    fail_on_flaky: bool = False

    @property
    def is_service(self) -> bool:
        return self.ready is not None

    @property
    def display(self) -> str:
        """The command as a person would type it."""
        import shlex

        return self.shell if self.shell is not None else shlex.join(self.argv)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tests:
    """pytest items: by ``expression`` (as for ``-m``), by ``paths``, or the rest."""

    __test__ = False  # not a test class, whatever its name

    expression: str | None = None
    rest: bool = False  # ``tests: true``: every test that no other gate took
    paths: tuple[str, ...] = ()  # relative to the rootdir, "/"-separated
    max_workers: int | None = None
    test_timeout_s: float | None = None
    allow_empty: bool = False
    fail_on_flaky: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often, and after what, a gate (or a failed test of it) runs again."""

    count: int = 0
    delay_s: float = 1.0
    backoff: Literal["exponential", "constant"] = "exponential"
    factor: float = 2.0
    max_delay_s: float = 60.0
    jitter: bool = True
    on: tuple[str, ...] = ("failed", "timed-out", "crashed")
    match: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """When a gate stops trying: ``threshold`` failures within ``window``.

    ``window`` is None for consecutive failures, or M for the last M outcomes.
    """

    threshold: int = 5
    window: int | None = None
    cooldown_s: float = 0.0
    probes: int = 1
    match: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate as configured.  ``work`` says whether it is a command or tests."""

    name: GateName
    work: Command | Tests
    needs: tuple[GateName, ...] = ()
    stage: str | None = None
    tags: tuple[str, ...] = ()
    required: bool = True
    when: Literal["needs-passed", "always"] = "needs-passed"
    priority: int = 0  # -100..100, higher first
    resources: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 1800.0
    grace_s: float = 10.0
    memory_limit_bytes: int | None = None
    leaks: Literal["fail", "warn", "ignore"] = "warn"
    retries: Retries = Retries()
    breaker: Breaker | None = None
    cache: Literal["auto", "on", "off"] = "auto"
    inputs: tuple[str, ...] | None = None
    where: str | None = None  # file:line (TOML: key path) of its definition, for messages

    @property
    def kind(self) -> Literal["tests", "command"]:
        return "tests" if isinstance(self.work, Tests) else "command"

    @property
    def is_service(self) -> bool:
        return isinstance(self.work, Command) and self.work.is_service


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration, defaults and profile applied, nothing checked across gates."""

    gates: tuple[Gate, ...]  # in file order
    workers: int | None = None  # None: as many as usable CPUs
    fail_fast: bool = False
    collect: Literal["auto", "once", "whole"] = "auto"
    unclaimed: Literal["error", "warn", "ignore"] = "error"
    max_worker_restarts: int | None = None  # None: 4 x workers
    stages: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    nested_threads: Literal["share", "leave"] = "share"
    source: str | None = None  # the file it came from; None when detected
    # Where keys were written, for messages: ("mask",), ("gates", NAME, KEY), ("gates", NAME, "needs", NEED).
    places: Mapping[tuple[str, ...], str] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """What earlier runs recorded, in seconds.  Empty on a first run.

    ``commands``: wall time of a command gate.  ``files``: summed test durations
    of a test file, ``collects``: the time to collect it.  ``tests``: the number of tests of a tests gate,
    ``work``: the summed durations of its tests, their files' collection included.
    """

    commands: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, float] = field(default_factory=dict)
    collects: Mapping[str, float] = field(default_factory=dict)
    tests: Mapping[str, int] = field(default_factory=dict)
    work: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One complaint of a tool, at a place in the repository."""

    path: str | None
    line: int | None  # 1-based
    column: int | None  # 1-based
    rule: str | None
    severity: Literal["error", "warning", "note"]
    message: str
