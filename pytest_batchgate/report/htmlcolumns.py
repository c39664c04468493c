"""The tests of a run in columns, a block per file: what `report.html` holds for each of 60,000 tests.

A result costs a few assignments while the run goes on; names are read once, at the end.
"""

from __future__ import annotations

from typing import Any

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.protocol import CollectedFile
from pytest_batchgate.report.testrows import sound_s
from pytest_batchgate.report.words import harmless

CODES = {
    "passed": "p",
    "failed": "f",
    "error": "e",
    "skipped": "s",
    "xfailed": "x",
    "xpassed": "X",
    "not_run": "n",
}
OUTCOMES = {code: outcome for outcome, code in CODES.items()}
SILENT = ord("-")  # of a test that has not reported
_BYTES = {outcome: ord(code) for outcome, code in CODES.items()}


def micros(value_s: float) -> int:
    """Whole microseconds; 0 for what is no duration."""
    return round(sound_s(value_s) * 1e6)


class FileColumns:
    """The tests of one collected file, each at its index.  Times are microseconds, on the run's clock."""

    __slots__ = ("attempts", "codes", "collected", "durations", "lanes", "notes", "starts")

    def __init__(self, collected: CollectedFile) -> None:
        size = len(collected.keys)
        self.collected = collected  # kept, or its identity could be given away again
        self.codes = bytearray(b"-") * size
        self.starts = [0] * size
        self.durations = [0] * size
        self.lanes = [-1] * size
        self.attempts: dict[int, int] = {}  # of tests that were not tried exactly once
        self.notes: dict[int, int] = {}  # why a test was skipped and the like, by the text's number

    def put(self, index: int, outcome: str, duration: int, start: int, lane: int) -> None:
        """Say how a test ended; ``lane`` is -1 where nobody ran it."""
        self.codes[index] = _BYTES.get(outcome, SILENT)
        self.durations[index] = duration
        self.starts[index] = start
        self.lanes[index] = lane

    def outcome(self, index: int) -> str:
        """Empty for a test that has not reported."""
        return OUTCOMES.get(chr(self.codes[index]), "")

    def block(self) -> dict[str, Any] | None:
        """As it stands in the page; None if no test has reported.  Columns of one value are that value."""
        codes = self.codes
        if codes.count(SILENT) == len(codes):
            return None
        collected = self.collected
        chosen = [index for index, code in enumerate(codes) if code != SILENT]
        prefix = f"{collected.file}::"
        skip = len(prefix)
        nodeids = [collected.nodeid(index) for index in chosen]
        block: dict[str, Any] = {
            "file": harmless(collected.file),
            "names": [harmless(nodeid[skip:]) for nodeid in nodeids],
            "outcomes": bytes(codes).replace(b"-", b"").decode("ascii"),
            "starts": _picked(self.starts, chosen),
            "durations": _picked(self.durations, chosen),
            "lanes": _single(_picked(self.lanes, chosen)),
            "gates": _single([-1 if gate == NO_GATE else gate for gate in _picked(collected.gates, chosen)]),
        }
        elsewhere = {
            place: harmless(nodeid) for place, nodeid in enumerate(nodeids) if not nodeid.startswith(prefix)
        }
        if elsewhere:  # whole node ids of tests that are not called after their file
            block["elsewhere"] = elsewhere
        if self.attempts or self.notes:
            places = {index: place for place, index in enumerate(chosen)}
            block["attempts"] = {places[index]: count for index, count in self.attempts.items()}
            block["notes"] = {places[index]: note for index, note in self.notes.items()}
        return block

    def place(self, index: int) -> int:
        """Where the test stands in the block."""
        return index - self.codes.count(SILENT, 0, index)


def _picked(column: Any, chosen: list[int]) -> list[int]:
    return list(column) if len(column) == len(chosen) else [column[index] for index in chosen]


def _single(column: list[int]) -> list[int] | int:
    return column[0] if column.count(column[0]) == len(column) else column
