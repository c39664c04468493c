"""Workers on other machines: connecting, and making sure that they would run the same tests.

The other side has the repository and an environment of its own.  Before it may list a file it
tells its versions, and which of our sources it has otherwise: a run of two contents at once would
say nothing of either.  Loaded only where a spec asks for it.
"""

from __future__ import annotations

import contextlib
import marshal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import execnet
from execnet import gateway_base, gateway_bootstrap, gateway_io

import pytest_batchgate
from pytest_batchgate.errors import OptionError
from pytest_batchgate.workers.pipes import SERVE, Pipes

OPTION = "--batch-tx"
_SHOWN = 5  # files
_SSH_FAILED = 255  # its exit code for all that is its own
_LAST_WORDS_S = 2.0
_MOST_SAID = 1 << 16  # bytes of standard error, of each worker
_MOST_PORTS = 65535
# It never asks for a password: nobody could type one.  Whoever is silent for a minute is gone.
_SSH_OPTIONS = ("BatchMode=yes", "ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=4")
# Runs on the other side, where nothing of ours is known to be installed.
_GREETING = """
import marshal, os, sys
told = {'Python': '%d.%d' % sys.version_info[:2], 'executable': sys.executable}
try:
    os.chdir(os.path.expanduser(marshal.loads(channel.receive())))
except OSError as problem:
    told['folder'] = str(problem)
try:
    import pytest
    told['pytest'] = pytest.__version__
    import pytest_batchgate
    told['pytest-batchgate'] = pytest_batchgate.__version__
except ImportError as problem:
    told['missing'] = str(problem)
channel.send(marshal.dumps(told, 2))
ours = channel.receive()
if not ours:
    os._exit(0)
from pytest_batchgate.workers.worker_remote import differing
channel.send(marshal.dumps(differing(marshal.loads(ours)), 2))
if not channel.receive():
    os._exit(0)
"""


class RefusedError(Exception):
    """The other side is no place to run these tests."""


class UnreachableError(Exception):
    """Nobody answers there; somebody may, another time."""


def parse_spec(spec: str) -> Any:
    """execnet's XSpec.  Raises OptionError for what is none, or says what is ours to say."""
    try:
        parsed = execnet.XSpec(spec)
    except (AttributeError, ValueError) as problem:
        raise OptionError(f"{spec!r} is no worker spec: {problem}", where=OPTION) from None
    for name in ("id", "execmodel"):
        if getattr(parsed, name) is not None:
            raise OptionError(f"{spec!r} has a key {name}", where=OPTION, todo="Leave it out")
    return parsed


def check_spec(spec: str) -> None:
    """Raises OptionError for a remote spec that says too little, or what has no meaning."""
    parsed = parse_spec(spec)
    example = "ssh=user@host//python=python3.12//chdir=/srv/repo"
    if not isinstance(parsed.chdir, str) or not parsed.chdir:
        todo = f"Say where the repository is there, as in {example}"
        raise OptionError(f"{spec!r} has no chdir", where=OPTION, todo=todo)
    if parsed.socket is not None:
        host, _, port = str(parsed.socket).rpartition(":")
        if not host or not (port.isascii() and port.isdecimal() and int(port[:9]) <= _MOST_PORTS):
            raise OptionError(f"{spec!r} names no host and port", where=OPTION, todo="socket=HOST:PORT")
        if parsed.python:
            raise OptionError(
                f"{spec!r} names a Python",
                where=OPTION,
                todo="Leave it out: who listens there is one already",
            )
    elif not isinstance(parsed.ssh, str) or not parsed.ssh.strip():
        raise OptionError(f"{spec!r} names no host", where=OPTION, todo=f"As in {example}")


def root_of(spec: str) -> str:
    """The repository's folder on the other side."""
    return str(execnet.XSpec(spec).chdir)


