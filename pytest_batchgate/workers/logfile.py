"""The files of one start of a command: its log, which stays, and the outputs that it may write."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_batchgate.core.masking import Masks
from pytest_batchgate.workers import outcome

if TYPE_CHECKING:  # imported where there is something to mask
    from pytest_batchgate.workers.logpipe import LogPipe

_LAST_WORDS_S = 1.0  # for output on its way to the log; a process that got away may hold the pipe


class CommandFiles:
    """Opened before the start, finished when all processes are gone.  ``stem`` names them in ``folder``."""

    def __init__(self, folder: Path, stem: str, masks: Masks) -> None:
        self._folder = folder
        self._stem = stem
        self._masks = masks
        self._pipe: LogPipe | None = None
        self._log_is_telling = False
        self.log: Path | None = None
        self.outputs: Path | None = None

    def open(self) -> int:
        """The descriptor of a fresh log; an empty outputs file beside it.

        Raises OSError, and RuntimeError where there is no thread to mask the log.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            log = self._create_in(self._folder)
        except OSError:  # a full or read-only place must not stop a check that needs no place
            log = self._create_in(Path(tempfile.mkdtemp(prefix="batchgate-")))
        if not self._masks:
            return log
        from pytest_batchgate.workers.logpipe import LogPipe

        try:
            self._pipe = LogPipe(log, self._masks.data_stream())
        except BaseException:
            os.close(log)
            raise
        return self._pipe.inlet

    def _create_in(self, folder: Path) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        log, outputs = folder / f"{self._stem}.log", folder / f"{self._stem}.outputs"
        for path in (log, outputs):  # fresh ones: something may still write to those of an earlier run
            path.unlink(missing_ok=True)
        os.close(os.open(outputs, flags, 0o644))
        self.outputs = outputs
        fd = os.open(log, flags, 0o644)
        self.log = log
        return fd

    def read_outputs(self) -> dict[str, str]:
        """What the command handed on, its secrets hidden from now on.  Raises OutputError."""
        assert self.outputs is not None
        outputs = outcome.read_outputs(self.outputs)
        if self._masks.learn(outputs):
            self._log_is_telling = True
        return outputs

    def finish(self) -> None:
        """Nothing but the whole log stays.  Idempotent."""
        if self._pipe is not None:
            self._pipe.settle(_LAST_WORDS_S)
        if self._log_is_telling and self.log is not None:
            from pytest_batchgate.workers.hiding import scrub

            scrub(self.log, self._masks)
            self._log_is_telling = False
        if self.outputs is not None:
            with contextlib.suppress(OSError):
                self.outputs.unlink()
