"""Which test is meant by a result, and what becomes of those that report more than once.

A test reports again when it is retried, or when the teardown of a session fixture fails
after its worker's last test was reported.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from pytest_batchgate.core.agreed import NO_GATE
from pytest_batchgate.core.events import RunStarted
from pytest_batchgate.core.model import Gate
from pytest_batchgate.core.protocol import CollectedFile
from pytest_batchgate.report.jsonable import quoted

FAILED = frozenset({"failed", "error"})

Row = TypeVar("Row")

_ENDLESS_S = 1e9


def sound_s(duration_s: float) -> float:
    """A duration that can be summed up; 0 for what is none, such as NaN."""
    return duration_s if 0.0 <= duration_s < _ENDLESS_S else 0.0


class TestRows(Generic[Row]):
    """One row per test, in the order in which the tests first reported."""

    __test__ = False

    def __init__(self) -> None:
        self.rows: list[Row] = []
        # By identity: the collection of a file that counts is one object for the whole run, and each
        # environment has its own.  The object is kept, or its identity could be given away again.
        self._places: dict[int, tuple[CollectedFile, list[int]]] = {}

    def places(self, collected: CollectedFile) -> list[int]:
        """Per test of the file its place in `rows`; -1 for one that has not reported."""
        found = self._places.get(id(collected))
        if found is None:
            found = self._places[id(collected)] = (collected, [-1] * len(collected.keys))
        return found[1]

    def put(self, collected: CollectedFile, index: int, row: Row) -> None:
        """Add the test's row, or replace it."""
        places = self.places(collected)
        if places[index] < 0:
            places[index] = len(self.rows)
            self.rows.append(row)
        else:
            self.rows[places[index]] = row

    def get(self, collected: CollectedFile, index: int) -> Row | None:
        place = self.places(collected)[index]
        return self.rows[place] if place >= 0 else None

    def add(self, places: list[int], index: int, row: Row) -> None:
        """As `put`, for a test that has not reported; ``places`` are those of its file."""
        places[index] = len(self.rows)
        self.rows.append(row)


class GatesOfTests:
    """Which gate a test belongs to, by what `RunStarted` says."""

    def __init__(self, event: RunStarted) -> None:
        self._claims = tuple(str(name) for name in event.claims)
        self._quoted = tuple(quoted(name) for name in self._claims)
        self._retried = {str(gate.name) for gate in event.gates if gate.retries.count}
        self.gates: tuple[Gate, ...] = event.gates

    def name(self, collected: CollectedFile, index: int) -> str:
        """Empty for a test that no gate takes."""
        claim = collected.gates[index]
        return self._claims[claim] if claim != NO_GATE else ""

    def quoted(self, collected: CollectedFile, index: int) -> str:
        """The name as JSON."""
        claim = collected.gates[index]
        return self._quoted[claim] if claim != NO_GATE else '""'

    def is_retry(self, gate: str, earlier: str) -> bool:
        """Whether another result of a test that ended as ``earlier`` is another attempt."""
        return earlier in FAILED and gate in self._retried
