"""A pytest plugin (``-p batchgate_probe``) that writes down what its own process cost.

It writes PROBE_DIR/<pid>.json, in a worker too: the harness knows the
controller's pid and takes that file.
"""

from __future__ import annotations

import atexit
import json
import os
import resource
from pathlib import Path


def _write() -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    try:
        # ru_maxrss starts from the parent's, VmHWM does not.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    except OSError:
        peak = usage.ru_maxrss
    cost = {"cpu_s": usage.ru_utime + usage.ru_stime, "peak_rss_bytes": peak}
    target = Path(os.environ["PROBE_DIR"]) / f"{os.getpid()}.json"
    target.write_text(json.dumps(cost), encoding="utf-8")


def pytest_unconfigure() -> None:
    # Once here, for a process that leaves by os._exit, and once at the very end.
    _write()
    atexit.register(_write)
