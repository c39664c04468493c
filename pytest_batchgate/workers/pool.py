"""Worker processes: execnet gateways, started in threads, all heard through one queue.

Nothing here decides anything.  `spawn`, `send`, `kill` do what the dispatcher
orders; what workers say, and that one has died, arrives as `Arrival`s in the
queue of the loop.  A death is known by waiting for the process, not by the end of
its pipe, which a child of a test may hold open.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shlex
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import execnet

from pytest_batchgate.core.protocol import Input, WorkerId, WorkerLost
from pytest_batchgate.workers import wire
from pytest_batchgate.workers.environ import TRACE
from pytest_batchgate.workers.guard import Guard
from pytest_batchgate.workers.messages import SideMessage
from pytest_batchgate.workers.reading import read

# What runs in the worker before anything can be imported: sys.path comes first.
_BOOTSTRAP = """
import sys
sys.path[:] = channel.receive()
from pytest_batchgate.workers.worker import serve
serve(channel)
import atexit, os
try:
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
finally:
    os._exit(0)
"""
_STANDSTILL = struct.Struct("<qqd")
IN_COLLECTION = -1
_ENV = "/usr/bin/env"
# How long the last words of a dead worker may take to come out of its pipe.
_LAST_WORDS_S = 0.5


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something from a worker: a batch, or None when it is gone."""

    worker: WorkerId
    data: bytes | None
    reason: str = ""


@dataclass(eq=False)
class Starting:
    """A process on its way up.  ``ready`` is set once ``channel`` or ``error`` is there."""

    slot: int
    ready: threading.Event = field(default_factory=threading.Event)
    gateway: Any = None
    channel: Any = None
    error: str | None = None


@dataclass(eq=False)
class Handle:
    """One worker process and what is known of it here."""

    id: WorkerId
    name: str
    starting: Starting
    standstill: Path | None
    units: dict[int, str] = field(default_factory=dict)
    backlog: list[bytes] = field(default_factory=list)  # orders from before it was up
    up: bool = False
    ended: bool = False
    lost: bool = False
    pipe_closed: threading.Event = field(default_factory=threading.Event)


