"""What tests said of themselves, beyond what the events carry: texts of failures, output, places.

Events pass a test's own reports on unread (`TestResult.payload`).  Whoever composes a run
gives subscribers a `Teller` that can read them; nobody pays for texts that nobody asks for.
"""

from __future__ import annotations

from typing import Protocol

from pytest_batchgate.core.events import TestsWereRun
from pytest_batchgate.core.protocol import CollectedFile, TestResult
from pytest_batchgate.core.valuetypes import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Of one test that did not simply pass.  Nothing here is harmless: tests wrote it.

    ``message`` is short, ``text`` what pytest shows of a failure; both empty for a pass.
    ``output``: captured, as (heading, text).  ``properties``: of ``record_property``.  ``line``: the last one
    of the test's own file that the failure came through, 1-based; None where that is not known.
    """

    message: str = ""
    text: str = ""
    output: tuple[tuple[str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    line: int | None = None


NOTHING = Told()


class Teller(Protocol):
    """Reads payloads.  Only good for an event while that event is being handled."""

    def told(self, event: TestsWereRun, result: TestResult) -> Told:
        """NOTHING for a test that wholly passed and printed nothing."""
        ...

    def collection_errors(self, collected: CollectedFile) -> tuple[str, ...]:
        """The texts of what failed while the file was collected."""
        ...

    def start_s(self, result: TestResult) -> float | None:
        """When the test's set-up began, on the run's clock; None where it is not known."""
        ...

    def place(self, collected: CollectedFile, index: int) -> tuple[str, int | None]:
        """The file that defines the test, relative to the rootdir, and its line, 1-based."""
        ...
