"""A run that is followed from outside: the live tree, with CPU and memory, failures and an end.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_batchgate.core.events import Event, RunFinished, RunResult, Sampled
from pytest_batchgate.core.model import Estimates, GateState
from pytest_batchgate.report.livestate import AtWork, GateView, LiveState, RunningTest
from pytest_batchgate.report.retold import Failure, Opening, Replay
from pytest_batchgate.report.usage import Load, Loads


class Followed(LiveState):
    """``at`` is how far events have come, on the run's clock."""

    def __init__(self, start: Opening, estimates: Estimates) -> None:
        super().__init__(
            start.plan,
            estimates,
            workers=start.workers,
            sequential=start.sequential,
            narrowed=start.narrowed,
        )
        self.start = start
        self.loads = Loads()
        self.sampled_at: float | None = None
        self.samples = 0
        self.at = 0.0
        self.result: RunResult | None = None
        self.replay = Replay(start)

    def read(self, line: Mapping[str, Any]) -> list[Event | Failure]:
        """Take a line in; what it tells, failures first."""
        events = list(self.replay.events(line))
        for event in events:
            self.fold(event)
        return [*self.replay.fresh, *events]

    @property
    def failed(self) -> int:
        """How many failures there were, `failures` having the last thousand."""
        return self.replay.number

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(self.replay.failures)

    def fold(self, event: Event) -> None:
        self.at = max(self.at, event.at)
        if isinstance(event, Sampled):
            self.loads.take(event)
            self.sampled_at = event.at
            self.samples += 1
        elif isinstance(event, RunFinished):
            self.result = event.result
            for report in event.result.gates:  # those that never told that they ended
                view = self.gates.get(report.name)
                if view is not None:
                    view.state, view.report = report.state, report
        else:
            super().fold(event)

    def running_tests(self, at_work: Iterable[AtWork], at: float) -> list[RunningTest]:  # noqa: ARG002
        """As the last look found them."""
        if self.sampled_at is None or self.result is not None:
            return []
        since = max(0.0, at - self.sampled_at)
        return [
            RunningTest(use.worker, use.test, use.gate, (use.running_s or 0.0) + since)
            for use in self.loads.doing.values()
            if use.test is not None and (use.gate is None or self._is_under_way(use.gate))
        ]

    def _is_under_way(self, gate: Any) -> bool:
        return gate in self.gates and self.gates[gate].is_under_way

    def load_of(self, view: GateView) -> Load | None:
        return self.loads.of_gate(view.name) if view.is_under_way else None

    def give_up(self) -> None:
        """The run was killed: what has not ended never will."""
        for view in self.gates.values():
            if not view.state.ended:
                view.state = GateState.CANCELLED