class WorkerPool:
    """All worker processes of a run.  Call from the main thread; it starts threads of its own."""

    def __init__(
        self,
        put: Callable[[Arrival], None],
        *,
        specs: Sequence[str],
        run_dir: Path,
        sys_path: Sequence[str],
        guard: Guard,
        traces: Sequence[str],
    ) -> None:
        """``specs`` and ``traces``: an execnet spec, and the value of TRACE, per slot.

        ``put`` may be called from any thread.
        """
        self._put = put
        self._specs = list(specs)
        self._traces = list(traces)
        self._guard = guard
        self._run_dir = run_dir
        self._sys_path = list(sys_path)
        self._group = execnet.Group(execmodel="main_thread_only")
        self._lock = threading.Lock()
        self._warm: dict[int, Starting] = {}
        self._handles: dict[WorkerId, Handle] = {}
        self._started = 0

    def xspecs(self) -> list[Any]:
        """Each slot's spec as execnet's XSpec, for plugins that look into one."""
        return [execnet.XSpec(f"{spec}//id=gw{slot}") for slot, spec in enumerate(self._specs)]

    # --- starting ---------------------------------------------------------------

    def warm(self, slot: int, early: Mapping[str, Any]) -> None:
        """Start the slot's first process ahead of time, and let it load options and conftests."""
        self._warm[slot] = self._start(slot, early)

    def spawn(
        self, worker: WorkerId, slot: int, early: Mapping[str, Any], late: dict[str, Any], *, warm: bool
    ) -> None:
        """Start a worker.  ``warm``: one that was started ahead will do.

        ``late`` gets the path of the mapping in which the worker keeps its running test.
        """
        starting = self._warm.pop(slot, None) if warm else None
        if starting is None:
            starting = self._start(slot, early)
        handle = Handle(worker, f"gw{slot}", starting, self._new_standstill(worker))
        late["standstill"] = str(handle.standstill) if handle.standstill else None
        self._handles[worker] = handle
        data = wire.encode([(wire.SETUP, late)])
        threading.Thread(
            target=self._bring_up, args=(handle, data), name=f"batchgate-{handle.name}", daemon=True
        ).start()

    def _start(self, slot: int, early: Mapping[str, Any]) -> Starting:
        starting = Starting(slot)
        data = wire.encode([(wire.SETUP, dict(early))])
        threading.Thread(
            target=self._boot, args=(starting, data), name=f"batchgate-boot-{slot}", daemon=True
        ).start()
        return starting

    def _boot(self, starting: Starting, early: bytes) -> None:
        try:
            with self._lock:
                self._started += 1
                number = self._started
            spec = execnet.XSpec(f"{self._specs[starting.slot]}//id=gw{starting.slot}-{number}")
            if spec.popen and os.access(_ENV, os.X_OK):
                spec.python = _traced(spec.python, self._traces[starting.slot])
            self._guard.start()
            starting.gateway = self._group.makegateway(spec)
            if (process := _process_of(starting)) is not None:
                self._guard.add(process.pid)  # its group, once it has called setsid
            starting.channel = starting.gateway.remote_exec(_BOOTSTRAP)
            starting.channel.send(self._sys_path)
            starting.channel.send(early)
        except Exception as exc:  # noqa: BLE001 (execnet raises what it meets)
            starting.error = f"could not be started: {type(exc).__name__}: {exc}"
        finally:
            starting.ready.set()

    def _new_standstill(self, worker: WorkerId) -> Path | None:
        path = self._run_dir / f"worker-{worker}"
        try:
            path.write_bytes(bytes(_STANDSTILL.size))
        except OSError:
            return None
        return path

    def _bring_up(self, handle: Handle, late: bytes) -> None:
        """In a thread: pass the setup on, connect the queue, then wait for the process to end."""
        starting = handle.starting
        starting.ready.wait()
        if starting.error is not None:
            self._put(Arrival(handle.id, None, starting.error))
            return
        try:
            starting.channel.send(late)
            with self._lock:
                for data in handle.backlog:
                    starting.channel.send(data)
                handle.up = True
        except OSError as exc:
            self._put(Arrival(handle.id, None, f"went away while starting: {exc}"))
            return
        starting.channel.setcallback(lambda data: self._on_message(handle, data), endmarker=None)
        process = _process_of(starting)
        if process is None:
            handle.pipe_closed.wait()
            reason = "lost its connection"
        else:
            reason = _how_it_ended(process.wait())
            self._guard.drop(process.pid)
            handle.pipe_closed.wait(_LAST_WORDS_S)
        if not handle.ended:
            self._put(Arrival(handle.id, None, reason))

    def _on_message(self, handle: Handle, data: bytes | None) -> None:
        """In execnet's receiver thread: only queue."""
        if data is None:
            handle.pipe_closed.set()
        else:
            self._put(Arrival(handle.id, data))

    # --- talking ----------------------------------------------------------------

    def send(self, worker: WorkerId, *message: Any) -> None:
        """Pass an order on.  To a worker that is gone: nothing; its loss is already on the way."""
        handle = self._handles.get(worker)
        if handle is None or handle.lost or handle.ended:
            return
        if message[0] in {wire.FILE, wire.TESTS}:
            handle.units[message[1]] = message[2]
        data = wire.encode([message])
        with self._lock:
            if not handle.up:
                handle.backlog.append(data)
                return
        with contextlib.suppress(OSError):
            handle.starting.channel.send(data)

    def read(self, arrival: Arrival) -> Iterator[Input | SideMessage]:
        """What an arrival says.  Nothing, if its worker was already given up."""
        handle = self._handles.get(arrival.worker)
        if handle is None or handle.lost or handle.ended:
            return
        if arrival.data is None:
            handle.lost = True
            yield WorkerLost(handle.id, self._running(handle), arrival.reason)
            return
        try:
            batch = wire.decode(arrival.data)
            for message in read(batch, handle.id, handle.name, handle.units):
                if type(message).__name__ == "WorkerEnded":
                    handle.ended = True
                yield message
        except (ValueError, EOFError, TypeError, KeyError, IndexError) as exc:
            handle.lost = True
            self._signal(handle, signal.SIGKILL)
            running = self._running(handle)
            yield WorkerLost(handle.id, running, f"sent what cannot be read ({type(exc).__name__}: {exc})")

    def _running(self, handle: Handle) -> tuple[str, int] | None:
        """Which test a dead worker was in."""
        if handle.standstill is None:
            return None
        try:
            with (
                handle.standstill.open("rb") as file,
                contextlib.closing(
                    mmap.mmap(file.fileno(), _STANDSTILL.size, access=mmap.ACCESS_READ)
                ) as view,
            ):
                unit, index, _ = _STANDSTILL.unpack(view[: _STANDSTILL.size])
        except (OSError, ValueError):
            return None
        name = handle.units.get(unit)
        return None if name is None else (name, index)

    # --- ending -----------------------------------------------------------------

    def kill(self, worker: WorkerId, grace_s: float, *, first: signal.Signals = signal.SIGTERM) -> None:
        """``first`` to the worker's process group, SIGKILL after ``grace_s``."""
        handle = self._handles.get(worker)
        if handle is None or handle.ended or handle.lost:
            return
        self._signal(handle, first)
        timer = threading.Timer(grace_s, self._signal, (handle, signal.SIGKILL))
        timer.daemon = True
        timer.start()

    def _signal(self, handle: Handle, number: signal.Signals) -> None:
        process = _process_of(handle.starting)
        if process is None or process.poll() is not None:
            return
        with contextlib.suppress(OSError):
            # It leads its own group once it has called setsid; until then it has no children.
            if os.getpgid(process.pid) == process.pid:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)

    def close(self) -> None:
        """End what is left, at once.  Idempotent."""
        for handle in self._handles.values():
            if not handle.ended and not handle.lost:
                self._signal(handle, signal.SIGKILL)
        for starting in self._warm.values():
            if starting.ready.wait(2.0) and starting.gateway is not None:
                starting.gateway._io.kill()  # noqa: SLF001 (never used, nothing to lose)
        self._warm.clear()
        deadline = time.monotonic() + 2.0
        for handle in self._handles.values():
            if handle.up:
                handle.pipe_closed.wait(max(deadline - time.monotonic(), 0.0))
            if handle.standstill is not None:
                handle.standstill.unlink(missing_ok=True)
        self._handles.clear()


def _process_of(starting: Starting) -> Any:
    """The worker's ``Popen``; None if it runs elsewhere, or not yet."""
    return getattr(getattr(starting.gateway, "_io", None), "popen", None)


def _traced(python: str | None, trace: str) -> str:
    """A command that starts the interpreter with TRACE in its environment from the start.

    What the worker sets later is not seen from outside: a process that a test forks could then
    not be told from others.
    """
    return f"{_ENV} {TRACE}={shlex.quote(trace)} {python or shlex.quote(sys.executable)}"


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "ended"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
        return f"was killed by signal {-code}"
    return f"ended with exit code {code}"
