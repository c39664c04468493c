"""What workers use while they run tests, looked at five times a second.

A thread of its own, started only where some gate with tests has a `memory-limit`.
It decides nothing: what is more than the smallest limit is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from pytest_batchgate.core.protocol import MemoryUsed, WorkerId
from pytest_batchgate.workers.process import Tree

SAMPLE_S = 0.2

AtWork = Callable[[], Iterable[tuple[WorkerId, int, str, int]]]


class MemoryWatch:
    """``at_work``: the workers in a test, as id, process, file, index.  ``put`` is called from a thread."""

    def __init__(self, at_work: AtWork, put: Callable[[MemoryUsed], None], least_bytes: int) -> None:
        self._at_work = at_work
        self._put = put
        self._least_bytes = least_bytes
        self._over = threading.Event()
        self._trees: dict[int, Tree] = {}

    def start(self) -> None:
        threading.Thread(target=self._watch, name="batchgate-memory", daemon=True).start()

    def close(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_S):
            for worker, pid, file, index in self._at_work():
                tree = self._trees.get(pid)
                if tree is None:
                    tree = self._trees[pid] = Tree(pid, None)
                used = tree.usage().rss_bytes
                if used > self._least_bytes and not self._over.is_set():
                    self._put(MemoryUsed(worker, (file, index), used))
