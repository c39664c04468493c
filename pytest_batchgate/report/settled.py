"""The result as it stands once the reports before have been written, or could not be."""

from __future__ import annotations

from collections.abc import Callable

from pytest_batchgate.core.bus import Subscriber
from pytest_batchgate.core.events import Event, RunFinished, RunResult

Settle = Callable[[RunResult], RunResult]


class Settled:
    """Stands before a subscriber that tells the verdict, and is subscribed after those that owe a file.

    A file that was asked for and cannot be written fails the run.  Reports are written at
    the run's end, so the result that `RunFinished` brings cannot know of it; ``settle``
    gives the one that does.
    """

    def __init__(self, subscriber: Subscriber, settle: Settle) -> None:
        self.name = subscriber.name
        self._subscriber = subscriber
        self._settle = settle

    def handle(self, event: Event) -> None:
        if isinstance(event, RunFinished):
            event = RunFinished(event.at, self._settle(event.result))
        self._subscriber.handle(event)
