"""A worker's standard output while pytest does not capture it; `overhearing` is the other end."""

from __future__ import annotations

import os


def speak_into(path: str) -> None:
    """In the worker: standard output and standard error go into the pipe."""
    pipe = os.open(path, os.O_WRONLY)
    os.dup2(pipe, 1)
    os.dup2(pipe, 2)
    os.close(pipe)
