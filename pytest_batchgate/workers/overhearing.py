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

from pytest_batchgate.core.masking import Masks
from pytest_batchgate.workers.messages import OutputPrinted

# A line without its end is shown after this time: a prompt, a row of dots.
_IDLE_S = 0.2
_CHUNK_BYTES = 65536
_LONGEST_LINE = 65536  # characters; a longer one is shown in parts
_MOST_UNHEARD = 1 << 20  # characters on their way; with more the worker waits, as it would for a terminal


class Overhearing:
    """Reads one pipe per worker process, each in a thread.  ``put`` may be called from any thread."""

    def __init__(
        self, folder: Path, put: Callable[[OutputPrinted], None], masks: Masks | None = None
    ) -> None:
        """``masks``: what nobody hears of.  Whoever takes what was put calls `heard`."""
        self._folder = folder
        self._hand_on = put
        self._masks = masks if masks is not None else Masks()
        self._threads: list[threading.Thread] = []
        self._unheard = 0
        self._room = threading.Condition()

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

    @property
    def is_listening(self) -> bool:
        """Whether there is more to come, unless workers that are gone left somebody who holds a pipe."""
        return any(thread.is_alive() for thread in self._threads)

    def heard(self, printed: OutputPrinted) -> None:
        """What was put has been dealt with: there is room for more."""
        with self._room:
            self._unheard -= len(printed.text)
            self._room.notify_all()

    def _put(self, worker: str, text: str) -> None:
        text = self._masks.text(text)
        with self._room:
            self._room.wait_for(lambda: self._unheard < _MOST_UNHEARD)
            self._unheard += len(text)
        self._hand_on(OutputPrinted(worker, text))

    def _listen(self, path: Path, worker: str) -> None:
        with contextlib.suppress(OSError), path.open("rb", buffering=0) as pipe:
            decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
            text = ""
            while True:
                if text and not select.select([pipe], [], [], _IDLE_S)[0]:
                    text = self._put_begun(worker, text)
                    continue
                data = pipe.read(_CHUNK_BYTES)
                text += decoder.decode(data or b"", final=not data)
                lines, newline, text = text.rpartition("\n")
                if newline:
                    self._put(worker, lines)
                if len(text) > _LONGEST_LINE:
                    text = self._put_begun(worker, text)
                if not data:
                    if text:
                        self._put(worker, text)
                    return

    def _put_begun(self, worker: str, text: str) -> str:
        """Tell a line without its end; returns what must wait, since it may become a hidden value."""
        end = self._masks.settled(text)
        if end:
            self._put(worker, text[:end])
        return text[end:]
