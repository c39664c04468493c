"""What every run leaves for later ones: the history, and the record that `--batch-resume` continues from."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batchgate.core.bus import Bus, Subscriber
from pytest_batchgate.core.events import Event, RunFinished, RunStarted
from pytest_batchgate.plugin.bridge import Bridge
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.store.checkpoint import NAME, Checkpoint, Identity
from pytest_batchgate.store.history import History
from pytest_batchgate.store.recorder import HistoryRecorder

if TYPE_CHECKING:
    from pytest_batchgate.plugin.resuming import Resumed
    from pytest_batchgate.store.runs import RunFile


def remember(
    bus: Bus,
    launch: Launch,
    config: Any,
    *,
    history: History | None,
    narrowed: bool,
    resumed: Resumed | None,
    folder: Path | None,
    bridge: Bridge,
    began: float,
) -> RunRecorder | None:
    """Subscribe who writes it down.  ``folder``: ours in pytest's cache; None where that is off.

    ``began``: `time.monotonic` at the run's start.  Gives who keeps the run for followers, if anybody does.
    """
    if launch.options.script is not None:  # of `--batch-verify`: nothing that others could go on from
        return None
    if history is not None:
        # What a resumed run takes says nothing of a whole one.
        part = narrowed or resumed is not None
        shard = launch.share is not None
        bus.subscribe(HistoryRecorder(history, run_id=launch.run_id, narrowed=part, part=shard))
    if folder is None:
        return None
    _make_cache(config, folder.parent, launch.run_id)
    started_unix_s = time.time()

    def measure() -> Identity:
        if resumed is not None:
            return resumed.identity
        from pytest_batchgate.plugin.identity import content_of, identity_of

        content = content_of(launch, config)
        return identity_of(launch, config, content, since_s=started_unix_s)

    before = resumed.past.lines if resumed is not None else b""
    checkpoint = Checkpoint(folder / NAME, started_unix_s=started_unix_s, measure=measure, before=before)
    bus.subscribe(checkpoint)
    config.add_cleanup(checkpoint.close)
    from_now = time.time() - (time.monotonic() - began)
    record = RunRecorder(launch, bridge, folder, started_unix_s=from_now, narrowed=narrowed)
    bus.subscribe(record)
    config.add_cleanup(record.close)
    return record


class RunRecorder:
    """A subscriber that keeps the run for `batchgate monitor` and `batchgate logs`.

    Nothing is loaded for it, or written, before the first workers and commands are on their way.
    """

    name = "the record for batchgate monitor"

    def __init__(
        self, launch: Launch, bridge: Bridge, folder: Path, *, started_unix_s: float, narrowed: bool
    ) -> None:
        self._launch = launch
        self._bridge = bridge
        self._folder = folder
        self._started_unix_s = started_unix_s
        self._narrowed = narrowed
        self._file: RunFile | None = None
        self._journal: Subscriber | None = None

    def is_watched(self) -> bool:
        """Whether somebody follows the run right now.  From any thread."""
        return self._file is not None and self._file.is_watched()

    def handle(self, event: Event) -> None:
        if self._journal is None:
            if not isinstance(event, RunStarted):
                return
            self._journal = self._begin()
        self._journal.handle(event)
        if isinstance(event, RunFinished):
            self.close()

    def close(self) -> None:
        """Idempotent."""
        if self._file is not None:
            self._file.close()

    def _begin(self) -> Subscriber:
        from pytest_batchgate.core.lognames import file_stems, folder_of_run
        from pytest_batchgate.plugin.telling import BridgeTeller
        from pytest_batchgate.report.shortjournal import ShortJournal
        from pytest_batchgate.store.runs import RunFile, thin_out_logs

        launch, started = self._launch, self._started_unix_s
        plan = launch.plan
        self._file = RunFile(self._folder, run_id=launch.run_id, started_unix_s=started)
        logs = self._folder / "logs" / folder_of_run(launch.run_id)
        thin_out_logs(self._folder, logs.parent)
        more = {
            "pid": os.getpid(),
            "rootdir": str(launch.rootdir),
            "stages": plan.config.stages,
            "needs": plan.needs,
            "sequential": launch.sequential,
            "narrowed": self._narrowed,
            "logs": str(logs),
            "log_names": file_stems([gate.name for gate in plan.gates]),
        }
        return ShortJournal(
            self._file.append,
            BridgeTeller(self._bridge, epoch_s=started),
            run_id=launch.run_id,
            started_unix_s=started,
            more=more,
        )


def _make_cache(config: Any, folder: Path, run_id: str) -> None:
    """Let pytest make its folder, or it would lack the file that keeps it out of git."""
    if not os.path.lexists(folder) and os.access(folder.parent, os.W_OK):
        config.cache.set("batchgate/run", run_id)
