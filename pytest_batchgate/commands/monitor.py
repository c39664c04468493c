"""`batchgate monitor`: follows a run from another terminal, to its end.

A run writes down what happens as it happens; all else is done here.  Only CPU and memory are looked at
by the run itself, and only while somebody follows it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from pytest_batchgate.commands.base import (
    EXIT_GOOD,
    EXIT_PROBLEMS,
    declare_rootdir,
    is_terminal,
    styled,
    wants_colour,
    writes_unicode,
)
from pytest_batchgate.commands.following import POLL_S, Tail, find_run, followed
from pytest_batchgate.core.events import Event
from pytest_batchgate.doctor.place import rootdir_of, state_folder
from pytest_batchgate.report.followed import Followed
from pytest_batchgate.report.monitorview import killed, snapshot
from pytest_batchgate.report.monitorview import lines as view
from pytest_batchgate.report.plain import PlainReport
from pytest_batchgate.report.retold import Failure
from pytest_batchgate.report.words import harmless

_SIGN_S = 1.0  # between two signs that somebody watches
_SAMPLES_S = 2.5  # for two samples to come, where a single look is asked for


def declare(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Follows the newest run that goes on, or shows how the last one went. "
        "Ends with the run's own exit code, and with 1 if it was killed."
    )
    declare_rootdir(parser)
    parser.add_argument("--run", metavar="ID", help="a certain run, by the beginning of its id")
    parser.add_argument("--once", action="store_true", help="show how things stand, and end with 0")
    parser.add_argument("--json", action="store_true", help="the same for programs")


def run(options: argparse.Namespace) -> int:
    folder = state_folder(rootdir_of(options.rootdir))
    tail = Tail(find_run(folder, options.run))
    try:
        monitor = Monitor(tail, folder)
        if options.json:
            monitor.settle()
            print(json.dumps(snapshot(monitor.state, monitor.now(), monitor.standing), indent=2))
            return EXIT_GOOD
        if options.once:
            monitor.settle()
            _print_once(monitor)
            return EXIT_GOOD
        if is_terminal():
            return _draw(monitor)
        return _tell(monitor)
    finally:
        tail.close()


class Monitor:
    """A run that is followed.  ``standing``: running, finished or killed."""

    def __init__(self, tail: Tail, folder: Path) -> None:
        """Raises BatchGateError for a record that cannot be read."""
        self._tail = tail
        self._signed = 0.0
        self.standing = "running"
        first = tail.first()
        self.state: Followed = followed(folder, first)
        self._begun = self.state.read(first)  # given by the first `step`

    def step(self) -> list[Event | Failure]:
        """What has happened since the last step; asks the run to go on looking at what it uses."""
        told, self._begun = self._begun, []
        alive = self.standing == "running" and self._tail.run.is_alive()  # before its last words are read
        if alive and time.monotonic() - self._signed > _SIGN_S:
            self._tail.run.watch()
            self._signed = time.monotonic()
        for line in self._tail.lines():
            told += self.state.read(line)
        if self.state.result is not None:
            self.standing = "finished"
        elif not alive and self.standing == "running":
            self.standing = "killed"
            self.state.give_up()
        return told

    def settle(self) -> None:
        """Read all there is; of a run that goes on, wait for a look at what it uses."""
        self.step()
        until = time.monotonic() + _SAMPLES_S
        seen = self.state.samples
        while self.standing == "running" and time.monotonic() < until and self.state.samples < seen + 2:
            time.sleep(POLL_S)
            self.step()

    def now(self) -> float:
        """Seconds on the run's clock."""
        if self.standing != "running":
            return self.state.at
        return max(self.state.at, time.time() - self.state.start.started_unix_s)

    def exit_code(self) -> int:
        return self.state.result.exit_code if self.state.result is not None else EXIT_PROBLEMS


def _print_once(monitor: Monitor) -> None:
    unicode, colour = writes_unicode(), wants_colour()
    size = os.get_terminal_size(sys.stdout.fileno()) if is_terminal() else os.terminal_size((200, 10_000))
    shown = view(
        monitor.state, monitor.now(), monitor.standing, width=size.columns, height=10_000, unicode=unicode
    )
    for line in shown:
        print("".join(styled(text, *style.split(), colour=colour) for text, style in line).rstrip())


def _tell(monitor: Monitor) -> int:
    """A line for each change of a gate, as in the run's own plain output."""
    colour, unicode = wants_colour(), writes_unicode()

    def write(text: str, /, **markup: bool) -> None:
        print(styled(text, *(name for name, on in markup.items() if on), colour=colour), flush=True)

    report = PlainReport(write, unicode=unicode)
    while True:
        for told in monitor.step():
            if isinstance(told, Failure):
                text = harmless(told.nodeid, unicode=unicode)
                write(f"[{told.at:5.1f}s] {told.gate or 'collection'}: {text} {told.outcome}", red=True)
            else:
                report.handle(told)
        if monitor.standing != "running":
            break
        time.sleep(POLL_S)
    if monitor.standing == "killed":
        write(killed(monitor.state), red=True, bold=True)
    return monitor.exit_code()


def _draw(monitor: Monitor) -> int:
    from pytest_batchgate.report.painter import Painter

    painter = Painter(sys.stdout, colour=not os.environ.get("NO_COLOR"))
    unicode = writes_unicode()
    try:
        while True:
            monitor.step()
            size = os.get_terminal_size(sys.stdout.fileno())
            shown = view(
                monitor.state,
                monitor.now(),
                monitor.standing,
                width=size.columns - 1,
                height=size.lines - 1,
                unicode=unicode,
            )
            if monitor.standing != "running":
                break
            painter.paint(shown, columns=size.columns, rows=size.lines)
            time.sleep(POLL_S)
    finally:
        size = os.get_terminal_size(sys.stdout.fileno())
        painter.clear(columns=size.columns, rows=size.lines)
    _print_once(monitor)
    return monitor.exit_code()