class Said:
    """What ssh, and the worker behind it, write to standard error.

    A test may write there, too: it is kept until somebody listens, who knows what must not be shown.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._kept: list[str] = []
        self._listener: Callable[[str], None] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="batchgate-ssh-says", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        room = _MOST_SAID
        with contextlib.suppress(OSError, ValueError), self._stream as stream:
            while line := stream.readline(_MOST_SAID):
                room -= len(line)
                if room < 0:  # read on, so that nobody there has to wait
                    continue
                text = line.decode("utf-8", "backslashreplace").rstrip()
                with self._lock:
                    self._kept.append(text)
                    if self._listener is not None:
                        self._listener(text)

    def hear(self, listener: Callable[[str], None]) -> None:
        """``listener`` is called in a thread, for each line so far and to come."""
        with self._lock:
            for text in self._kept:
                listener(text)
            self._listener = listener

    def last(self) -> str:
        """The last line of a process that has ended."""
        self._thread.join(_LAST_WORDS_S)
        with self._lock:
            return next((text for text in reversed(self._kept) if text.strip()), "")


class _SshPipes(Pipes):
    """Beyond the reach of Ctrl-C, so that the other side hears of it through us and can tear down."""

    def __init__(self, args: list[str], execmodel: Any) -> None:
        self.popen = process = subprocess.Popen(
            args,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.said = Said(process.stderr)
        gateway_base.Popen2IO.__init__(self, process.stdin, process.stdout, execmodel=execmodel)


def connect(
    text: str,
    number: int,
    sources: Callable[[], Mapping[str, str]],
    *,
    born: Callable[[Any], None],
    known: Callable[[Any], None],
) -> Any:
    """The channel to a worker there that is ready to serve.

    ``sources``: digests of the files that must be the same there.  ``born`` is told the process on
    this machine, ``known`` the gateway, before anybody is waited for.

    Raises RefusedError, or UnreachableError.
    """
    spec = execnet.XSpec(f"{text}//id=worker-{number}//execmodel=main_thread_only")
    execmodel = gateway_base.get_execmodel("main_thread_only")
    where = text.partition("//")[0]
    io: Any = None
    try:
        if spec.socket:
            from execnet import gateway_socket

            io = gateway_socket.create_io(spec, execnet.Group(), execmodel=execmodel)
        else:
            io = _SshPipes(_ssh_argv(spec), execmodel)
            io.remoteaddress = spec.ssh
            born(io.popen)
        gateway = gateway_bootstrap.bootstrap(io, spec)
        gateway.spec = spec
        known(gateway)
        return greet(gateway, text, sources())
    except RefusedError:
        raise
    except Exception as exc:
        if not isinstance(io, _SshPipes):
            raise UnreachableError(f"{where} cannot be reached: {str(exc) or type(exc).__name__}") from exc
        raise UnreachableError(_why_not(io, where, str(spec.python), exc)) from exc


def _why_not(io: _SshPipes, where: str, python: str, problem: Exception) -> str:
    """By how ssh ended, and what it said."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        io.popen.wait(_LAST_WORDS_S)
    said = io.said.last() or f"{type(problem).__name__}: {problem}"
    if io.popen.returncode == _SSH_FAILED:
        return f"{where} cannot be reached: {said}"
    return f"{python} on {where} does not answer: {said}"


def _ssh_argv(spec: Any) -> list[str]:
    """execnet's command line, with what keeps it from waiting for ever."""
    spec.python = spec.python or "python3"
    program, *rest, command = gateway_io.ssh_args(spec)
    options = [word for option in _SSH_OPTIONS for word in ("-o", option)]
    # By a shell that lives on: else ssh could not tell a worker that crashed from a lost connection.
    return [program, *options, *rest, f"exec sh -c '{command}; exit $?'"]


def greet(gateway: Any, spec: str, sources: Mapping[str, str]) -> Any:
    """The channel to a worker that is ready to serve.  Raises RefusedError, naming both sides.

    ``sources``: digests of the files that must be the same there.
    """
    channel = gateway.remote_exec(_GREETING + SERVE.format(marked=isinstance(gateway._io, Pipes)))  # noqa: SLF001
    where = spec.partition("//")[0]
    channel.send(marshal.dumps(root_of(spec), 2))
    told = _answer(channel)
    reason = _unlike(told, where, root_of(spec))
    if reason is None:
        channel.send(marshal.dumps(dict(sources), 2))
        files = _answer(channel)
        if files:
            more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
            shown = ", ".join(map(str, files[:_SHOWN])) + more
            reason = f"the repository in {root_of(spec)} on {where} is not the one here: {shown}"
    channel.send(b"" if reason is not None else b"serve")
    if reason is not None:
        raise RefusedError(reason)
    return channel


def _answer(channel: Any) -> Any:
    # Of an interpreter that the user named, and that is to run the tests.
    return marshal.loads(channel.receive())  # noqa: S302  # nosec B302


def _unlike(told: Mapping[str, str], where: str, root: str) -> str | None:
    if "folder" in told:
        return f"the repository is not in {root} on {where}: {told['folder']}"
    if "missing" in told:
        return f"{told['executable']} on {where} lacks what the tests run by: {told['missing']}"
    mine = {
        "Python": ".".join(map(str, sys.version_info[:2])),
        "pytest": version("pytest"),
        "pytest-batchgate": pytest_batchgate.__version__,
    }
    unlike = [
        f"{name} {told.get(name)} there, {ours} here" for name, ours in mine.items() if told.get(name) != ours
    ]
    return f"{told['executable']} on {where} has other versions: {'; '.join(unlike)}" if unlike else None
