"""Worker processes: execnet gateways, started in threads, all heard through one queue.

Nothing here decides anything.  `spawn`, `send`, `kill` do what the dispatcher
orders; what workers say, and that one has died, arrives as `Arrival`s in the
queue of the loop.  A death is known by waiting for the process, not by the end of
its pipe, which a child of a test may hold open.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import execnet

from pytest_batchgate.core.masking import Masks
from pytest_batchgate.core.protocol import Input, Leftover, ProcessesLeft, WorkerEnded, WorkerId, WorkerLost
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.workers import wire
from pytest_batchgate.workers.environ import TRACE
from pytest_batchgate.workers.gateway import Gateways, Starting
from pytest_batchgate.workers.guard import Guard
from pytest_batchgate.workers.handle import Handle
from pytest_batchgate.workers.messages import OutputPrinted, SideMessage
from pytest_batchgate.workers.reading import read

if TYPE_CHECKING:  # few runs have workers on other machines
    from pytest_batchgate.workers.line import Line

# How long the last words of a dead worker may take to come out of its pipe.
_LAST_WORDS_S = 0.5
# How long a worker whose session is over may take to end, where that is waited for: handlers at exit.
_LAST_STEPS_S = 3.0
# How long ssh may take to end once it has nothing more to pass on.
_LINE_CLOSES_S = 5.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something from a worker: a batch, or None when it is gone."""

    worker: WorkerId
    data: bytes | None
    reason: str = ""
    left: tuple[Leftover, ...] = ()  # what its tests left running, once it is gone


