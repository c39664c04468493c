"""Random graphs, tests, losses and stops: nothing early, nothing twice, nothing forgotten.

After a change of the core, and nightly, more examples:
``TESTS_EXAMPLES=2000 pytest tests/core/test_dispatch_random.py``.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulator import Simulator
from simworld import World
from worlds import calm_worlds, worlds

pytestmark = pytest.mark.slow  # and the same on every interpreter

EXAMPLES = int(os.environ.get("TESTS_EXAMPLES", "200"))
PROFILE = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@PROFILE
@given(world=worlds(), seed=st.integers(0, 2**16))
def test_any_run_keeps_the_invariants(world: World, seed: int) -> None:
    Simulator(world, seed).run()


@PROFILE
@given(world=calm_worlds(), seed=st.integers(0, 2**16))
def test_without_losses_and_stops_outcomes_do_not_depend_on_the_schedule(world: World, seed: int) -> None:
    one = Simulator(world, seed).run()
    two = Simulator(world, seed + 1).run()
    assert one.watch.outcomes == two.watch.outcomes
    first, second = (
        # A service may or may not be ready before the last gate that needs it is skipped.
        {name: report.state for name, report in sim.watch.reports.items() if not report.is_service}
        for sim in (one, two)
    )
    assert first == second
