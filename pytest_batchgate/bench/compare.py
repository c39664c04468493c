"""Which tests did not end alike in all runs."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_batchgate.bench.observed import WITHHELD, Observed
from pytest_batchgate.core.valuetypes import dataclass

IN_TURN = "in turn"
IN_PARALLEL = "in parallel"
OTHER_ORDER = "other order"
LABELS = (IN_TURN, IN_PARALLEL, OTHER_ORDER)

ABSENT = "absent"
"""The outcome of a test that a run did not collect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A test that differs, and its outcome in each run, by the run's label."""

    nodeid: str
    gate: str | None
    outcomes: Mapping[str, str]

    @property
    def was_collected_always(self) -> bool:
        return ABSENT not in self.outcomes.values()

    @property
    def follows(self) -> bool:
        """Where it was given to a worker at all it ended alike: the difference is another test's."""
        own = {outcome for outcome in self.outcomes.values() if outcome != WITHHELD}
        return len(own) <= 1


def compare(runs: Mapping[str, Observed]) -> tuple[Case, ...]:
    """The tests whose outcomes differ, in the order of the first run that knows them."""
    names: dict[str, None] = {}
    for run in runs.values():
        names.update(dict.fromkeys(run.collected))
        names.update(dict.fromkeys(run.tests))
    cases = []
    for name in names:
        outcomes = {label: run.outcome(name) or ABSENT for label, run in runs.items()}
        if len(set(outcomes.values())) > 1:
            gate = next(run.tests[name].gate for run in runs.values() if name in run.tests)
            cases.append(Case(nodeid=name, gate=gate, outcomes=outcomes))
    return tuple(cases)
