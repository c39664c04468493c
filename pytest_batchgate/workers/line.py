"""The line to a worker on another machine: what it says of itself, and how it was cut.

Nothing is shared with it, neither a mapping nor signals.  So it tells when a test begins, and how
the line ended tells whether it crashed or nobody knows.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Mapping

from pytest_batchgate.workers import wire

LOST = "lost its connection"
_SSH_FAILED = 255  # its exit code for all that is its own


class Line:
    """What is known of one such worker.  ``_told``: unit, index and since when, of what it runs."""

    def __init__(self) -> None:
        self._told: tuple[int, int, float | None] | None = None
        self._is_lost = False

    def is_for_us(self, message: wire.Message) -> bool:
        """Whether it is news of what the worker runs now, which concerns nobody else."""
        if message[0] != wire.RUNNING:
            return False
        _, unit, index, runs = message
        self._told = (unit, index, time.monotonic() if runs else None)
        return True

    def record(self, units: Mapping[int, str]) -> tuple[str, int, float | None] | None:
        """As `WorkerPool._record`."""
        if self._told is None or self._is_lost:
            return None
        unit, index, since = self._told
        name = units.get(unit)
        return None if name is None else (name, index, None if since is None else time.monotonic() - since)

    def ended(self, code: int | None) -> str:
        """In words.  ``code``: of ssh, the worker's own, or 128 and a signal; None for a socket."""
        if code is None or code < 0 or code == _SSH_FAILED:
            # Nobody knows what became of it: no test is to blame, also if its last words are read after this.
            self._is_lost = True
            return LOST
        if code > 128:
            with contextlib.suppress(ValueError):
                return f"was killed by {signal.Signals(code - 128).name}"
        return f"ended with exit code {code}"
