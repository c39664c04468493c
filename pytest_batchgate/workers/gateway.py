"""Starting worker processes: an interpreter each, on its way up before anyone knows what it will do.

Imports little, because the first process is started before the configuration is
read.  execnet's own `Group.makegateway` is used for all specs but plain popen: there
the process is ours from its first moment (to kill, to mark), and leaves nothing
to wait for at exit.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import execnet
from execnet import gateway_bootstrap, gateway_io

from pytest_batchgate.workers.pipes import SERVE, Pipes

# The first thing a local worker does, while nobody has talked to it yet: a plain `python -c`
# has the working directory on its path, where anything may be called like a module of ours.
# Interrupted while it imports it ends without a word.
_PRELOAD = """
import _signal, gc, sys
gc.disable()
_signal.signal(_signal.SIGINT, _signal.SIG_DFL)
sys.path[:] = {path!r}
try:
    from pytest_batchgate.workers.worker import import_pytest
    import_pytest()
except ImportError:
    pass
"""
# How execnet's worker takes its first line, and how ours does: where whoever started it is gone
# already, there is none, or nobody to answer, and it ends without a word.
_FIRST_WORDS = "exec(eval(sys.stdin.readline()))"
_HEAR_THEM = """
try:
    exec(eval(sys.stdin.readline() or 'sys.exit()'))
except BrokenPipeError:
    import os
    os._exit(0)  # at the end of the interpreter the answer would be tried once more
"""
# Of a worker on this machine: sys.path comes before any import.
_BOOTSTRAP = f"""
import sys
import marshal
sys.path[:] = marshal.loads(channel.receive())
{SERVE}"""
_ENV = "/usr/bin/env"


def is_remote(spec: str) -> bool:
    """Whether the workers of an execnet spec run where our files and processes are not."""
    return spec.partition("//")[0].partition("=")[0] in {"ssh", "socket"}


class Starting:
    """A process on its way up.  ``ready`` is set once ``channel`` or ``error`` is there."""

    def __init__(self, spec: str, marks: Sequence[str]) -> None:
        self.spec = spec
        self.marks = tuple(marks)
        self.ready = threading.Event()
        self.process: Any = None  # subprocess.Popen; None while it is not there, and if it runs elsewhere
        self.gateway: Any = None
        self.channel: Any = None
        self.error: str | None = None
        self.refusal: str | None = None  # why the other side is no place to run, and none will do
        self.said: Any = None  # a remote one's standard error: `remote.Said`
        self.sources: Callable[[], Mapping[str, str]] | None = None  # of a remote one: see `remote.connect`
        self.on_process: Callable[[int], None] | None = None
        self._early: bytes | None = None
        self._doomed = False
        self._lock = threading.Lock()

    @property
    def is_remote(self) -> bool:
        """Whether it is on another machine."""
        return self.sources is not None

    def tell(self, early: bytes) -> None:
        """The first message, as soon as the process can take it."""
        with self._lock:
            if self.channel is None:
                self._early = early
                return
        with contextlib.suppress(OSError):
            self.channel.send(early)

    def kill(self) -> None:
        """End it, however far it has come.  Nobody hears of it."""
        with self._lock:
            self._doomed = True
            process = self.process
        if process is not None:
            _kill(process)
        elif self.is_remote and self.gateway is not None:  # a socket
            self.gateway._io.close_write()
            self.gateway._io.close_read()

    def claimed(self, on_process: Callable[[int], None]) -> None:
        """``on_process`` is told the process id, now or as soon as there is one."""
        with self._lock:
            self.on_process = on_process
            process = self.process
        if process is not None:
            on_process(process.pid)

    def boot(self, sys_path: list[str], number: int) -> None:
        """In a thread."""
        try:
            channel = self._connected(number, sys_path)
            with self._lock:
                if self._early is not None:
                    channel.send(self._early)
                self.channel = channel
        except Exception as exc:  # noqa: BLE001 (execnet raises what it meets)
            kind = "" if self.is_remote else f"{type(exc).__name__}: "  # there it is all words of ours
            self.error = f"could not be started: {kind}{exc}"
        finally:
            self.ready.set()

    def _connected(self, number: int, sys_path: list[str]) -> Any:
        """The channel, with nothing said yet that is the run's own."""
        if self.sources is not None:
            from pytest_batchgate.workers import remote

            try:
                return remote.connect(self.spec, number, self.sources, born=self._born, known=self._known)
            except remote.RefusedError as exc:
                self.refusal = str(exc)
                raise
        self._connect(number, sys_path)
        marked = isinstance(self.gateway._io, Pipes)
        channel = self.gateway.remote_exec(_BOOTSTRAP.format(marked=marked))
        channel.send(marshal.dumps(sys_path, 4))  # execnet takes no lone surrogates
        return channel

    def _connect(self, number: int, sys_path: list[str]) -> None:
        spec = execnet.XSpec(f"{self.spec}//id=worker-{number}")
        if not spec.popen or spec.chdir or spec.nice or spec.env:
            group = execnet.Group(execmodel="main_thread_only")
            self.gateway = group.makegateway(spec)
            self._born(getattr(self.gateway._io, "popen", None))
            return
        spec.execmodel = "main_thread_only"
        args = _local_argv(spec, sys_path)
        if self.marks and os.access(_ENV, os.X_OK):
            # In its environment from the start: what a process sets later is not seen from outside.
            args = [_ENV, *self.marks, *args]
        io = Pipes(args, execnet.gateway_base.get_execmodel("main_thread_only"))
        self._born(io.popen)
        self.gateway = gateway_bootstrap.bootstrap(io, spec)
        self.gateway.spec = spec

    def _known(self, gateway: Any) -> None:
        self.gateway = gateway
        self.said = getattr(gateway._io, "said", None)

    def _born(self, process: Any) -> None:
        with self._lock:
            self.process = process
            doomed, on_process = self._doomed, self.on_process
        if process is not None:
            if doomed:
                _kill(process)
            if on_process is not None:
                on_process(process.pid)


