"""What is watched while the gates run, as far as a gate asks for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from pytest_batchgate.core.memory import least_limit
from pytest_batchgate.core.plan import Plan
from pytest_batchgate.core.protocol import MemoryUsed
from pytest_batchgate.workers.pool import WorkerPool


@contextlib.contextmanager
def memory_watched(plan: Plan, pool: WorkerPool, put: Callable[[MemoryUsed], None]) -> Iterator[None]:
    """Workers that use more than the smallest `memory-limit` of a tests gate are told of."""
    least_bytes = least_limit(plan)
    if least_bytes is None:
        yield
        return
    from pytest_batchgate.workers.memory import MemoryWatch

    watch = MemoryWatch(pool.processes_at_work, put, least_bytes)
    watch.start()
    try:
        yield
    finally:
        watch.close()
