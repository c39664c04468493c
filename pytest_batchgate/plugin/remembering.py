"""What every run leaves for later ones: the history, and the record that `--batch-resume` continues from."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_batchgate.core.bus import Bus
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.store.checkpoint import NAME, Checkpoint, Identity
from pytest_batchgate.store.history import History
from pytest_batchgate.store.recorder import HistoryRecorder

if TYPE_CHECKING:
    from pytest_batchgate.plugin.resuming import Resumed


def remember(
    bus: Bus,
    launch: Launch,
    config: Any,
    *,
    history: History | None,
    narrowed: bool,
    resumed: Resumed | None,
    folder: Path | None,
) -> None:
    """Subscribe who writes it down.  ``folder``: ours in pytest's cache; None where that is off."""
    if launch.options.script is not None:  # of `--batch-verify`: nothing that others could go on from
        return
    if history is not None:
        # What a resumed run takes says nothing of a whole one.
        part = narrowed or resumed is not None
        shard = launch.share is not None
        bus.subscribe(HistoryRecorder(history, run_id=launch.run_id, narrowed=part, part=shard))
    if folder is None:
        return
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


def _make_cache(config: Any, folder: Path, run_id: str) -> None:
    """Let pytest make its folder, or it would lack the file that keeps it out of git."""
    if not os.path.lexists(folder) and os.access(folder.parent, os.W_OK):
        config.cache.set("batchgate/run", run_id)
