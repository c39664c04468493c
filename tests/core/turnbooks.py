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
        # Who stood still when a gate began or its tests were handed out, and when a unit was.
        self.meanwhile: dict[GateName, set[GateName]] = {}
        self.beside: dict[UnitId, set[GateName]] = {}

    def note_handed_out(self, action: AssignFile | AssignTests) -> None:
        self.beside[action.unit] = self._still()

    def check_start(self, name: GateName) -> None:
        """Nothing begins beside a gate that is under way.

        But what its tests wait for (`forward`); what begins while it waits for the time alone, or
        was handed out then; and what waited so itself when the other began, and is due again.
        """
        watch, state = self.watch, self.watch.sim.dispatcher.state
        claim = state.gates[name].claim
        mine = [unit for unit in state.units.values() if claim is not None and claim in unit.gates]
        handed_out_beside = {other for unit in mine for other in self.beside.get(unit.id, ())}
        self.meanwhile[name] = self._still() | handed_out_beside
        if not watch.sim.world.options.sequential or watch.gates[name].is_service:
            return
        running = {
            other
            for other in watch.started - set(watch.reports)
            if not watch.gates[other].is_service and name not in self.meanwhile[other]
        }
        running -= self.meanwhile[name]
        assert name in state.forward or running <= state.forward, f"{name} starts beside {running}"

    def _still(self) -> set[GateName]:
        """Gates that wait for the time alone, and leave the one worker to others."""
        watch = self.watch
        return {
            name
            for name in watch.attempts.keys() - watch.reports.keys()
            if watch.between.get(name, 0.0) > watch.sim.now
            or watch.breakers.state_of(name) is BreakerState.OPEN
            or watch.retries.waits(name)
        }
