"""A gate's way through a run, and the only table of its transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from pytest_batchgate.core.events import OUTCOMES, GateReport
from pytest_batchgate.core.ledger import Realm
from pytest_batchgate.core.model import Command, Finding, Gate, GateName, GateState
from pytest_batchgate.core.protocol import WorkerId
from pytest_batchgate.core.valuetypes import dataclass

if TYPE_CHECKING:  # few runs have a breaker
    from pytest_batchgate.core.breaker import CircuitBreaker

_ENDS = frozenset(state for state in GateState if state.ended)

TRANSITIONS: Mapping[GateState, frozenset[GateState]] = {
    # A gate may end without having started: skipped, cancelled, failed with its service.
    GateState.WAITING: _ENDS | {GateState.RUNNING},
    # Back to waiting: a command that did not pass, and is tried again.
    GateState.RUNNING: _ENDS | {GateState.READY, GateState.WAITING},
    GateState.READY: _ENDS,
    **{state: frozenset() for state in _ENDS},
}


@dataclass(slots=True, eq=False)
class GateRun:
    """What the dispatcher knows of one gate.  Only `move` changes its state."""

    gate: Gate
    needs: tuple[GateName, ...]
    claim: int | None = None  # index into Plan.claims; None for a command
    state: GateState = GateState.WAITING
    # Both follow from the state; asked for all gates at every step, they are kept, not computed.
    ended: bool = False
    satisfies_needs: bool = False  # a gate that needs this one may start, as far as this one goes
    reason: str | None = None
    started_s: float | None = None  # its first attempt
    began_s: float = 0.0  # its latest attempt
    ended_s: float | None = None
    attempts: int = 0
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0
    # How its latest attempt ended, and when the next one may start: between two attempts only.
    last_try: tuple[GateState, str | None] | None = None
    not_before_s: float | None = None
    deadline_s: float | None = None
    # Set when the gate is being brought to an end it did not choose; it ends once nothing of it runs.
    closing: tuple[GateState, str | None] | None = None
    cut_short: bool = False  # it ended by something else than its own work
    trouble: str | None = None  # why it fails although no test of it did
    crashes: int = 0  # workers that its tests took with them
    given_up: str | None = None  # why nothing more of it starts, although its files are collected
    breaker: CircuitBreaker | None = None  # from its first attempt on, if it has one
    # tests gates
    realm: Realm | None = None
    remaining: int = 0  # collected tests that have not reported
    uncollected: int = 0  # files of its realm that may hold its tests
    collect_errors: int = 0
    over: str | None = None  # how a test of it used more memory than it may
    leaked: list[str] = field(default_factory=list)  # what its tests left running, where that fails it
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    flaky: int = 0  # tests that passed, and had not at first
    pausing: int = 0  # tests between two attempts; counted in `remaining`, too
    carried: int = 0  # of these, tests that a resumed run did not run
    work_s: float = 0.0
    struck: set[WorkerId] = field(default_factory=set)  # whose last evidence for the breaker was a failure
    # command gates
    epoch: int = 0  # the breaker's, when its latest attempt began
    slots: tuple[int, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    more_findings: int = 0
    log_path: str | None = None

    @property
    def name(self) -> GateName:
        return self.gate.name

    @property
    def seen(self) -> int:
        """Tests that ended, one way or another."""
        return sum(self.counts.values())

    def move(self, state: GateState, reason: str | None = None) -> None:
        assert state in TRANSITIONS[self.state], f"{self.name}: {self.state} -> {state}"
        self.state = state
        self.ended = state.ended
        optional = self.ended and not self.gate.required and state is not GateState.SKIPPED
        self.satisfies_needs = state is GateState.READY or state.good or optional
        if reason is not None:
            self.reason = reason

    def report(self) -> GateReport:
        work = self.gate.work
        wall_s = 0.0
        if self.started_s is not None and self.ended_s is not None:
            wall_s = self.ended_s - self.started_s
        is_command = isinstance(work, Command)
        return GateReport(
            name=self.name,
            kind=self.gate.kind,
            state=self.state,
            required=self.gate.required,
            needs=self.needs,
            reason=self.reason,
            started_s=self.started_s,
            wall_s=wall_s,
            work_s=self.work_s,
            cpu_s=self.cpu_s,
            peak_rss_bytes=self.peak_rss_bytes,
            attempts=self.attempts,
            flaky=self.flaky,
            counts={} if is_command else dict(self.counts),
            findings=self.findings,
            more_findings=self.more_findings,
            log_path=self.log_path,
            is_service=self.gate.is_service,
            wrote_outputs=bool(self.outputs),
        )
