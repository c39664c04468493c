"""Which of the two the user sees, the live tree or plain lines, and pytest's terminal beneath them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter

from pytest_batchgate.core.bus import Bus
from pytest_batchgate.core.model import Estimates
from pytest_batchgate.plugin.bridge import writes_unicode
from pytest_batchgate.plugin.crewing import UNCAPTURED
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.report.plain import PlainReport
from pytest_batchgate.report.settled import Settle, Settled
from pytest_batchgate.workers.pool import WorkerPool


def can_redraw(config: pytest.Config, terminal: Any, environ: Mapping[str, str]) -> bool:
    """Whether the tree is drawn: on a terminal that can, where nothing is written test by test."""
    option = config.option
    if option.verbose > 0 or option.collectonly or getattr(option, "capture", "no") in UNCAPTURED:
        return False
    if environ.get("TERM", "dumb") in {"", "dumb", "unknown"} or environ.get("CI"):
        return False
    if type(terminal) is not TerminalReporter:  # another reporter draws as it likes
        return False
    file = terminal._tw._file
    try:
        os.get_terminal_size(file.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return file.isatty() and importlib.util.find_spec("rich") is not None


class Screen:
    """Subscribes what the user sees; `shown` surrounds the time in which it may be redrawn."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._tree: Any = None

    @property
    def is_wanted(self) -> bool:
        return self._terminal is not None and self._config.option.verbose > -2

    def subscribe(
        self,
        bus: Bus,
        pool: WorkerPool,
        launch: Launch,
        estimates: Estimates,
        *,
        began: float,
        narrowed: bool,
        settle: Settle,
    ) -> None:
        """``began``: `time.monotonic` at the run's start.  ``narrowed``: not all tests were asked for.

        ``settle``: as `Settled` has it.
        """
        terminal = self._terminal
        unicode = writes_unicode(terminal)
        if can_redraw(self._config, terminal, os.environ):
            from pytest_batchgate.report.live import LiveTree
            from pytest_batchgate.report.livestate import AtWork, LiveState

            state = LiveState(
                launch.plan,
                estimates,
                workers=launch.slots,
                sequential=launch.sequential,
                narrowed=narrowed,
            )
            self._tree = LiveTree(
                terminal._tw._file,
                state,
                at_work=lambda: [AtWork(*found) for found in pool.at_work()],
                clock=lambda: time.monotonic() - began,
                colour=terminal.hasmarkup,
                unicode=unicode,
            )
            bus.subscribe(self._tree)
        plain = PlainReport(
            terminal.write_line,
            width=terminal._tw.fullwidth,
            unicode=unicode,
            beside_tree=lambda: self._tree is not None and self._tree.covers,
            logs_stay=getattr(self._config, "cache", None) is not None,
            shows_logs=not launch.is_github,  # they stand in groups above the table
        )
        bus.subscribe(Settled(plain, settle))

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Draw meanwhile, if it is a tree; whatever else is printed goes above it."""
        if self._tree is None:
            yield
            return
        from pytest_batchgate.report.live import AboveTree

        writer: Any = self._terminal._tw
        file, streams = writer._file, (sys.stdout, sys.stderr)
        writer._file.flush()
        writer._file = above = AboveTree(self._tree, file)
        # Of a user's hooks that print.  A stream that leads elsewhere is left alone.
        sys.stdout, sys.stderr = (self._over(stream, above) for stream in streams)
        try:
            self._tree.start()
            yield
        finally:
            self._tree.stop()
            writer._file = file
            for name, stream in zip(("stdout", "stderr"), streams, strict=True):
                if getattr(sys, name) is above:
                    setattr(sys, name, stream)

    def _over(self, stream: Any, above: Any) -> Any:
        try:
            return above if stream.isatty() else stream
        except (AttributeError, ValueError):
            return stream
