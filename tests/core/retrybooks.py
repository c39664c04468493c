"""What must hold of retries of tests in a simulated run, by books that the watch keeps of its own."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_batchgate.core.events import TestWillRetry
from pytest_batchgate.core.model import Gate, GateName
from pytest_batchgate.core.protocol import AssignFile, AssignTests

if TYPE_CHECKING:
    from invariants import Watch


class RetryBooks:
    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.failed: Counter[str] = Counter()  # attempts that were not the last, by node id
        self.due: dict[str, float] = {}  # when the next attempt may start

    def hear(self, event: TestWillRetry) -> None:
        nodeid = event.collected.nodeid(event.result.index)
        gate, _ = self.watch.of_test[nodeid]
        assert gate is not None
        assert gate.name == event.gate
        assert gate.name not in self.watch.reports
        assert nodeid not in self.watch.outcomes, f"{nodeid} ended, and is tried again"
        assert nodeid not in self.due
        self.failed[nodeid] += 1
        assert event.attempt == self.failed[nodeid] < event.most == gate.retries.count + 1
        assert event.state.value in gate.retries.on
        assert event.result.outcome in {"failed", "error"}
        assert gate.retries.match is None
        assert 0 <= event.pause_s <= gate.retries.max_delay_s
        self.due[nodeid] = event.at + event.pause_s

    def check(self, action: AssignFile | AssignTests) -> None:
        if isinstance(action, AssignFile):
            return
        attempts = action.attempts or (1,) * len(action.keys)
        for key, attempt in zip(action.keys, attempts, strict=True):
            assert attempt == self.failed[key] + 1, f"{key} handed out as attempt {attempt}"

    def may_start(self, nodeid: str) -> bool:
        """Whether a test that has run may run again now."""
        if nodeid not in self.due:
            return False
        assert self.watch.sim.now >= self.due.pop(nodeid), f"{nodeid} is tried again too early"
        return True

    def waits(self, name: GateName) -> bool:
        """Whether all that is left of the gate is tests whose pause is not over."""
        left = [
            test
            for test, (gate, _) in self.watch.of_test.items()
            if gate is not None
            and gate.name == name
            and test not in self.watch.outcomes
            and test.partition("::")[0] not in self.watch.unread
        ]
        return bool(left) and all(self.due.get(test, 0.0) > self.watch.sim.now for test in left)

    def flaky(self, gate: Gate) -> int:
        """How many tests of the gate did not end as their first attempt."""
        return sum(
            self.watch.outcomes.get(nodeid, "failed") not in {"failed", "error"}
            for nodeid in self.failed
            if self.watch.of_test[nodeid][0] is gate
        )
