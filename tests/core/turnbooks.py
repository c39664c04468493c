"""What must hold of the sequential mode in a simulated run: one gate at a time, but for pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_batchgate.core.breaker import BreakerState
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.protocol import AssignFile, AssignTests, UnitId

if TYPE_CHECKING:
    from invariants import Watch


class TurnBooks:
    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.meanwhile: dict[GateName, set[GateName]] = {}  # who was between two attempts when it began
        self.beside: dict[UnitId, set[GateName]] = {}  # who stood still when it was handed out

    def note_handed_out(self, action: AssignFile | AssignTests) -> None:
        self.beside[action.unit] = {name for name in self.watch.started if self._stands_still(name)}

    def check_start(self, name: GateName) -> None:
        """Nothing begins beside a gate that is under way.

        But what its tests wait for (`forward`); what begins while it waits for the time alone, or
        was handed out then; and what was between two attempts when it began, and is due again.
        """
        watch, state = self.watch, self.watch.sim.dispatcher.state
        now = watch.sim.now
        self.meanwhile[name] = {other for other, due in watch.between.items() if due > now}
        if not watch.sim.world.options.sequential or watch.gates[name].is_service:
            return
        claim = state.gates[name].claim
        mine = [unit for unit in state.units.values() if claim is not None and claim in unit.gates]
        handed_out_beside = {other for unit in mine for other in self.beside.get(unit.id, ())}
        running = {
            other
            for other in watch.started - set(watch.reports)
            if not watch.gates[other].is_service
            and not self._stands_still(other)
            and name not in self.meanwhile[other]
        }
        running -= handed_out_beside
        assert name in state.forward or running <= state.forward, f"{name} starts beside {running}"

    def _stands_still(self, name: GateName) -> bool:
        """Whether the gate waits for the time alone, and leaves the one worker to others."""
        watch = self.watch
        return watch.breakers.state_of(name) is BreakerState.OPEN or watch.retries.waits(name)
