"""What is watched while the gates run: signals, and the memory of workers where a gate asks for it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from pytest_batchgate.core.plan import Plan
from pytest_batchgate.core.protocol import MemoryUsed, StopAsked
from pytest_batchgate.plugin.crewing import Crewing
from pytest_batchgate.workers.pool import WorkerPool


@contextlib.contextmanager
def memory_watched(plan: Plan, pool: WorkerPool, put: Callable[[MemoryUsed], None]) -> Iterator[None]:
    """Workers that use more than the smallest `memory-limit` of a tests gate are told of."""
    limits = [gate.memory_limit_bytes for gate in plan.gates if gate.kind == "tests"]
    least_bytes = min((limit for limit in limits if limit is not None), default=None)
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


@contextlib.contextmanager
def signals_heeded(put: Callable[[StopAsked], None], crewing: Crewing) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end the run in order; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        seen.append(number)
        name = signal.Signals(number).name
        put(StopAsked("interrupted", name, 2))
        crewing.interrupt(at_once=len(seen) > 1)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
