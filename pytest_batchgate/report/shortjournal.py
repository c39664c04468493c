"""The run as it happened, in short: what every run leaves for `batchgate monitor` and `batchgate logs`.

Lines as in `events.jsonl`, but for tests: they are counted by gate and outcome, and of those that failed
there are message, text and output, within bounds.  `RunStarted` has what a follower must know beside.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.events import (
    Event,
    FileWasCollected,
    RunStarted,
    Sampled,
    TestsWereCarried,
    TestsWereRun,
)
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.report.journal import Journal
from pytest_batchgate.report.jsonable import rendered, seconds
from pytest_batchgate.report.told import Teller
from pytest_batchgate.report.words import clip

MOST_BYTES = 32 * 1024 * 1024  # then nobody is told any more what is used
MOST_TEXTS = 200  # failures with text and output
MOST_ROWS = 2_000  # failures that are named
_MESSAGE = 500  # characters
_TEXT = 16 * 1024
_ILL = frozenset({"failed", "error"})


class ShortJournal(Journal):
    """``more`` goes into the line of `RunStarted`."""

    name = "the record for batchgate monitor"

    def __init__(
        self,
        append: Callable[[bytes], object],
        teller: Teller,
        *,
        run_id: str,
        started_unix_s: float,
        more: Mapping[str, Any],
    ) -> None:
        super().__init__(self._counted, teller, run_id=run_id, started_unix_s=started_unix_s)
        self._write = append
        self._more = more
        self._bytes = 0
        self._failures = 0

    def handle(self, event: Event) -> None:
        """TestsWereRun is the hot path."""
        if not isinstance(event, Sampled) or self._bytes < MOST_BYTES:
            super().handle(event)

    def _counted(self, line: bytes) -> None:
        self._bytes += len(line)
        self._write(line)

    def _started(self, event: RunStarted) -> str:
        told = json.loads(super()._started(event))
        return rendered({**told, "claims": event.claims, **self._more})

    def _collected(self, event: FileWasCollected) -> str:
        collected = event.collected
        errors = self._teller.collection_errors(collected) if collected.errors else ()
        return rendered(
            {
                "event": "FileWasCollected",
                "at": event.at,
                "worker": event.worker,
                "file": collected.file,
                "tests": {
                    self._gates[claim]: number
                    for claim, number in Counter(collected.gates).items()
                    if claim != NO_GATE
                },
                "errors": [clip(text, _TEXT) for text in errors],
                "duration_s": collected.duration_s,
            }
        )

    def _results(self, event: TestsWereRun) -> str:
        failed = [result for result in event.results if result.outcome in _ILL]
        rows = [self._failure(event, result) for result in failed[: max(0, MOST_ROWS - self._failures)]]
        self._failures += len(rows)
        counts = json.dumps(self._counts(event.collected, event.results))
        more = f',"failures":{rendered(rows)}' if rows else ""
        more += ',"late":true' if event.late else ""
        at = seconds(event.at)
        return f'{{"event":"TestsWereRun","at":{at},"worker":"{event.worker}","counts":{counts}{more}}}'

    def _carried(self, event: TestsWereCarried) -> str:
        counts = self._counts(event.collected, event.results)
        return rendered({"event": "TestsWereCarried", "at": event.at, "counts": counts})

    def _counts(self, collected: CollectedFile, results: Iterable[TestResult]) -> dict[str, dict[str, int]]:
        gates = collected.gates
        found = Counter([(gates[result[0]], result[1]) for result in results])
        counts: dict[str, dict[str, int]] = {}
        for (claim, outcome), number in found.items():
            if claim != NO_GATE:
                counts.setdefault(self._gates[claim], {})[outcome] = number
        return counts

    def _failure(self, event: TestsWereRun, result: TestResult) -> dict[str, Any]:
        collected = event.collected
        told = self._teller.told(event, result)
        row: dict[str, Any] = {
            "nodeid": collected.nodeid(result.index),
            "gate": self._gate(collected.gates[result.index]),
            "outcome": result.outcome,
            "duration_s": result.duration_s,
            "message": clip(told.message, _MESSAGE),
        }
        if self._failures < MOST_TEXTS:
            row["text"] = clip(told.text, _TEXT)
            row["output"] = [[heading, clip(text, _TEXT)] for heading, text in told.output]
        return row
