"""A worker's way out: results in batches, everything in order.

Results are flushed at 200 tests, after 50 ms (by a thread, so that a slow test
does not hold back the quick ones before it), at a failure, and before blocking.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Callable
from typing import Any

from pytest_batchgate.workers import wire

FLUSH_TESTS = 200
FLUSH_S = 0.05

_getrusage = resource.getrusage  # kept: tests may put another one in its place
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Meter:
    """What this process uses, its children included once they have been waited for."""

    def __init__(self) -> None:
        self._cpu_s = 0.0

    def begin(self) -> None:
        """What was used until now counts for nobody."""
        self._look()

    def since(self) -> tuple[float, int]:
        """Seconds of CPU since it was last asked, and the most memory (resident bytes) ever used."""
        before = self._cpu_s
        peak = self._look()
        return max(0.0, self._cpu_s - before), peak * _RSS_UNIT

    def _look(self) -> int:
        own, children = _getrusage(resource.RUSAGE_SELF), _getrusage(resource.RUSAGE_CHILDREN)
        self._cpu_s = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        return max(own.ru_maxrss, children.ru_maxrss)


class Outbox:
    """Thread-safe.  ``send`` takes one bytes object and may be called from any thread."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._messages: list[wire.Message] = []
        self._results: list[tuple[Any, ...]] = []
        self._unit = -1
        self._meter = Meter()
        self._closed = threading.Event()
        self.orphaned = False  # this process is a fork of the one whose outbox it is
        threading.Thread(target=self._beat, name="batchgate-flush", daemon=True).start()

    def result(
        self, unit: int, index: int, outcome: str, duration_s: float, payload: Any, text: str = ""
    ) -> None:
        with self._lock:
            if unit != self._unit:
                self._seal()
                self._unit = unit
            whole = (index, outcome, duration_s, payload)
            self._results.append((*whole, text) if text else whole)
            full = len(self._results) >= FLUSH_TESTS
        if full:
            self.flush()

    def put(self, *message: Any) -> None:
        """Queue a message behind what is already there."""
        with self._lock:
            self._seal()
            self._messages.append(message)
            if message[0] == wire.LISTED:
                self._meter.begin()  # until here it only started

    def put_now(self, *message: Any) -> None:
        self.put(*message)
        self.flush()

    def disown(self) -> None:
        """In a child that was forked: nothing that is here is its own to tell.

        Should the child come back into pytest, it ends at the first thing it has to say.
        """
        self.orphaned = True
        self._lock = threading.Lock()  # another thread may have held it, and is not here to let go
        self._messages, self._results = [], []

    def flush(self) -> None:
        if self.orphaned:
            os._exit(0)
        with self._lock:
            self._seal()
            if not self._messages:
                return
            messages, self._messages = self._messages, []
            # Sent under the lock: batches must not overtake each other.
            self._send(wire.encode(messages))

    def close(self) -> None:
        self._closed.set()
        self.flush()

    def _seal(self) -> None:
        if self._results:
            self._messages.append((wire.RESULTS, self._unit, self._results, *self._meter.since()))
            self._results = []

    def _beat(self) -> None:
        while not self._closed.wait(FLUSH_S):
            if self._results or self._messages:
                try:
                    self.flush()
                except OSError:
                    return
