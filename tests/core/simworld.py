"""What a simulated run is made of: files with tests, commands, and how badly the world behaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.claims import claimants
from pytest_batchgate.core.model import GateName, GateState, Tests
from pytest_batchgate.core.plan import Plan
from pytest_batchgate.core.protocol import CollectedFile, StopAsked, Traits
from pytest_batchgate.core.state import RunOptions


@dataclass(kw_only=True)
class SimTest:
    """One test.  ``marker`` names its gate; ``labels`` are the gates whose expression it matches."""

    __test__ = False

    name: str
    outcome: str = "passed"
    duration_s: float = 0.1
    marker: GateName | None = None
    labels: frozenset[str] = frozenset()
    traits: Traits | None = None
    crashes: bool = False
    heals_after: int = 0  # attempts that fail (or crash, or hang) before one ends in ``outcome``
    hangs: bool = False  # for so long that nothing but a kill ends it in time
    timeout_s: float | None = None  # by a marker
    rss_bytes: int = 0  # while it runs
    leaves: bool = False  # a process that outlives its worker

    def fails_at(self, attempt: int) -> bool:
        """Whether a test that crashes or hangs does so in this attempt, from 1."""
        return not self.heals_after or attempt <= self.heals_after


@dataclass(kw_only=True)
class SimFile:
    name: str
    tests: list[SimTest] = field(default_factory=list)
    errors: int = 0
    crashes: bool = False  # its import takes the process down
    unstable: bool = False  # ids that no other process finds again
    collect_s: float = 0.01
    deselected: tuple[str, ...] = ()


@dataclass(kw_only=True)
class SimCommand:
    """How a command goes.  A service is ready after ``ready_s``; ``dies_s`` later it ends by itself."""

    duration_s: float = 1.0
    state: GateState = GateState.PASSED
    ready_s: float | None = None
    dies_s: float | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    stop_s: float = 0.05
    heals_after: int = 0  # attempts that fail before one ends in ``state``


@dataclass(kw_only=True)
class World:
    plan: Plan
    options: RunOptions
    files: list[SimFile] = field(default_factory=list)
    commands: dict[str, SimCommand] = field(default_factory=dict)
    stops: list[tuple[float, StopAsked]] = field(default_factory=list)
    # Gates whose service is away, from when until when: their tests fail, and go on failing in
    # workers that have met the outage, as with a session fixture whose exception pytest keeps.
    outages: dict[GateName, tuple[float, float]] = field(default_factory=dict)
    loss_rate: float = 0.0  # chance that a worker is given a moment to die
    spawn_failures: float = 0.0
    failing: dict[int, int] = field(default_factory=dict)  # slot -> its first starts that come to nothing
    latency_s: float = 0.001
    spawn_s: float = 0.3
    jitter: bool = True
    taken_limit: int | None = None  # a worker runs that many tests of a new file unasked
    chatty: bool = False  # says hungry with nothing held, too
    flush_all: bool = False  # reports each test at once
    nameless: bool = False  # of what tests left nobody can say whose it was
    prompt: bool = False  # orders are taken while a file is collected or a test runs

    def collected(self, file: SimFile) -> CollectedFile:
        gates, traits = [], {}
        may = claimants(file.name, self.plan.claims)
        names = [gate.name for gate in self.plan.claims]
        for index, test in enumerate(file.tests):
            gates.append(names.index(test.marker) if test.marker is not None else self._claim(test, may))
            if test.traits is not None:
                traits[index] = test.traits
        return CollectedFile(
            file=file.name,
            keys=tuple(f"{file.name}::{test.name}" for test in file.tests),
            gates=tuple(gates),
            traits=traits,
            timeouts={
                index: test.timeout_s for index, test in enumerate(file.tests) if test.timeout_s is not None
            },
            errors=file.errors,
            duration_s=file.collect_s,
            deselected=tuple(f"{file.name}::{name}" for name in file.deselected),
        )

    def _claim(self, test: SimTest, may: tuple[int, ...]) -> int:
        for claim in may:
            work = self.plan.claims[claim].work
            assert isinstance(work, Tests)
            if work.expression is None or self.plan.claims[claim].name in test.labels:
                return claim
        return NO_GATE

    @property
    def marked(self) -> tuple[str, ...]:
        return tuple(file.name for file in self.files if any(test.marker for test in file.tests))
