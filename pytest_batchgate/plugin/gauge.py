"""What one run of a benchmark takes: wall time, CPU, memory."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.workers.process import Tree

SAMPLE_S = 0.2
"""How often memory is looked at: what comes and goes in between is not seen."""


@dataclass(slots=True, kw_only=True)
class Taken:
    """Seconds and bytes; complete once the run is over.

    ``cpu_s`` is what the kernel charges to children of this process that were waited for, and to
    those that they waited for: one run at a time, and nothing else.  ``peak_rss_bytes`` is the
    greatest sum of resident memory over all processes of the run, pages that they share counted in each.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0


class Gauge:
    """Measures one run at a time."""

    def __init__(self) -> None:
        self._taken = Taken()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def measuring(self) -> Iterator[Taken]:
        self._taken = taken = Taken()
        self._over.clear()
        cpu_s, began = _children_s(), time.monotonic()
        try:
            yield taken
        finally:
            taken.wall_s = time.monotonic() - began
            self._over.set()
            if self._thread is not None:
                self._thread.join()
                self._thread = None
            taken.cpu_s = _children_s() - cpu_s

    def watch(self, pid: int) -> None:
        """From now on, until the measuring ends."""
        self._thread = threading.Thread(target=self._look, args=(pid,), name="batchgate-gauge", daemon=True)
        self._thread.start()

    def _look(self, pid: int) -> None:
        tree, taken = Tree(pid, None), self._taken
        while not self._over.wait(SAMPLE_S):
            taken.peak_rss_bytes = max(taken.peak_rss_bytes, tree.usage().rss_bytes)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
