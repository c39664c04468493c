"""`-x` and `--maxfail` over all workers: the count that they share, and the controller's part of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from pytest_batchgate.core.events import Event, FileWasCollected, TestWasLost
from pytest_batchgate.workers.failures import Failures


class FailureCount:
    """A subscriber: counts what no worker lived to count itself."""

    name = "count of failures"

    def __init__(self, path: Path, workers: int, most: int) -> None:
        """Without a place for the file each worker counts for itself, and reports alone end the run."""
        self._path = path
        self._places = workers + 1
        self._most = most
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
        self._failures = Failures.create(path, self._places, most)

    def place(self, slot: int) -> tuple[str, int, int, int]:
        """What the worker in this slot is told."""
        return str(self._path), self._places, slot, self._most

    def handle(self, event: Event) -> None:
        if isinstance(event, TestWasLost) and event.outcome in {"failed", "error"}:
            self._failures.add()
        elif isinstance(event, FileWasCollected) and not isinstance(event.collected.payload, Mapping):
            self._failures.add(event.collected.errors)
