"""Between a command and its log, while there is something to mask: no hidden value reaches the disk."""

from __future__ import annotations

import contextlib
import os
import select
import threading

from pytest_batchgate.core.masking import Stream

_BLOCK_BYTES = 65536


class LogPipe:
    """Copies what is written into ``inlet`` to the descriptor ``log``, which it closes in the end."""

    def __init__(self, log: int, stream: Stream[bytes]) -> None:
        """Raises OSError where no descriptors are left, RuntimeError for threads; ``log`` then stays open."""
        self._log = log
        self._stream = stream
        self._outlet, self.inlet = os.pipe()
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._copy, name="batchgate-log", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            for fd in (self._outlet, self.inlet, self._wake, self._waker):
                os.close(fd)
            raise

    def settle(self, patience_s: float) -> None:
        """Once all who write are gone, and ``inlet`` is closed: wait until the log is whole.  Idempotent.

        Whoever still holds the other end after ``patience_s`` escaped us, and is not listened to any more.
        """
        self._thread.join(patience_s)
        waker, self._waker = self._waker, -1
        if waker >= 0:
            os.close(waker)
        self._thread.join()

    def _copy(self) -> None:
        try:
            poller = select.poll()
            poller.register(self._outlet, select.POLLIN)
            poller.register(self._wake, 0)  # its other end closed
            over = False
            while not over:
                ready = {fd for fd, _ in poller.poll()}
                block = os.read(self._outlet, _BLOCK_BYTES) if self._outlet in ready else b""
                self._write(self._stream.feed(block))
                over = not block or self._wake in ready
            self._write(self._stream.finish())
        finally:
            for fd in (self._outlet, self._wake, self._log):
                os.close(fd)

    def _write(self, data: bytes) -> None:
        """What the disk does not take is lost, as it would be to the command itself."""
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._log, data) :]
