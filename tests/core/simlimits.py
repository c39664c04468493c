"""Time limits of simulated tests: what a look finds, and what must hold of every test that has a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simworld import SimTest, World

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.model import Tests
from pytest_batchgate.core.protocol import MemoryUsed, TestsRunning

if TYPE_CHECKING:
    from invariants import Watch
    from simulator import Simulator, SimUnit, SimWorker

# Seconds that messages, the gap between two looks and the kill itself may take on top of a limit.
SLACK_S = 1.0
SAMPLE_S = 0.05  # after which the memory of a test is looked at for the first time
HANG_S = 40.0


def look(sim: Simulator) -> TestsRunning:
    """What the workers do really, which the dispatcher may not have heard of yet."""
    return TestsRunning(
        {
            worker.id: (worker.running[0].file, worker.running[1], sim.now - worker.began)
            for worker in sim.workers.values()
            if worker.running is not None and not worker.dead
        }
    )


def sample(worker: SimWorker, unit: SimUnit, index: int, test: SimTest, after_s: float = SAMPLE_S) -> None:
    """Measure it again and again while it runs: of a new file the first sample may come too early."""

    def measure() -> None:
        if worker.running == (unit, index) and not worker.dead:
            worker.sim.arrive(MemoryUsed(worker.id, (unit.file, index), test.rss_bytes))
            sample(worker, unit, index, test, 2 * after_s)

    worker.sim.after(after_s, measure)


def limits(world: World) -> dict[str, float]:
    """The seconds each test may run, by node id; tests without a limit are missing."""
    found = {}
    options = world.options
    for file in world.files:
        collected = world.collected(file)
        for index, claim in enumerate(collected.gates):
            if claim == NO_GATE:
                continue
            work = world.plan.claims[claim].work
            assert isinstance(work, Tests)
            own_s = collected.timeouts.get(index, options.test_limit_s)
            mine = [own_s + options.test_spare_s] if own_s else []
            if work.test_timeout_s is not None:
                mine.append(work.test_timeout_s)
            limit = world.plan.claims[claim].memory_limit_bytes
            if limit is not None and file.tests[index].rss_bytes > limit:
                mine.append(SAMPLE_S)
            if mine:
                found[collected.nodeid(index)] = min(mine)
    return found


def check_running(watch: Watch) -> None:
    """No test that has a limit runs on beyond it."""
    for nodeid in watch.running.values():
        limit_s = watch.limits.get(nodeid)
        if limit_s is not None:
            ran_s = watch.sim.now - watch.began[nodeid]
            assert ran_s <= limit_s + SLACK_S, f"{nodeid} runs for {ran_s} s, its limit is {limit_s} s"


def check_lost(watch: Watch, nodeid: str, outcome: str, reason: str) -> None:
    """Nobody is said to have timed out before its time."""
    if reason.startswith("memory:"):
        gate, _ = watch.of_test[nodeid]
        assert gate is not None
        assert gate.memory_limit_bytes is not None
        assert (outcome, watch.limits[nodeid]) == ("failed", SAMPLE_S)
    if not reason.startswith("timed out after") or "timeout)" not in reason:
        return
    assert outcome == "failed"
    assert watch.sim.now - watch.began[nodeid] >= watch.limits[nodeid] - 1e-9, f"{nodeid}: {reason}"
