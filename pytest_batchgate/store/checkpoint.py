"""What a resumed run continues from: the last run as it happened, one JSON value per line.

Smaller than `events.jsonl`, because every run writes it.  A line is written before the next event, so that
a run which is killed leaves all that it had heard of; a last line that is cut is dropped.  A run that
continues another one begins with the other's lines: killed in its turn, it loses nothing of either.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    GateFinished,
    RunFinished,
    RunStarted,
    TestsWereRun,
    TestWasLost,
    TestWillRetry,
)
from pytest_batchgate.core.protocol import CollectedFile

SCHEMA = 1
NAME = "last-run.jsonl"
_MEASURE_S = 5.0  # for what a run is of to become known, once it has ended

Identity = Mapping[str, Mapping[str, str]]
"""What a run is of: by kind (content, configuration ...), names and their values."""


class Checkpoint:
    """A subscriber that writes the file; without a word where it cannot be written.

    ``measure`` gives what the run is of.  It is asked in a thread, for nobody must wait for it, and
    what it raises only means that the run cannot be continued.  ``before``: the file of the run that is
    continued.
    """

    name = "the record for --batch-resume"

    def __init__(
        self, path: Path, *, started_unix_s: float, measure: Callable[[], Identity], before: bytes = b""
    ) -> None:
        self._path = path
        self._started_unix_s = started_unix_s
        self._measure = measure
        self._before = before
        self._file: BinaryIO | None = None
        self._claims: tuple[str, ...] = ()
        self._numbers: dict[int, tuple[int, CollectedFile]] = {}  # by identity, which is kept thereby
        self._identity: Identity | None = None  # set by the thread, once
        self._is_identified = False
        self._thread: threading.Thread | None = None

    def handle(self, event: Event) -> None:
        """TestsWereRun is the hot path."""
        if isinstance(event, RunStarted):
            self._start(event)
        elif self._file is None:
            return
        elif isinstance(event, TestsWereRun):
            number = self._number(event.collected)
            results = [[index, outcome, duration_s] for index, outcome, duration_s, _, _ in event.results]
            self._write({"of": number, "results": results})
        elif isinstance(event, TestWillRetry):
            self._write({"of": self._number(event.collected), "tried": event.result.index})
        elif isinstance(event, TestWasLost):
            self._write({"of": self._number(event.collected), "lost": event.index})
        elif isinstance(event, FileWasCollected):
            if event.worker:  # else it is among the lines of the run before
                self._number(event.collected)
        elif isinstance(event, GateFinished):
            self._write(_gate_line(event))
        elif isinstance(event, RunFinished):
            self._finish()

    def close(self) -> None:
        """Idempotent."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()

    def _start(self, event: RunStarted) -> None:
        self._claims = tuple(str(name) for name in event.claims)
        name = None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{NAME}.", suffix=".tmp", dir=self._path.parent)
            self._file = open(handle, "wb")  # noqa: PTH123, SIM115 (a descriptor; `close` closes it)
            self._file.write(self._before)
            os.replace(name, self._path)  # noqa: PTH105 -- mkstemp gives a string
        except OSError:
            self.close()
            if name is not None:
                with contextlib.suppress(OSError):
                    os.unlink(name)  # noqa: PTH108 -- mkstemp gives a string
            return
        self._write({"schema": SCHEMA, "started_unix_s": self._started_unix_s})
        self._thread = threading.Thread(target=self._look, name="batchgate content", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        with contextlib.suppress(Exception):  # what cannot be told is not told: the run goes on
            self._identity = self._measure()

    def _finish(self) -> None:
        if self._thread is not None:
            self._thread.join(_MEASURE_S)
        self._write({"ended": True})
        self.close()

    def _number(self, collected: CollectedFile) -> int:
        """The collection's number among those of this run; told once."""
        known = self._numbers.get(id(collected))
        if known is None:
            known = self._numbers[id(collected)] = (len(self._numbers), collected)
            claims = self._claims
            self._write(
                {
                    "file": collected.file,
                    "tests": [collected.nodeid(index) for index in range(len(collected.keys))],
                    "gates": [None if claim == NO_GATE else claims[claim] for claim in collected.gates],
                    "deselected": collected.deselected,
                    "errors": collected.errors,
                }
            )
        return known[0]

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        lines = [line]
        if self._identity is not None and not self._is_identified:
            self._is_identified = True
            lines.insert(0, {"identity": self._identity})
        try:
            for each in lines:
                self._file.write(json.dumps(each, separators=(",", ":")).encode("ascii") + b"\n")
            self._file.flush()
        except (OSError, ValueError):
            self.close()


def _gate_line(event: GateFinished) -> dict[str, Any]:
    report = event.report
    return {
        "gate": report.name,
        "state": report.state.value,
        "outputs": report.wrote_outputs,
        "findings": [asdict(finding) for finding in report.findings],
        "more": report.more_findings,
    }
