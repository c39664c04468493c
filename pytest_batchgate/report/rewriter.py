"""Keeps one file current while a run goes on: whole after each write, written not too often.

The file is replaced, never changed in place: a file that grows is not whole in between, and even
a single write is cut at a page's end when the process is killed.  What it costs is bounded
instead: a write waits for a tenth of a second, or for fifty times as long as the last one took.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PAUSE_S = 0.1
_SHARE = 50  # a write takes at most one part of so many of the time


class Rewriter:
    """Writes what ``compose`` gives in a thread of its own, which starts with the first change.

    The thread holds ``lock`` while it composes; who changes what is composed holds it meanwhile.
    """

    def __init__(
        self,
        compose: Callable[[], bytes],
        write: Callable[[bytes], object],
        *,
        name: str,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.lock = threading.Lock()
        self._compose = compose
        self._write = write
        self._name = name
        self._pause_s = pause_s
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def begin(self) -> None:
        """Write in the caller's thread, before the first change.  Raises what that meets.

        The other thread then only replaces a file that there is: what permissions a new one gets
        can be learnt only by changing the whole process's for a moment.
        """
        self._write(self._composed())

    def touch(self) -> None:
        """Something changed.  Raises what an earlier write met."""
        if self._error is not None:
            raise self._error
        self._changed.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"batchgate {self._name}", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """No write follows.  Idempotent."""
        self._closing.set()
        self._changed.set()
        if self._thread is not None:
            self._thread.join()

    def finish(self) -> None:
        """Write for the last time, in the caller's thread.  Raises what that or an earlier write met."""
        self.close()
        if self._error is not None:
            raise self._error
        self._write(self._composed())

    def _composed(self) -> bytes:
        with self.lock:
            return self._compose()

    def _run(self) -> None:
        while True:
            self._changed.wait()
            if self._closing.is_set():
                return
            self._changed.clear()
            began = time.perf_counter()
            try:
                self._write(self._composed())
            except Exception as error:  # noqa: BLE001 (raised where somebody hears of it)
                self._error = error
                return
            took_s = time.perf_counter() - began
            self._closing.wait(max(self._pause_s, took_s * _SHARE))
