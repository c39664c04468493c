"""A process that was started without standard streams (`>&-`): what is written there goes nowhere."""

from __future__ import annotations

import os
import sys


def fill_in() -> None:
    """Open what is closed.  The descriptors too, or a pipe to a worker could become standard output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115 (open as long as the process)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
