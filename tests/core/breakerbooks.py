"""What must hold of circuit breakers in a simulated run, by books that the watch keeps of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_batchgate.core.breaker import TRANSITIONS, BreakerChange, BreakerState
from pytest_batchgate.core.endings import PASSING
from pytest_batchgate.core.events import BreakerChanged
from pytest_batchgate.core.ledger import OUT
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.protocol import AssignFile, AssignTests, WorkerId

if TYPE_CHECKING:
    from invariants import Watch


class BreakerBooks:
    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.last: dict[GateName, BreakerChange] = {}
        self.probes: dict[GateName, set[str]] = {}  # handed out since the last change

    def state_of(self, name: GateName) -> BreakerState:
        return self.last[name].after if name in self.last else BreakerState.CLOSED

    def hear(self, event: BreakerChanged) -> None:
        name, change = event.gate, event.change
        assert name in self.watch.attempts
        assert name not in self.watch.reports
        assert change.before is self.state_of(name)
        assert TRANSITIONS[change.before, change.trigger] is change.after
        assert change.at == event.at == self.watch.sim.now
        assert 0 <= event.held <= len(self.watch.of_test)
        if change.before is BreakerState.OPEN:
            woken = self.last[name].wakes_at
            assert woken is not None
            assert event.at >= woken
        self.last[name] = change
        self.probes[name] = set()

    def check(self, action: AssignFile | AssignTests) -> None:
        """What a breaker keeps back is not handed out: nothing while open, probes while half-open."""
        claims = self.watch.plan.claims
        if isinstance(action, AssignFile):
            for claim in action.open_gates:
                assert self.state_of(claims[claim].name) is BreakerState.CLOSED
            return
        for claim in set(action.gates):
            name = claims[claim].name
            where = self.state_of(name)
            assert where in {BreakerState.CLOSED, BreakerState.HALF_OPEN}, f"{name} is {where}"
            if where is BreakerState.HALF_OPEN:
                mine = zip(action.keys, action.gates, strict=True)
                self.probes[name] |= {key for key, gate in mine if gate == claim}
                self._check_probes(name, action.worker)

    def _check_probes(self, name: GateName, worker: WorkerId) -> None:
        sim = self.watch.sim
        run = sim.dispatcher.state.gates[name]
        assert run.gate.breaker is not None
        assert run.realm is not None
        out = {
            key
            for file in run.realm.files.values()
            if file.collected is not None
            for key, code in zip(file.collected.keys, file.state, strict=True)
            if code == OUT and key in self.probes[name]
        }
        proved = sum(self.watch.outcomes.get(key) in PASSING for key in self.probes[name])
        assert len(out) + proved <= run.gate.breaker.probes, f"{name} has too many probes out"
        # Who has met the outage is not asked again, unless its failure is still on the way.
        unheard = any(
            test not in self.watch.outcomes for test, where in self.watch.ran.items() if where == worker
        )
        assert unheard or name not in sim.workers[worker].poisoned, f"{name} probed by who failed it"
