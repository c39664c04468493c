"""Garbage collection around a run.

Reports are long-lived and nearly free of cycles, yet every collection walks them
all: on click's suite that is 40 % of plain pytest's time.  The controller
therefore collects nothing while a run lasts and freezes what it has before the
collections that pytest does at its own end.  `BATCHGATE_GC=default` leaves the
collector alone, here and in the workers.
"""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


def is_managed() -> bool:
    return os.environ.get("BATCHGATE_GC") != "default"


@contextmanager
def paused() -> Iterator[None]:
    """No collection inside the block; afterwards as it was."""
    if not is_managed() or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def freeze() -> None:
    """Leave all that exists out of later collections; `thaw` undoes it."""
    if is_managed():
        gc.freeze()


def thaw() -> None:
    """For whoever runs pytest inside a longer-lived process."""
    if is_managed():
        gc.unfreeze()
        # The interpreter's own last collections would walk everything once more.
        atexit.unregister(gc.freeze)
        atexit.register(gc.freeze)
