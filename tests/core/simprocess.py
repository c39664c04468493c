"""A command or a service of a simulated run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simworld import SimCommand

from pytest_batchgate.core.model import Gate, GateState
from pytest_batchgate.core.protocol import CommandEnded, ServiceReady, StopCommand

if TYPE_CHECKING:
    from simulator import Simulator


class SimProcess:
    """A command or a service."""

    def __init__(self, sim: Simulator, gate: Gate, how: SimCommand) -> None:
        self.sim, self.gate, self.how = sim, gate, how
        self.over = False
        if gate.is_service:
            ready_s = how.ready_s if how.ready_s is not None else how.duration_s
            sim.after(sim.delay(ready_s), self.ready)
        else:
            sim.attempts[gate.name] += 1
            ill = sim.attempts[gate.name] <= how.heals_after
            state = GateState.FAILED if ill else how.state
            sim.after(sim.delay(how.duration_s), lambda: self.end(state, "exit 1"))

    def ready(self) -> None:
        if self.over:
            return
        if self.how.ready_s is None:
            self.end(GateState.FAILED, "not ready after 30 s")
            return
        self.sim.send(ServiceReady(self.gate.name, self.how.outputs))
        if self.how.dies_s is not None:
            self.sim.after(self.sim.delay(self.how.dies_s), lambda: self.end(GateState.FAILED, "died"))

    def stop(self, action: StopCommand) -> None:
        self.sim.after(self.sim.delay(self.how.stop_s), lambda: self.end(action.state, action.reason))

    def end(self, state: GateState, reason: str | None) -> None:
        if self.over:
            return
        self.over = True
        outputs = self.how.outputs if state.good else {}
        shown = None if state is GateState.PASSED else reason
        self.sim.send(CommandEnded(gate=self.gate.name, state=state, reason=shown, outputs=outputs))
