"""What is written to a worker first, and what is read from it: messages among whatever tests may write."""

from __future__ import annotations

from execnet import gateway_io

from pytest_batchgate.workers import wire

# What runs in the worker once it is connected and knows where to import from.
SERVE = """
from pytest_batchgate.workers.worker import serve
import atexit, os, traceback
code = 1
try:
    serve(channel, marked={marked})
    code = 0
except BaseException:
    traceback.print_exc()
try:
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
finally:
    os._exit(code)
"""
_HEADER_BYTES = 9  # what execnet writes before each message: its kind, its channel, its length
_MOST_GARBAGE = 1 << 20


class UnreadableError(ValueError):
    """Came through a worker's pipe, and neither execnet nor we wrote it."""


class Pipes(gateway_io.Popen2IOMaster):
    """A worker process and the pipes to it.

    A test may write into every descriptor it finds.  Once the worker sets `wire.MAGIC` before each
    message (`wire.mark_messages`), what is not a message is known, and passed over.
    """

    marked = False
    _in_message = False

    def read(self, numbytes: int) -> bytes:
        """Raises UnreadableError for more garbage than is worth reading; EOFError at the end."""
        if self._in_message or numbytes != _HEADER_BYTES:
            self._in_message = False
            return super().read(numbytes)
        self._in_message = True
        data = super().read(_HEADER_BYTES)
        if data == wire.MAGIC:
            self.marked = True
        elif not self.marked:
            return data
        passed_over = 0
        while data != wire.MAGIC:
            passed_over += 1
            if passed_over > _MOST_GARBAGE:
                raise UnreadableError(data.hex())
            data = data[1:] + super().read(1)
        return super().read(_HEADER_BYTES)
