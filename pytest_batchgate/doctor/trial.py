"""Start one worker for real, as a run does, and end it again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_batchgate.doctor.check import Check, Section
from pytest_batchgate.workers import wire

SECTION = Section("workers")

_PATIENCE_S = 60.0
_EXIT_PATIENCE_S = 2.0
# Refused by pytest's own parser, which shows that pytest is there and that answers arrive.
_UNKNOWN = "--batchgate-doctor-asks"


def check_worker(rootdir: Path) -> Iterator[Check]:
    """No conftest is loaded and nothing is collected.  Takes a second, on a busy machine some."""
    from pytest_batchgate.workers.gateway import Gateways

    gateways = Gateways()
    began = time.monotonic()
    starting = gateways.boot("popen")
    try:
        starting.tell(wire.encode([(wire.SETUP, _early(rootdir))]))
        starting.ready.wait(_PATIENCE_S)
        yield _judge(starting, began)
    finally:
        starting.kill()


def _early(rootdir: Path) -> dict[str, Any]:
    return {
        "sys_path": list(sys.path),
        "cwd": str(rootdir),
        "args": ["-c", os.devnull, "--noconftest", "-p", "no:cacheprovider", _UNKNOWN],
        "env": {},
        "unset": [name for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS") if name in os.environ],
        "output": None,
    }


def _judge(starting: Any, began: float) -> Check:
    todo = f"Try it alone: {sys.executable} -c 'import execnet; print(execnet.makegateway())'"
    if starting.error is not None:
        return SECTION.problem("start", starting.error, todo)
    if starting.channel is None:
        return SECTION.problem("start", f"not up within {_PATIENCE_S:g} s", todo)
    try:
        ((kind, text),) = wire.decode(starting.channel.receive(_PATIENCE_S))
    except Exception as error:  # noqa: BLE001 (execnet raises what it meets)
        return SECTION.problem("start", f"it ended without an answer: {type(error).__name__}: {error}", todo)
    if kind != wire.USAGE or _UNKNOWN not in text:
        last = str(text).strip().splitlines()[-1:]
        return SECTION.problem("start", f"pytest does not start in it: {''.join(last)}", todo)
    took_s = time.monotonic() - began
    peak = _peak_bytes(starting.process)
    memory = f", {peak // 1024**2} MiB before any test" if peak is not None else ""
    return SECTION.ok("start", f"one started and answered in {took_s:.1f} s{memory}")


def _peak_bytes(process: Any) -> int | None:
    """Resident memory at its most; the process is on its way out, and waited for here."""
    until = time.monotonic() + _EXIT_PATIENCE_S
    while time.monotonic() < until:
        try:
            pid, _, usage = os.wait4(process.pid, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid:
            return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)  # macOS counts bytes
        time.sleep(0.01)
    return None