class WorkerPool:
    """All worker processes of a run.  Call from the main thread; it starts threads of its own."""

    def __init__(
        self,
        put: Callable[[Arrival | OutputPrinted], None],
        *,
        specs: Sequence[str],
        run_dir: Path,
        gateways: Gateways,
        guard: Guard,
        traces: Sequence[str],
        masks: Masks | None = None,
    ) -> None:
        """``specs`` and ``traces``: an execnet spec, and the value of TRACE, per slot.

        ``masks``: what nobody hears of that workers tell.
        ``put`` may be called from any thread.
        """
        self._put = put
        self._specs = list(specs)
        self._traces = list(traces)
        self._guard = guard
        self._masks = masks if masks is not None else Masks()
        self._run_dir = run_dir
        self._gateways = gateways
        self._lock = threading.Lock()
        self._handles: dict[WorkerId, Handle] = {}
        # Whether each worker's end is told only when nothing is left of what its tests started.
        self.looks_after = False

    def xspecs(self) -> list[Any]:
        """Each slot's spec as execnet's XSpec, for plugins that look into one."""
        return [execnet.XSpec(f"{spec}//id=gw{slot}") for slot, spec in enumerate(self._specs)]

    # --- starting ---------------------------------------------------------------

    def warm(self, slot: int, early: Mapping[str, Any]) -> None:
        """Start the slot's first process ahead of time, and let it load options and conftests."""
        if self._gateways.kept(slot) is None:
            self._gateways.keep(slot, self._boot(slot))
        starting = self._gateways.kept(slot)
        assert starting is not None
        starting.tell(wire.encode([(wire.SETUP, dict(early))]))

    def spawn(
        self, worker: WorkerId, slot: int, early: Mapping[str, Any], late: dict[str, Any], *, warm: bool
    ) -> None:
        """Start a worker.  ``warm``: one that was started ahead will do.

        ``late`` gets the path of the mapping in which the worker keeps its running test.
        """
        starting = self._gateways.take(slot) if warm else None
        if starting is None:
            starting = self._boot(slot)
            starting.tell(wire.encode([(wire.SETUP, dict(early))]))
        self._guard.start()
        starting.claimed(self._guard.add)  # its group, once it has called setsid
        line = _line() if starting.is_remote else None
        standstill = self._new_standstill(worker) if line is None else None
        handle = Handle(worker, f"gw{slot}", starting, standstill, line=line)
        late["standstill"] = str(handle.standstill) if handle.standstill else None
        if self.looks_after and line is None:
            handle.marker = self._traces[slot].encode()
        self._handles[worker] = handle
        data = wire.encode([(wire.SETUP, late)])
        threading.Thread(
            target=self._bring_up, args=(handle, data), name=f"batchgate-{handle.name}", daemon=True
        ).start()

    def _boot(self, slot: int) -> Starting:
        return self._gateways.boot(self._specs[slot], (f"{TRACE}={self._traces[slot]}",))

    def _new_standstill(self, worker: WorkerId) -> Path | None:
        path = self._run_dir / f"worker-{worker}"
        try:
            # Made when first needed: a run that is ended while it starts leaves no folder behind.
            self._run_dir.mkdir(mode=0o700, exist_ok=True)
            path.write_bytes(bytes(wire.STANDSTILL.size))
        except OSError:
            return None
        return path

    def _bring_up(self, handle: Handle, late: bytes) -> None:
        """In a thread: pass the setup on, connect the queue, then wait for the process to end."""
        starting = handle.starting
        starting.ready.wait()
        if starting.error is not None:
            if starting.refusal is not None:  # a mistake of the user's: no other try would help
                self._put(Arrival(handle.id, wire.encode([(wire.USAGE, starting.refusal)])))
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
        if starting.said is not None:
            starting.said.hear(lambda text: self._put(OutputPrinted(handle.name, self._masks.text(text))))
        starting.channel.setcallback(lambda data: self._on_message(handle, data), endmarker=None)
        process = starting.process
        left: tuple[Leftover, ...] = ()
        if process is None:
            handle.pipe_closed.wait()
            ended = "lost its connection" if handle.line is None else handle.line.ended(None)
            reason = handle.doom or ended
        else:
            code = process.wait()
            ended = _how_it_ended(code) if handle.line is None else handle.line.ended(code)
            reason = handle.doom or ended
            handle.gone.set()
            self._guard.drop(process.pid)
            handle.pipe_closed.wait(_LAST_WORDS_S)
            if handle.marker is not None:
                left = _end_leftovers(handle.marker)
        if handle.marker is not None or not handle.ended:
            self._put(Arrival(handle.id, None, reason, left))

    def _on_message(self, handle: Handle, data: bytes | None) -> None:
        """In execnet's receiver thread: only queue.  None is the last that it hears."""
        if data is not None:
            self._put(Arrival(handle.id, data))
            return
        handle.pipe_closed.set()
        patience_s = _LAST_WORDS_S if handle.line is None else _LINE_CLOSES_S
        if handle.starting.process is not None and not handle.gone.wait(patience_s):
            # It lives, and can neither be heard nor told anything.
            handle.doom = handle.doom or "closed or garbled its connection"
            self._signal(handle, signal.SIGKILL)

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
        if handle is None or handle.lost:
            return
        if arrival.left:
            left = tuple(each.told(self._masks.text) for each in arrival.left)
            yield ProcessesLeft(handle.id, left, orderly=handle.ended)
        if handle.ended:
            if handle.leaving and arrival.data is None:
                handle.leaving = False
                yield WorkerEnded(handle.id)
            return
        if arrival.data is None:
            handle.lost = True
            reason = self._masks.text(arrival.reason)
            if handle.up and not handle.listed and handle.doom is None:
                reason += " while it loaded plugins and conftests"
            yield WorkerLost(handle.id, self._running(handle), reason)
            return
        try:
            batch = wire.decode(arrival.data)
            if handle.line is not None:
                batch = [message for message in batch if not handle.line.is_for_us(message)]
            if self._masks:
                from pytest_batchgate.workers.hiding import hide_in_batch

                batch = hide_in_batch(batch, self._masks)
            for message in read(batch, handle.id, handle.name, handle.units):
                kind = type(message).__name__
                if kind == "WorkerListed":
                    handle.listed = True
                elif kind == "WorkerEnded":
                    handle.ended = True
                    if handle.marker is not None and handle.starting.process is not None:
                        self._see_off(handle)
                        continue
                yield message
        except (ValueError, EOFError, TypeError, KeyError, IndexError) as exc:
            handle.lost = True
            handle.marker = None
            self._signal(handle, signal.SIGKILL)
            running = self._running(handle)
            reason = f"sent what cannot be read ({type(exc).__name__}: {exc})"
            yield WorkerLost(handle.id, running, self._masks.text(reason))

    def at_work(self) -> list[tuple[str, str, int, float]]:
        """The tests that run now: worker, file, index there, seconds so far.  From any thread.

        A worker may change its record while it is read: what is told is right but for that moment.
        """
        return [(handle.name, *record) for handle, record in self._records()]

    def running(self) -> dict[WorkerId, tuple[str, int, float]]:
        """The same by worker's id."""
        return {handle.id: record for handle, record in self._records()}

    def processes_at_work(self) -> list[tuple[WorkerId, int, str, int]]:
        """The same with process ids, as far as the processes are on this machine."""
        return [
            (handle.id, handle.starting.process.pid, file, index)
            for handle, (file, index, _) in self._records()
            if handle.starting.process is not None and handle.line is None
        ]

    def processes(self) -> list[tuple[str, int, tuple[str, int, float] | None]]:
        """All workers here that are up: name, process id, and file, index, seconds of its test, if any."""
        at_work = {handle.id: record for handle, record in self._records()}
        up = [(handle, handle.starting.process) for handle in list(self._handles.values()) if handle.up]
        return [
            (handle.name, process.pid, at_work.get(handle.id))
            for handle, process in up
            if process is not None and handle.line is None and not handle.gone.is_set()
        ]

    def _records(self) -> Iterator[tuple[Handle, tuple[str, int, float]]]:
        for handle in list(self._handles.values()):
            record = None if handle.ended or handle.lost else handle.record()
            if record is not None and record[2] is not None:
                yield handle, (record[0], record[1], record[2])

    def _running(self, handle: Handle) -> tuple[str, int] | None:
        """Which test a dead worker was in, or the last that it was in."""
        record = handle.record()
        return None if record is None else record[:2]

    # --- ending -----------------------------------------------------------------

    def _see_off(self, handle: Handle) -> None:
        """Its session is over; when its process is gone too, `_bring_up` looks for what it left."""
        handle.leaving = True
        self._kill_in(handle, _LAST_STEPS_S)

    def _kill_in(self, handle: Handle, wait_s: float) -> None:
        timer = threading.Timer(wait_s, self._signal, (handle, signal.SIGKILL))
        timer.daemon = True
        timer.start()

    def kill(
        self,
        worker: WorkerId,
        grace_s: float,
        *,
        reason: str | None = None,
        first: signal.Signals = signal.SIGTERM,
    ) -> None:
        """``first`` to the worker's process group; after ``grace_s`` SIGKILL, to all that descends from it.

        Its loss tells ``reason``.
        """
        handle = self._handles.get(worker)
        if handle is None or handle.ended or handle.lost:
            return
        handle.doom = handle.doom or reason
        process = handle.starting.process
        if handle.line is not None:
            if handle.up and grace_s > 0 and first is signal.SIGINT:
                self.send(worker, wire.INTERRUPT)
                self._kill_in(handle, grace_s)
            else:  # without a line to us it ends by itself, with all that it started
                self._drop(handle)
            return
        # Without a process here it cannot be signalled; where its fixtures are to go it ends by itself.
        if grace_s <= 0 or (process is None and (first is signal.SIGTERM or not handle.up)):
            self._drop(handle)
        elif process is not None and process.poll() is None:
            name = f"batchgate-end-{handle.name}"
            threading.Thread(target=_end, args=(process.pid, first, grace_s), name=name, daemon=True).start()

    def _drop(self, handle: Handle) -> None:
        """End it at once, even if it is not up yet; its loss is told without waiting for it."""
        handle.marker = None  # its successor may be there before it is gone, and carries the same one
        self._signal(handle, signal.SIGKILL)
        if not handle.up:
            handle.starting.kill()
        self._put(Arrival(handle.id, None, "was ended"))

    def _signal(self, handle: Handle, number: signal.Signals) -> None:
        process = handle.starting.process
        if process is None or process.poll() is not None:
            if handle.line is not None:
                handle.starting.kill()
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
                if not handle.up:
                    handle.starting.kill()
        self._gateways.close()
        deadline = time.monotonic() + 2.0
        for handle in self._handles.values():
            if handle.up:
                handle.pipe_closed.wait(max(deadline - time.monotonic(), 0.0))
            if handle.standstill is not None:
                handle.standstill.unlink(missing_ok=True)
        self._handles.clear()


def _line() -> Line:
    from pytest_batchgate.workers.line import Line

    return Line()


def _end(pid: int, first: signal.Signals, grace_s: float) -> None:
    from pytest_batchgate.workers.ending import end_worker

    end_worker(pid, first, grace_s)


def _end_leftovers(marker: bytes) -> tuple[Leftover, ...]:
    from pytest_batchgate.workers.leftovers import end_marked

    return end_marked(marker)


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "ended"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
        return f"was killed by signal {-code}"
    return f"ended with exit code {code}"
