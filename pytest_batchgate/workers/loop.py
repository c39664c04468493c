"""The only loop: wait for what happens, let the dispatcher decide, do it, tell it.

Everything arrives through one queue.  Actions are done before events are told,
so that workers are busy again before any report is drawn up.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Protocol, TypeAlias

from pytest_batchgate.core.dispatch import Dispatcher, Step
from pytest_batchgate.core.events import Event
from pytest_batchgate.core.protocol import Action, Input, StopAsked, TestsRunning, TimePassed
from pytest_batchgate.workers.messages import Measured, OutputPrinted, SideMessage
from pytest_batchgate.workers.pool import Arrival, WorkerPool

Queued: TypeAlias = Arrival | OutputPrinted | Measured | Input

# The longest sleep: signals that only set a flag are noticed within it.
_MAX_WAIT_S = 60.0


class Doer(Protocol):
    """Carries out actions."""

    def do(self, action: Action) -> None: ...


class Loop:
    """Runs a dispatcher to its end.  ``publish`` and ``aside`` are called in the main thread."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        pool: WorkerPool,
        doer: Doer,
        inbox: queue.SimpleQueue[Queued],
        *,
        publish: Callable[[Event], None],
        aside: Callable[[SideMessage], StopAsked | None],
        stop_asked: Callable[[], StopAsked | None],
        began: float,
        stopping: Callable[[StopAsked], None] = lambda _: None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """``began``: `time.monotonic` at the run's start.  ``stop_asked`` is asked after each round.

        ``stopping`` hears of the first reason to stop before anything is ended for it.
        ``meanwhile`` is done once, when the first actions are on their way.
        """
        self.dispatcher = dispatcher
        self.pool = pool
        self.doer = doer
        self.inbox = inbox
        self.publish = publish
        self.aside = aside
        self.stop_asked = stop_asked
        self.began = began
        self.stopping = stopping
        self.meanwhile = meanwhile
        self.stopped_by: StopAsked | None = None

    def now(self) -> float:
        return time.monotonic() - self.began

    def run(self) -> None:
        self.carry_out(self.dispatcher.start(self.now()))
        self.meanwhile()
        while not self.dispatcher.finished:
            self.one_round()

    def one_round(self) -> None:
        """Wait for one arrival (or a deadline) and see it through."""
        for event in self.wait():
            self.feed(event)
        look = self.dispatcher.next_look()
        if look is not None and self.now() >= look:  # here, for a full queue must not put it off
            self.feed(TestsRunning(self.pool.running()))
        if self.stopped_by is None:
            stop = self.stop_asked()
            if stop is not None:
                self.feed(stop)

    def wait(self) -> list[Input]:
        timeout = _MAX_WAIT_S
        for due in (self.dispatcher.next_deadline(), self.dispatcher.next_look()):
            if due is not None:
                timeout = max(min(due - self.now(), timeout), 0.0)
        try:
            queued = self.inbox.get(timeout=timeout)
        except queue.Empty:
            return [TimePassed()]
        if isinstance(queued, (OutputPrinted, Measured)):
            self.aside(queued)
            return []
        if not isinstance(queued, Arrival):
            return [queued]
        inputs: list[Input] = []
        for message in self.pool.read(queued):
            if isinstance(message, SideMessage):
                stop = self.aside(message)
                if stop is not None:
                    inputs.append(stop)
            else:
                inputs.append(message)
        return inputs

    def feed(self, event: Input) -> None:
        if isinstance(event, StopAsked) and self.stopped_by is None:
            self.stopped_by = event
            self.stopping(event)
        self.carry_out(self.dispatcher.handle(event, self.now()))

    def carry_out(self, step: Step) -> None:
        for action in step.actions:
            self.doer.do(action)
        for event in step.events:
            self.publish(event)
