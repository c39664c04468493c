"""Which run is meant, and its record as it grows: for `batchgate monitor` and `batchgate logs`."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pytest_batchgate.core.model import Estimates
from pytest_batchgate.errors import OptionError
from pytest_batchgate.report.followed import Followed
from pytest_batchgate.report.retold import opening
from pytest_batchgate.store.history import History
from pytest_batchgate.store.runs import KeptRun, kept_runs, pick_run

POLL_S = 0.2
_PATIENCE_S = 2.0  # for the first line of a run that has just begun
_BLOCK_BYTES = 1 << 20


def find_run(folder: Path, typed: str | None) -> KeptRun:
    """The run whose id begins with ``typed``, else the newest that goes on, else the newest.

    Raises OptionError where there is none.
    """
    runs = kept_runs(folder)
    if typed is None:
        found = pick_run(runs)
        if found is None:
            raise OptionError(f"no run is recorded in {folder}", todo="Start one: pytest --batch-gates")
        return found
    matching = [run for run in runs if run.run_id.startswith(typed)] if typed else []
    if len(matching) == 1:
        return matching[0]
    known = ", ".join(run.run_id[:8] for run in runs) or "none"
    what = f"{len(matching)} runs begin with {typed!r}" if matching else f"there is no run {typed!r}"
    raise OptionError(what, where="--run", todo=f"Known are: {known}")


class Tail:
    """A record as it grows.  `lines` gives what was added since it was last asked, in whole lines."""

    def __init__(self, run: KeptRun) -> None:
        """Raises OptionError for a file that cannot be opened."""
        self.run = run
        self._rest = b""
        self._whole: deque[bytes] = deque()
        try:
            self._file: BinaryIO = run.path.open("rb")
        except OSError as problem:
            raise OptionError(f"{run.path} cannot be read: {problem.strerror}") from None

    def first(self) -> dict[str, Any]:
        """The first line of all, which comes at once.  Raises OptionError where none does."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            alive = self.run.is_alive()
            for line in self.lines():
                return line
            if not alive or time.monotonic() > until:
                raise OptionError(f"nothing is recorded in {self.run.path}")
            time.sleep(POLL_S)

    def lines(self) -> Iterator[dict[str, Any]]:
        while True:
            while self._whole:  # kept: whoever asks may stop at any line, and ask again
                try:
                    told = json.loads(self._whole.popleft())
                except (ValueError, RecursionError):  # of a disk that was full, or not ours
                    continue
                if isinstance(told, dict):
                    yield told
            block = self._file.read(_BLOCK_BYTES)
            if not block:
                return
            *whole, self._rest = (self._rest + block).split(b"\n")
            self._whole.extend(whole)

    def close(self) -> None:
        self._file.close()


def followed(folder: Path, first: dict[str, Any]) -> Followed:
    """What begins with this line.  Raises BatchGateError."""
    start = opening(first)
    history = History.open(folder)
    return Followed(start, history.estimates() if history.path.exists() else Estimates())
