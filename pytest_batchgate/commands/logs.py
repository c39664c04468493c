"""`batchgate logs`: what command gates print, and what tests that failed have said.

The logs of commands are files of their own; of the tests the record of the run has what was said.
"""

from __future__ import annotations

import argparse
import os
import re
import stat
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pytest_batchgate.commands.base import (
    EXIT_GOOD,
    declare_rootdir,
    is_terminal,
    styled,
    wants_colour,
    writes_unicode,
)
from pytest_batchgate.commands.following import POLL_S, Tail, find_run, followed
from pytest_batchgate.core.defusing import Defuser
from pytest_batchgate.core.events import Event, GateFinished, GateReport, GateStarted
from pytest_batchgate.core.lognames import stem_of_attempt
from pytest_batchgate.doctor.place import rootdir_of, state_folder
from pytest_batchgate.errors import OptionError, did_you_mean
from pytest_batchgate.report.followed import Followed
from pytest_batchgate.report.retold import Failure
from pytest_batchgate.report.words import harmless_lines

_BLOCK_BYTES = 1 << 16
_LONGEST_LINE = 1 << 20  # bytes; a longer one is shown in pieces


def declare(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Shows what gates of the newest run that goes on, or of the last one, have printed: "
        "all of a command's output, and of tests what those said that failed."
    )
    parser.add_argument(
        "gate", metavar="GATE", nargs="?", help="one gate only (default: all, each line with its gate)"
    )
    parser.add_argument(
        "--follow", "-f", action="store_true", help="go on until the run, or the gate, has ended"
    )
    parser.add_argument("--filter", metavar="REGEX", help="only lines in which this is found")
    parser.add_argument("--run", metavar="ID", help="a certain run, by the beginning of its id")
    parser.add_argument("--raw", action="store_true", help="control sequences as they are, on a terminal too")
    declare_rootdir(parser)


def run(options: argparse.Namespace) -> int:
    pattern = _pattern(options.filter)
    folder = state_folder(rootdir_of(options.rootdir))
    tail = Tail(find_run(folder, options.run))
    try:
        first = tail.first()
        state = followed(folder, first)
        gate = _gate(state, options.gate)
        logs = Logs(state, gate)
        shown = Shown(
            pattern, prefix=gate is None, raw=options.raw or not is_terminal(), width=_widest(state)
        )
        logs.take(state.read(first))
        while True:
            alive = options.follow and tail.run.is_alive()  # before its last words are read
            for line in tail.lines():
                logs.take(state.read(line))
            over = not alive or state.result is not None
            for name, text in logs.fresh(whole=over):
                shown.write(name, text)
            sys.stdout.flush()
            if over or logs.over:
                return EXIT_GOOD
            time.sleep(POLL_S)
    finally:
        tail.close()


def _pattern(typed: str | None) -> re.Pattern[str] | None:
    if typed is None:
        return None
    try:
        with warnings.catch_warnings():  # of what a later Python may take otherwise, with a line of ours
            warnings.simplefilter("ignore")
            return re.compile(typed)
    except (re.error, OverflowError, RecursionError) as problem:
        raise OptionError(
            f"{typed!r} is no regular expression: {problem}", where="--filter", todo="Mend it, or escape it"
        ) from None


def _gate(state: Followed, typed: str | None) -> str | None:
    if typed is None or typed in state.gates:
        return typed
    known = [str(name) for name in state.gates]
    near = did_you_mean(typed, known) or f"There are: {', '.join(known) or 'none'}"
    raise OptionError(f"the run has no gate {typed!r}", todo=near.rstrip("."))


def _widest(state: Followed) -> int:
    return min(max(map(len, state.gates), default=0), 30)


