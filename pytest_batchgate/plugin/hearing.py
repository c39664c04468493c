"""What the main thread takes in beside the dispatcher's inputs, and what it tells, with secrets left out."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from pytest_batchgate.core.bus import Bus
from pytest_batchgate.core.dispatch import Dispatcher
from pytest_batchgate.core.events import Event, RunStarted
from pytest_batchgate.core.masking import Masks
from pytest_batchgate.core.model import Command, Gate
from pytest_batchgate.core.protocol import StopAsked
from pytest_batchgate.plugin.bridge import Bridge
from pytest_batchgate.workers import messages as side
from pytest_batchgate.workers.loop import Queued
from pytest_batchgate.workers.overhearing import Overhearing


class Hearing:
    """Hands what workers say on to the bridge, and lets those go on that print a lot."""

    def __init__(
        self,
        bridge: Bridge,
        overhearing: Overhearing,
        inbox: queue.SimpleQueue[Queued],
        measured: Callable[[side.Measured], None],
    ) -> None:
        self._bridge = bridge
        self._measured = measured
        self._overhearing = overhearing
        self._inbox = inbox

    def aside(self, message: side.SideMessage) -> StopAsked | None:
        if isinstance(message, side.Measured):
            self._measured(message)
            return None
        try:
            return self._bridge.aside(message)
        finally:
            if isinstance(message, side.OutputPrinted):
                self._overhearing.heard(message)

    def hear_out(self, patience_s: float) -> None:
        """What workers printed last is still on its way when they are gone."""
        until = time.monotonic() + patience_s
        while self._overhearing.is_listening and time.monotonic() < until:
            self._hear(0.01)
        with suppress(queue.Empty):
            while True:
                self._take(self._inbox.get_nowait())

    def _hear(self, timeout_s: float) -> None:
        with suppress(queue.Empty):
            self._take(self._inbox.get(timeout=timeout_s))

    def _take(self, queued: Queued) -> None:
        if isinstance(queued, side.OutputPrinted):
            self.aside(queued)


def use_teller(
    publish: Callable[[Event], None], dispatcher: Dispatcher, began: float
) -> Callable[[side.Measured], None]:
    """Makes events of what was measured.  ``began``: `time.monotonic` at the run's start."""

    def tell(measured: side.Measured) -> None:
        from pytest_batchgate.plugin.measuring import sampled  # few runs are looked at

        publish(sampled(measured, dispatcher.state, at=time.monotonic() - began, began=began))

    return tell


def masked_publish(bus: Bus, masks: Masks) -> Callable[[Event], None]:
    """What publishes events.  They tell of what came in masked, but for the configuration's own commands."""
    if not masks:
        return bus.publish

    def publish(event: Event) -> None:
        if isinstance(event, RunStarted):
            event = replace(event, gates=tuple(_shown(gate, masks) for gate in event.gates))
        bus.publish(event)

    return publish


def _shown(gate: Gate, masks: Masks) -> Gate:
    gate = replace(gate, env=masks.deep(dict(gate.env)))
    work = gate.work
    if not isinstance(work, Command):
        return gate
    shell = masks.text(work.shell) if work.shell is not None else None
    masked = replace(work, argv=tuple(map(masks.text, work.argv)), shell=shell)  # nosec B604 (calls no shell)
    return replace(gate, work=masked)
