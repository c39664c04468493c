"""Delivers each event to every subscriber, in one order for all of them.

A subscriber may publish while it handles an event: what it publishes comes after.
One that raises is switched off, the others hear of it, and the run goes on; what it
owed is remembered for the exit code.  Main thread only.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from pytest_batchgate.core.events import Event, Noticed
from pytest_batchgate.core.valuetypes import dataclass


class Subscriber(Protocol):
    """Reads the stream of events.  ``name`` is for messages to the user."""

    @property
    def name(self) -> str: ...

    def handle(self, event: Event) -> None: ...


@dataclass(frozen=True, slots=True)
class SubscriberFailure:
    """A subscriber that was switched off, and the file that was asked of it, if any."""

    name: str
    error: Exception
    owed: str | None


class _Subscription:
    """Compared by identity: the same subscriber may be added twice."""

    __slots__ = ("alive", "owed", "subscriber", "vital")

    def __init__(self, subscriber: Subscriber, owed: str | None, *, vital: bool) -> None:
        self.subscriber = subscriber
        self.owed = owed
        self.vital = vital
        self.alive = True


class Bus:
    """Ordered delivery.

    ``through``: exceptions that no failing subscriber explains and that end the run,
    such as pytest's own Exit, which is an Exception; they reach the publisher.
    """

    def __init__(self, *, through: tuple[type[Exception], ...] = ()) -> None:
        self.failures: list[SubscriberFailure] = []
        self._through = through
        self._subscriptions: list[_Subscription] = []
        # deliveries rather than events: an exception that passes through must not cost
        # the subscribers behind the one that raised it their event
        self._owing: deque[tuple[_Subscription, Event]] = deque()
        self._delivering = False

    def subscribe(self, subscriber: Subscriber, *, owed: str | None = None, vital: bool = False) -> None:
        """Deliver later events to ``subscriber``, after those who came before it.

        ``owed`` names the file the user asked for that only this one writes.  What a
        ``vital`` subscriber raises reaches the publisher: the run cannot go on without it.
        """
        self._subscriptions.append(_Subscription(subscriber, owed, vital=vital))

    def publish(self, event: Event) -> None:
        """Deliver ``event`` to all; at once, unless an event is being delivered.

        Raises what a vital subscriber raises, exceptions of ``through`` and every
        BaseException that is no Exception.  Deliveries that were still due are then made first by
        the next call.
        """
        self._owing.extend((subscription, event) for subscription in self._subscriptions)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._owing:
                subscription, due = self._owing.popleft()
                if subscription.alive:
                    self._deliver(subscription, due)
        finally:
            self._delivering = False

    @property
    def owed(self) -> tuple[str, ...]:
        """The files that were asked for and that nobody writes any more."""
        return tuple(failure.owed for failure in self.failures if failure.owed is not None)

    def _deliver(self, subscription: _Subscription, event: Event) -> None:
        try:
            subscription.subscriber.handle(event)
        except self._through:
            raise
        except Exception as error:
            if subscription.vital:
                raise
            self._switch_off(subscription, event, error)

    def _switch_off(self, subscription: _Subscription, event: Event, error: Exception) -> None:
        subscription.alive = False
        self._subscriptions.remove(subscription)
        name, owed = subscription.subscriber.name, subscription.owed
        self.failures.append(SubscriberFailure(name, error, owed))
        text = f"{name} failed and was switched off: {_words(error)}"
        self.publish(Noticed(event.at, f"{text}; {owed} is missing or incomplete" if owed else text))


def _words(error: Exception) -> str:
    """Type and message, on one line; an exception's own ``__str__`` may raise."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # noqa: BLE001
        message = ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
