"""When a service answers: its port, its page, or a line of its log.

A probe is asked again and again by a thread of its own until it says yes, finds
that it never will (`NeverReady`), or is told that nobody waits any more.  Ending
a service that is late is its attempt's work.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import psutil

from pytest_batchgate.core.model import Ready
from pytest_batchgate.workers.process import Tree

if TYPE_CHECKING:  # a tenth of what a run without URLs imports
    import http.client

_FIRST_WAIT_S, _LAST_WAIT_S, _WAIT_FACTOR = 0.02, 0.25, 1.5
_HTTP_TIMEOUT_S = 5.0
_LINE_LIMIT = 64 * 1024  # bytes of one line that are searched; the rest of it is passed over
_READ_LIMIT = 8 * 1024 * 1024  # bytes of log searched between two looks at whether anybody waits


class NeverReady(Exception):  # noqa: N818 - an answer, not a fault of ours
    """The service cannot become ready; the message says why."""


class Probe(Protocol):
    """One way to find out whether a service answers."""

    def check(self) -> bool:
        """Whether it answers now.  Raises NeverReady."""
        ...


def make_probe(ready: Ready, *, tree: Tree, log: Path) -> Probe:
    """The probe for whichever of port, url and line is set.  Raises NeverReady for a useless one."""
    if ready.port is not None:
        return PortProbe(ready.port, tree)
    if ready.url is not None:
        return UrlProbe(ready.url)
    assert ready.line is not None
    return LineProbe(ready.line, log)


def watch(probe: Probe, over: threading.Event, tell: Callable[[str | None], None]) -> None:
    """Ask until there is an answer or ``over`` is set; ``tell`` None for ready, else why never."""
    wait_s = _FIRST_WAIT_S
    while not over.is_set():
        try:
            if probe.check():
                tell(None)
                return
        except NeverReady as never:
            tell(str(never))
            return
        except Exception as problem:  # noqa: BLE001 - the thread's only way to be heard
            tell(f"could not be asked whether it is ready: {problem!r}")
            return
        over.wait(wait_s)
        wait_s = min(wait_s * _WAIT_FACTOR, _LAST_WAIT_S)


class PortProbe:
    """A TCP port is listened on by the service's own processes, in either family."""

    def __init__(self, port: int, tree: Tree) -> None:
        self._port = port
        self._tree = tree

    def check(self) -> bool:
        if sys.platform == "linux" and not _is_listened_on(self._port):
            return False
        listening, certain = self._listens()
        if listening:
            return True
        owners = [(pid, name) for pid, name in _listeners(self._port) if pid != -1 or certain]
        if not owners:
            return False
        # Looked at again after the listener was found: it may be a child born in between.
        if self._listens()[0]:
            return True
        members = {member.pid for member in self._tree.members()}
        for pid, name in owners:
            if pid not in members:
                who = f"pid {pid} ({name})" if pid != -1 else "a process of another user"
                raise NeverReady(f"port {self._port} is taken by {who}")
        return False

    def _listens(self) -> tuple[bool, bool]:
        """Whether a process of the tree listens, and whether all of them could be asked."""
        answers = [_listens(member.pid, self._port) for member in self._tree.members()]
        return True in answers, None not in answers


def _listens(pid: int, port: int) -> bool | None:
    """Whether the process listens on the port; None if it may not be asked."""
    try:
        process = psutil.Process(pid)
        # psutil 5 knows the method by its old name only.
        connections = (getattr(process, "net_connections", None) or process.connections)("tcp")
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError):
        return None
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)


def _is_listened_on(port: int) -> bool:
    """Linux: whether anybody does, for a fraction of what it costs to find out who."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:  # 0A: LISTEN
                return True
    return False


def _listeners(port: int) -> list[tuple[int, str]]:
    """Processes that listen on any address or loopback, where the service would; -1 for a hidden one."""
    found: dict[int, str] = {}
    try:
        connections = psutil.net_connections("tcp")
    except (psutil.Error, OSError):  # macOS shows others' to root alone
        return []
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or connection.laddr.port != port:
            continue
        if connection.laddr.ip.removeprefix("::ffff:") not in {"0.0.0.0", "127.0.0.1", "::", "::1"}:  # noqa: S104  # nosec B104
            continue
        pid = connection.pid or -1
        try:
            found[pid] = psutil.Process(pid).name() if pid != -1 else "?"
        except (psutil.Error, OSError):
            found[pid] = "?"
    return sorted(found.items())


class UrlProbe:
    """An HTTP GET is answered with a status below 400.  No proxy, no redirect is followed."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            self._port = parts.port
        except ValueError as problem:
            raise NeverReady(f"ready.url {url!r} is no URL: {problem}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise NeverReady(f"ready.url {url!r} is not an http or https URL")
        self._host = parts.hostname
        self._tls = parts.scheme == "https"
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def check(self) -> bool:
        import http.client

        connection = self._connection()
        try:
            connection.request("GET", self._target, headers={"Connection": "close"})
            return connection.getresponse().status < 400
        except http.client.InvalidURL as problem:
            raise NeverReady(f"ready.url cannot be asked for: {problem}") from None
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        import http.client
        import ssl

        if not self._tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=_HTTP_TIMEOUT_S)
        # Whether it answers is all that is asked, and test servers sign for themselves.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(self._host, self._port, timeout=_HTTP_TIMEOUT_S, context=context)


class LineProbe:
    """A line of the log matches, the unfinished last one included once it rests."""

    def __init__(self, pattern: str, log: Path) -> None:
        try:
            self._pattern = re.compile(pattern)
        except re.error as problem:
            raise NeverReady(f"ready.line {pattern!r} is no regular expression: {problem}") from None
        self._log = log
        self._offset = 0
        self._rest = b""  # the unfinished line's first _LINE_LIMIT bytes

    def check(self) -> bool:
        grew = False
        try:
            with self._log.open("rb") as log:
                if log.seek(0, 2) < self._offset:  # the service emptied its own output
                    self._offset, self._rest = 0, b""
                log.seek(self._offset)
                until = self._offset + _READ_LIMIT
                while self._offset < until and (block := log.read(_LINE_LIMIT)):
                    grew = True
                    self._offset += len(block)
                    if self._search(block):
                        return True
        except OSError:
            return False
        return not grew and bool(self._rest) and self._matches(self._rest)

    def _search(self, block: bytes) -> bool:
        first, *others = block.split(b"\n")
        lines = [self._rest + first, *others]
        self._rest = lines.pop()[:_LINE_LIMIT]
        return any(self._matches(line[:_LINE_LIMIT]) for line in lines)

    def _matches(self, line: bytes) -> bool:
        return self._pattern.search(line.removesuffix(b"\r").decode(errors="replace")) is not None
