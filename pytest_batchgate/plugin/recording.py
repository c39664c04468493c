"""Who writes down what happens in a run: every report, or the events alone for whoever compares runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from pytest_batchgate.core.bus import Bus
from pytest_batchgate.core.events import Event, TestsWereRun
from pytest_batchgate.plugin.bridge import Bridge
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.plugin.telling import BridgeTeller
from pytest_batchgate.report.journal import Journal
from pytest_batchgate.report.jsonable import rendered
from pytest_batchgate.report.settled import Settle


def subscribe_reports(bus: Bus, launch: Launch, bridge: Bridge, *, began: float, settle: Settle) -> None:
    """``began``: `time.monotonic` at the run's start; ``settle``: as `Settled` has it."""
    measured = launch.options.measured
    if launch.options.script is None and (measured is None or measured.reports):
        from pytest_batchgate.plugin import reporting

        reporting.subscribe_reports(bus, launch, bridge, began=began, settle=settle)
        return
    folder = launch.options.report_dir
    assert folder is not None
    path = folder / "events.jsonl"
    file = path.open("wb", buffering=0)
    bridge.config.add_cleanup(file.close)
    epoch_s = time.time() - (time.monotonic() - began)
    teller = BridgeTeller(bridge, epoch_s=epoch_s)
    journal = Journal(file.write, teller, run_id=launch.run_id, started_unix_s=epoch_s)
    if measured is None:  # nobody asks a benchmark who was beside whom
        bus.subscribe(_Beginnings(file.write, teller), owed=str(path))
    bus.subscribe(journal, owed=str(path))


class _Beginnings:
    """A subscriber that adds when each test began: who was beside whom must not hang on how busy we are."""

    name = "beginnings"

    def __init__(self, append: Callable[[bytes], object], teller: BridgeTeller) -> None:
        self._append = append
        self._teller = teller

    def handle(self, event: Event) -> None:
        if isinstance(event, TestsWereRun):
            began = {
                event.collected.nodeid(result.index): start_s
                for result in event.results
                if (start_s := self._teller.start_s(result)) is not None
            }
            line = rendered({"event": "TestsBegan", "at": event.at, "began_s": began})
            self._append(line.encode("ascii") + b"\n")