class Shown:
    """Writes lines: those that match, each with its gate where there are several."""

    def __init__(self, pattern: re.Pattern[str] | None, *, prefix: bool, raw: bool, width: int) -> None:
        self._pattern = pattern
        self._prefix = prefix
        self._raw = raw
        self._width = width
        self._unicode = writes_unicode()
        self._colour = wants_colour()
        self._on_github = os.environ.get("GITHUB_ACTIONS") == "true"

    def write(self, gate: str, text: str) -> None:
        for line in text.split("\n") if self._raw else harmless_lines(text, unicode=self._unicode) or [""]:
            if self._pattern is None or self._pattern.search(line):
                head = styled(f"{gate:{self._width}} | ", "dim", colour=self._colour) if self._prefix else ""
                sys.stdout.write(f"{head}{self._sound(line)}\n")

    def _sound(self, line: str) -> str:
        """What the stream can take, and GitHub's runner takes for no order."""
        if self._on_github:
            defuser = Defuser()
            line = defuser.feed(line) + defuser.finish()
        encoding = "utf-8" if self._unicode else "ascii"
        return line.encode(encoding, "backslashreplace").decode(encoding)


class LogFile:
    """A command's log as it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def lines(self, *, whole: bool) -> Iterator[str]:
        """What was added, in whole lines; with ``whole`` what has no end yet, too."""
        if self._file is None and not self._open():
            return
        assert self._file is not None
        while block := self._file.read(_BLOCK_BYTES):
            *lines, self._rest = (self._rest + block).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in lines)
            if len(self._rest) > _LONGEST_LINE:
                yield self._rest.decode("utf-8", "replace")
                self._rest = b""
        if whole and self._rest:
            yield self._rest.decode("utf-8", "replace")
            self._rest = b""

    @property
    def was_found(self) -> bool:
        return self._file is not None

    def _open(self) -> bool:
        try:
            file = open(self.path, "rb", opener=_without_waiting)  # noqa: SIM115 (read for long)
        except OSError:
            return False
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            return False
        self._file = file
        return True


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


class Logs:
    """All that gates have said, as the run is read.  ``only``: nothing of other gates."""

    def __init__(self, state: Followed, only: str | None) -> None:
        self._state = state
        self._only = only
        self._attempts: dict[str, int] = {}
        self._files: list[tuple[str, LogFile]] = []
        self._said: list[tuple[str, str]] = []
        self.over = False  # nothing more comes of the gate that is asked for

    def take(self, told: list[Event | Failure]) -> None:
        for each in told:
            if isinstance(each, Failure):
                if self._only is None or each.gate == self._only:
                    self._said += ((each.gate or "collection", line) for line in _failure(each))
            elif isinstance(each, GateStarted):
                self._start(str(each.gate))
            elif isinstance(each, GateFinished):
                self._end(each.report)

    def _start(self, gate: str) -> None:
        known = self._state.gates.get(gate)  # type: ignore[call-overload]
        if known is None or known.gate.kind == "tests" or self._only not in {None, gate}:
            return
        number = self._attempts[gate] = self._attempts.get(gate, 0) + 1
        stem = self._state.start.log_names.get(gate, gate)
        path = Path(self._state.start.logs, f"{stem_of_attempt(stem, number)}.log")
        self._files.append((gate, LogFile(path)))

    def _end(self, report: GateReport) -> None:
        self.over = self.over or report.name == self._only
        of_gate = [file for name, file in self._files if name == report.name]
        if of_gate and report.log_path is not None:
            of_gate[-1].path = Path(report.log_path)  # elsewhere, if there was no room at its place

    def fresh(self, *, whole: bool) -> Iterator[tuple[str, str]]:
        """Gate and line of all that is new."""
        for gate, file in self._files:
            for line in file.lines(whole=whole or self.over):
                yield gate, line
            if whole and not file.was_found:
                yield gate, "(its log is not kept any more)"
        said, self._said = self._said, []
        yield from said


def _failure(failure: Failure) -> Iterator[str]:
    first, *more = failure.message.splitlines() or [""]
    yield f"{failure.nodeid} {failure.outcome}: {first}".rstrip(": ")
    if not failure.text:
        yield from (f"    {line}" for line in more)
    for line in failure.text.splitlines():
        yield f"    {line}"
    for heading, text in failure.output:
        yield f"    --- {heading} ---"
        for line in text.splitlines():
            yield f"    {line}"
