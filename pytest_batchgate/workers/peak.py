"""The most memory that a process has had resident, in bytes."""

from __future__ import annotations

import resource
import sys


def peak_bytes(maxrss: int) -> int:
    """``ru_maxrss``, which Linux counts in KiB and macOS in bytes."""
    return maxrss if sys.platform == "darwin" else maxrss * 1024


def own_peak_bytes() -> int:
    """Of this process, since its program began.

    What it starts begins with this peak.  `getrusage` would not do: it also has what the process
    that this one was made from had used, which a child of ours does not inherit.
    """
    try:
        with open("/proc/self/status", "rb") as status:  # noqa: PTH123 (for each command)
            for line in status:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return peak_bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