def _local_argv(spec: Any, sys_path: list[str]) -> list[str]:
    """execnet's command line of a local worker, with what ours does before it is talked to."""
    args: list[str] = gateway_io.popen_args(spec)
    args[-1] = _PRELOAD.format(path=sys_path) + args[-1].replace(_FIRST_WORDS, _HEAR_THEM)
    return args


def _kill(process: Any) -> None:
    with contextlib.suppress(OSError):
        process.kill()
        process.wait(2.0)


class Gateways:
    """Counts and starts processes; `close` ends those that nobody took."""

    def __init__(self, sys_path: Sequence[str] | None = None) -> None:
        self._sys_path = list(sys.path if sys_path is None else sys_path)
        self._count = 0
        self._waiting: dict[int, Starting] = {}
        # What a worker on another machine must have as it is here; None: all are on this one.
        self.sources: Callable[[], Mapping[str, str]] | None = None

    def boot(self, spec: str, marks: Sequence[str] = ()) -> Starting:
        """Start a process; returns at once.  ``marks``: NAME=VALUE entries of its environment."""
        self._count += 1
        starting = Starting(spec, marks)
        if is_remote(spec):
            assert self.sources is not None
            starting.sources = self.sources
        threading.Thread(
            target=starting.boot,
            args=(self._sys_path, self._count),
            name=f"batchgate-boot-{self._count}",
            daemon=True,
        ).start()
        return starting

    def keep(self, slot: int, starting: Starting) -> None:
        """Put a process aside for a slot's first worker."""
        self._waiting[slot] = starting

    def take(self, slot: int) -> Starting | None:
        """The process that was put aside for the slot, if any."""
        return self._waiting.pop(slot, None)

    def kept(self, slot: int) -> Starting | None:
        return self._waiting.get(slot)

    def close(self) -> None:
        for starting in self._waiting.values():
            starting.kill()
        self._waiting.clear()
