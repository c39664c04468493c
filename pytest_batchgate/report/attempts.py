"""Every attempt of a test as a result of its own, for reports that tell of them all.

The stream tells what a test ended as once.  What came before, `TestWillRetry` tells; and where
a test was to run again and never did, its last attempt is told a second time, as its end.
"""

from __future__ import annotations

from pytest_batchgate.core.bus import Subscriber
from pytest_batchgate.core.events import Event, TestsWereRun, TestWasLost, TestWillRetry
from pytest_batchgate.core.protocol import CollectedFile


def as_result(event: TestWillRetry) -> TestsWereRun | TestWasLost:
    """The attempt, told as if it had been the last one."""
    result = event.result
    if result.payload is None:  # its worker died
        return TestWasLost(event.at, event.worker, event.collected, result.index, result.outcome, result.text)
    return TestsWereRun(event.at, event.worker, event.collected, (result,))


class Attempts:
    """A subscriber that passes events on to another one, each attempt as a result, and each once."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        # The latest attempt of a test that was to run again, by its file's identity and its index.
        self._waiting: dict[tuple[int, int], TestWillRetry] = {}

    @property
    def name(self) -> str:
        return self._subscriber.name

    def handle(self, event: Event) -> None:
        if isinstance(event, TestWillRetry):
            self._waiting[_key(event.collected, event.result.index)] = event
            event = as_result(event)
        elif self._waiting and self._is_told(event):
            return
        self._subscriber.handle(event)

    def _is_told(self, event: Event) -> bool:
        """Whether it is the end of a test as its last attempt ended, which has been passed on.

        By identity: another attempt may end in the same words.
        """
        if isinstance(event, TestsWereRun):
            if len(event.results) != 1:  # what nobody ran just now comes alone
                return False
            result = event.results[0]
            known = self._waiting.get(_key(event.collected, result.index))
            return known is not None and known.result is result
        if isinstance(event, TestWasLost):
            known = self._waiting.get(_key(event.collected, event.index))
            return known is not None and known.result.text is event.reason
        return False


def _key(collected: CollectedFile, index: int) -> tuple[int, int]:
    return id(collected), index  # the events that are kept keep it alive
