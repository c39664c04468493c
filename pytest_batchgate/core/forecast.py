"""How a run is likely to go, from what earlier runs took: a schedule played through in no time.

The rules are the dispatcher's in outline (higher priority first, then the longer
remaining path; commands hold slots, tests spread over what is free), without
files, chunks and start-up.  An estimate to print, never an input to decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from pytest_batchgate.core.model import Command, Estimates, Gate, GateName
from pytest_batchgate.core.plan import Plan, critical_path, lower_bound, remaining_path
from pytest_batchgate.core.valuetypes import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Seconds from the run's start.  Gates in ``unknown`` have no history and count as 0."""

    wall_s: float
    work_s: float
    critical_path_s: float
    critical_path: tuple[GateName, ...]
    lower_bound_s: float
    starts: Mapping[GateName, float]
    spans: Mapping[GateName, float]  # the shortest wall time of each gate alone; known gates only
    unknown: tuple[GateName, ...]


def forecast(plan: Plan, estimates: Estimates, workers: int) -> Forecast:
    """Play the plan through with ``workers`` slots (0, the sequential mode, is one)."""
    slots = max(1, workers)
    work = {
        gate.name: known for gate in plan.gates if (known := _work(plan, gate, estimates, slots)) is not None
    }
    width = {gate.name: _width(gate, slots) for gate in plan.gates}
    spans = {name: (seconds / width[name] if width[name] else 0.0) for name, seconds in work.items()}
    starts, wall = _Playing(plan, work, width, remaining_path(plan, spans), slots).play()
    length, path = critical_path(plan, spans)
    return Forecast(
        wall_s=wall,
        work_s=sum(work.values()),
        critical_path_s=length,
        critical_path=path,
        lower_bound_s=lower_bound(plan, work, spans, slots),
        starts=starts,
        spans=spans,
        unknown=tuple(name for name in plan.order if name not in work),
    )


def _width(gate: Gate, slots: int) -> int:
    """The most slots a gate uses at once; 0 for a service."""
    if isinstance(gate.work, Command):
        return 0 if gate.is_service else min(gate.work.weight, slots)
    return min(gate.work.max_workers or slots, slots)


def _work(plan: Plan, gate: Gate, estimates: Estimates, slots: int) -> float | None:
    """Worker time, or None without history."""
    if isinstance(gate.work, Command):
        if gate.is_service:
            return 0.0
        wall = estimates.commands.get(gate.name)
        return None if wall is None else wall * min(gate.work.weight, slots)
    if gate.name in estimates.work:
        return estimates.work[gate.name]
    # Files belong to no gate in the record; they tell a gate's work when it alone takes tests.
    if len(plan.claims) > 1 or not estimates.files:
        return None
    return sum(estimates.files.values()) + sum(estimates.collects.values())


@dataclass(slots=True)
class _Playing:
    plan: Plan
    work: Mapping[GateName, float]
    width: Mapping[GateName, int]
    ahead: Mapping[GateName, float]
    slots: int
    now: float = 0.0
    starts: dict[GateName, float] = field(default_factory=dict)
    left: dict[GateName, float] = field(default_factory=dict)  # worker time, of gates that run
    held: dict[GateName, int] = field(default_factory=dict)  # slots, of commands that run
    busy: set[str] = field(default_factory=set)  # resources

    def play(self) -> tuple[Mapping[GateName, float], float]:
        gates = {gate.name: gate for gate in self.plan.gates}
        rank = {
            name: (-gates[name].priority, -self.ahead[name], index)
            for index, name in enumerate(self.plan.order)
        }
        missing = {name: len(self.plan.needs[name]) for name in self.plan.order}
        ready = [gates[name] for name in self.plan.order if not missing[name]]
        while ready or self.left:
            ready.sort(key=lambda gate: rank[gate.name])
            ready = [gate for gate in ready if not self._start(gate)]
            speeds = self._speeds(sorted(self.left, key=rank.__getitem__))
            for name in self._advance(speeds):
                self.busy.difference_update(gates[name].resources)
                for later in self.plan.dependents[name]:
                    missing[later] -= 1
                    if not missing[later]:
                        ready.append(gates[later])
        return self.starts, self.now

    def _start(self, gate: Gate) -> bool:
        free = self.slots - sum(self.held.values())
        command = isinstance(gate.work, Command)
        if not self.busy.isdisjoint(gate.resources) or (command and self.width[gate.name] > free):
            return False
        if command:
            self.held[gate.name] = self.width[gate.name]
        self.busy.update(gate.resources)
        self.starts[gate.name] = self.now
        self.left[gate.name] = self.work.get(gate.name, 0.0)
        return True

    def _speeds(self, running: list[GateName]) -> dict[GateName, int]:
        """Slots of each running gate: commands keep theirs, tests share the others in order."""
        free = self.slots - sum(self.held.values())
        speeds = dict(self.held)
        for name in running:
            if name not in speeds:
                speeds[name] = min(free, self.width[name])
                free -= speeds[name]
        return speeds

    def _advance(self, speeds: Mapping[GateName, int]) -> list[GateName]:
        """Let time pass until a gate ends; the gates that end then."""
        times = {name: left / speeds[name] for name, left in self.left.items() if left and speeds[name]}
        at_once = [name for name, left in self.left.items() if not left]
        step = 0.0 if at_once else min(times.values())
        self.now += step
        ended = at_once or [name for name, time in times.items() if time <= step]
        for name in times:
            self.left[name] = max(0.0, self.left[name] - step * speeds[name])
        for name in ended:
            del self.left[name]
            self.held.pop(name, None)
        return ended
