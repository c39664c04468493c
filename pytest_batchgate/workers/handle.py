"""One worker process, and what is known of it on this side."""

from __future__ import annotations

import threading
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_batchgate.core.protocol import WorkerId
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.workers import wire
from pytest_batchgate.workers.gateway import Starting
from pytest_batchgate.workers.mapping import read_standstill

if TYPE_CHECKING:  # few runs have workers on other machines
    from pytest_batchgate.workers.line import Line


@dataclass(eq=False)
class Handle:
    """One worker process and what is known of it here."""

    id: WorkerId
    name: str
    starting: Starting
    standstill: Path | None
    units: dict[int, str] = field(default_factory=dict)
    backlog: list[bytes] = field(default_factory=list)  # orders from before it was up
    up: bool = False
    listed: bool = False  # it knows the test files
    ended: bool = False
    lost: bool = False
    doom: str | None = None  # why it was killed by us
    marker: bytes | None = None  # what its tests leave running is looked for by this, once it is gone
    line: Line | None = None  # to another machine: then the process here is that line, and no more
    leaving: bool = False  # it has ended, which is told when that has been done
    pipe_closed: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)  # its process has ended

    def record(self) -> tuple[str, int, float | None] | None:
        """File and index of the test that the worker says it is in, and for how many seconds.

        None instead of seconds: it does not run any more.
        """
        if self.line is not None:
            return self.line.record(self.units)
        if self.standstill is None:
            return None
        try:
            unit, index, began = read_standstill(self.standstill)
        except (OSError, ValueError):
            return None
        name = self.units.get(unit)
        return None if name is None else (name, index, max(0.0, wire.steady_s() - began) if began else None)
