"""What processes use, looked at from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from pytest_batchgate.core.model import GateName
from pytest_batchgate.workers.messages import CommandMeasured, Measured
from pytest_batchgate.workers.sampling import Sampler, usage_of

# A process with a child that holds 40 MiB, and has burnt 0.2 s of CPU before it says so.
CHILD = """
import time
held = bytearray(40 << 20)
while time.process_time() < 0.2:
    pass
print(flush=True)
input()
"""
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {CHILD!r}])"


def test_a_process_counts_with_what_it_started() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert parent.stdout is not None
        parent.stdout.readline()
        used = usage_of(parent.pid)
        assert used is not None
        cpu_s, rss_bytes = used
        assert cpu_s >= 0.15
        assert rss_bytes > 40 << 20
    finally:
        parent.communicate(b"\n")


def test_a_process_that_is_gone_uses_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert usage_of(gone.pid) is None


def test_nobody_is_looked_at_while_nobody_wants_to_know() -> None:
    taken: list[Measured] = []
    asked = threading.Semaphore(0)
    came = threading.Event()
    wants = [False]

    def wanted() -> bool:
        asked.release()
        return wants[0]

    def put(measured: Measured) -> None:
        taken.append(measured)
        came.set()

    command = CommandMeasured(GateName("lint"), 1.0, 2, 3.0)
    at_work = ("tests/test_a.py", 0, 0.5)
    sampler = Sampler(lambda: [("gw0", os.getpid(), at_work)], lambda: [command], put, wanted=wanted)
    sampler.start()
    try:
        for _ in range(2):
            assert asked.acquire(timeout=30)
        assert not taken
        wants[0] = True
        assert came.wait(30)
    finally:
        sampler.close()
    (worker,) = taken[0].workers
    assert (worker.worker, worker.running) == ("gw0", at_work)
    assert worker.rss_bytes > 1_000_000
    assert taken[0].commands == (command,)
