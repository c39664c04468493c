"""What workers print while pytest does not capture it (`-s`), line by line.

A worker writes into a named pipe that the controller reads, so that the last words of one
that crashes are not lost with it, and those of the processes that its tests start are heard too.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path

from pytest_batchgate.workers.messages import OutputPrinted

# A line without its end is shown after this time: a prompt, a row of dots.
_IDLE_S = 0.2
_CHUNK_BYTES = 65536
_LONGEST_LINE = 65536  # characters; a longer one is shown in parts


class Overhearing:
    """Reads one pipe per worker process, each in a thread.  ``put`` may be called from any thread."""

    def __init__(self, folder: Path, put: Callable[[OutputPrinted], None]) -> None:
        self._folder = folder
        self._put = put
        self._threads: list[threading.Thread] = []

    def pipe(self, worker: str) -> str | None:
        """The path of a new pipe for ``worker`` (``gw0``); None where there can be none."""
        path = self._folder / f"output-{len(self._threads)}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            os.mkfifo(path, 0o600)
        except OSError:
            return None
        thread = threading.Thread(
            target=self._listen, args=(path, worker), name=f"batchgate-output-{worker}", daemon=True
        )
        self._threads.append(thread)
        thread.start()
        return str(path)

    def settle(self, patience_s: float) -> None:
        """Wait until all has been heard of workers that are gone; ``patience_s`` in all."""
        for thread in self._threads:
            thread.join(patience_s / len(self._threads))

    def _listen(self, path: Path, worker: str) -> None:
        with contextlib.suppress(OSError), path.open("rb", buffering=0) as pipe:
            decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
            text = ""
            while True:
                if text and not select.select([pipe], [], [], _IDLE_S)[0]:
                    self._put(OutputPrinted(worker, text))
                    text = ""
                    continue
                data = pipe.read(_CHUNK_BYTES)
                text += decoder.decode(data or b"", final=not data)
                lines, newline, text = text.rpartition("\n")
                if newline:
                    self._put(OutputPrinted(worker, lines))
                if text and (not data or len(text) > _LONGEST_LINE):
                    self._put(OutputPrinted(worker, text))
                    text = ""
                if not data:
                    return
