"""A real terminal: a pty, and what pyte makes of all that is written to it."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyte
from plugin_kit import PATIENCE_S, clean_environment


class Pty:
    """``raw``: every byte so far.  Use `until` to wait; it fails after a minute, showing the screen."""

    def __init__(self, columns: int = 60, rows: int = 10) -> None:
        self.master, self.slave = os.openpty()
        self.raw = b""
        self.screen: Any = pyte.HistoryScreen(columns, rows, history=1000, ratio=0.5)
        self._stream = pyte.ByteStream(self.screen)
        self._set_size(columns, rows)
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 4096)
            except OSError:
                data = b""
            with self._changed:
                self.raw += data
                self._stream.feed(data)
                self._changed.notify_all()
            if not data:
                return

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        with self._changed:
            self.screen.resize(rows, columns)
        self._set_size(columns, rows)

    @property
    def lines(self) -> list[str]:
        """What the screen shows, without empty lines."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, seen: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(seen, PATIENCE_S), f"{self.text}\n-----\n{self.raw!r}"

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def pytest(
        self, folder: Path, *args: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """pytest in a session whose terminal this is; wait for it with `ended`."""
        argv = [sys.executable, "-m", "pytest", "-p", "no:hypothesispytest", "-p", "no:pytest_cov", *args]
        environment = {**clean_environment({"TERM": "xterm-256color"}), **(env or {})}
        environment.pop("COLUMNS", None)  # a terminal knows its width
        process = subprocess.Popen(
            [sys.executable, "-c", _WITH_TERMINAL, *argv],
            cwd=folder,
            env=environment,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
        )
        self._close_slave()
        return process

    def ended(self, process: subprocess.Popen[bytes]) -> int:
        """Its exit code, once all that it has written is here."""
        try:
            code = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            raise
        self._reader.join(PATIENCE_S)
        return code

    def _close_slave(self) -> None:
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1

    def close(self) -> None:
        self._close_slave()
        self._reader.join(PATIENCE_S)
        os.close(self.master)


# A session's leader has to ask for its terminal: only then is Ctrl-C a signal.
_WITH_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
