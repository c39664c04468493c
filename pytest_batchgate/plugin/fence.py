"""What stands between a run and the CI service around it, and between hidden values and the terminal.

On GitHub's runner everything that a step prints may give orders to the job, and so may whoever knows the
runner's files, whose paths stand in the environment.  While a run lasts, the runner is told to take no
orders, what would be one is broken up all the same (standard error is read beside standard output), and the
paths are out of the environment.  Anywhere else nothing changes, unless there is something to mask.
"""

from __future__ import annotations

import atexit
import os
import re
import sys
import threading
import uuid
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest

from pytest_batchgate.core.defusing import Defuser
from pytest_batchgate.core.masking import Masks
from pytest_batchgate.workers.environ import is_hidden

FENCE: pytest.StashKey[Fence] = pytest.StashKey()

# An order to the terminal: its last letter begins no value, and the terminal waits for it.
_ORDER = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]\Z")


class GuardedStream:
    """Stands in for a standard stream: masks and defuses what is written, across writes."""

    def __init__(self, real: Any, masks: Masks, *, defuse: bool) -> None:
        self.real = real
        self._masks = masks
        self._is_over = False
        self._masked = masks.text_stream()
        self._defuser = Defuser() if defuse else None
        # The live tree draws in a thread of its own.
        self._lock = threading.RLock()
        self._ends_line = True

    def write(self, text: str) -> int:
        with self._lock:
            if self._is_over:
                self._write(self._masks.text(text))
            else:
                shown = self._masked.feed(text)
                if _ORDER.search(text):
                    shown += self._masked.finish()
                self._write(shown if self._defuser is None else self._defuser.feed(shown))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Without what is held back: it may be the beginning of something."""
        self.real.flush()

    def interject(self, lines: Iterable[str]) -> None:
        """Whole lines that are ours, as they are, after what was held back and on lines of their own."""
        with self._lock:
            begun = self._masked.finish()
            if self._defuser is not None:
                begun = self._defuser.feed(begun) + self._defuser.finish()
                self._defuser = Defuser()
            if not (begun.endswith("\n") if begun else self._ends_line):
                begun += "\n"
            self._masked = self._masks.text_stream()
            self._write(begun + "".join(f"{line}\n" for line in lines))

    def finish(self, *, whole_line: bool) -> None:
        """Write what was held back, and, if asked, an end of the line that was begun.

        Whoever still has the stream writes on, and nothing is held back any more.
        """
        with self._lock:
            self._is_over = True
            rest = self._masked.finish()
            if self._defuser is not None:
                rest = self._defuser.feed(rest) + self._defuser.finish()
            if whole_line and not (rest.endswith("\n") if rest else self._ends_line):
                rest += "\n"
            self._write(rest)

    def _write(self, text: str) -> None:
        if not text:
            return
        self._ends_line = text.endswith("\n")
        try:
            self.real.write(text)
        except UnicodeEncodeError:  # what was held back would be lost if the caller tried again
            encoding = self.real.encoding or "ascii"
            self.real.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class Fence:
    """Put up before the first process of a run starts, taken down when pytest is through."""

    def __init__(self) -> None:
        self.is_github = os.environ.get("GITHUB_ACTIONS") == "true"
        self.hidden = {name: os.environ.pop(name) for name in list(os.environ) if is_hidden(name)}
        """The runner's variables, for those who write for the run as a whole."""
        self._began = False  # a session: its errors are all told by the time of `close`
        self._token: str | None = None
        self._streams: dict[str, GuardedStream] = {}

    def guard_streams(self, masks: Masks) -> None:
        """From here on what this process prints is masked and defused, if there is a reason."""
        if not (self.is_github or masks):
            return
        if self.is_github:
            self._stop_commands()
        for name in ("stdout", "stderr"):
            real = getattr(sys, name)
            if real is not None:
                self._streams[name] = GuardedStream(real, masks, defuse=self.is_github)
                setattr(sys, name, self._streams[name])

    def begin_session(self, config: pytest.Config) -> None:
        self._began = True
        config.add_cleanup(lambda: self._tell_captured(config))  # before pytest stops capturing

    def _tell_captured(self, config: pytest.Config) -> None:
        """What conftests and hooks printed: in the end pytest would write it past our streams."""
        capture: Any = config.pluginmanager.get_plugin("capturemanager")
        if self._streams and getattr(capture, "_global_capturing", None) is not None:
            for name, text in zip(("stdout", "stderr"), capture.read_global_capture(), strict=True):
                if name in self._streams:
                    self._streams[name].write(text)

    def close(self) -> None:
        """Idempotent.  Of a run that ended before its session pytest still has an error to tell."""
        if self._began:
            self._take_down()
        else:
            atexit.register(self._take_down)
        os.environ.update(self.hidden)
        self.hidden = {}

    def speak(self, lines: Iterable[str]) -> None:
        """Print lines that the runner takes orders from.  They hold nothing that is not ours and harmless."""
        stream = self._streams.get("stdout")
        if stream is None or self._token is None:
            return
        known, self._token = self._token, uuid.uuid4().hex  # it stands in the log from now on
        with suppress(OSError, ValueError):
            stream.flush()
            stream.interject([f"::{known}::", *lines, f"::stop-commands::{self._token}"])
            stream.flush()

    def _stop_commands(self) -> None:
        """Nobody else learns the word that ends this."""
        if sys.stdout is not None:
            self._token = uuid.uuid4().hex
            with suppress(OSError, ValueError):
                sys.stdout.write(f"::stop-commands::{self._token}\n")
                sys.stdout.flush()

    def _take_down(self) -> None:
        for name, stream in sorted(self._streams.items()):  # in order of their names: standard error first
            with suppress(OSError, ValueError):
                stream.finish(whole_line=name == "stdout" and self._token is not None)
                stream.flush()
            if getattr(sys, name) is stream:
                setattr(sys, name, stream.real)
        if self._token is not None and "stdout" in self._streams:
            with suppress(OSError, ValueError):
                real = self._streams["stdout"].real
                real.write(f"::{self._token}::\n")
                real.flush()
        self._streams, self._token = {}, None
