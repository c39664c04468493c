"""The live tree: a subscriber, and the thread that draws for it.

The main thread only queues: events, and text that somebody prints meanwhile.  The thread
folds, lays out and draws, at most 5 times a second and only where something changed, so
that a terminal that is slow, or stopped with Ctrl-S, never holds up the run.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TextIO

from pytest_batchgate.core.events import Event, WorkerStopped
from pytest_batchgate.report.livestate import AtWork, LiveState
from pytest_batchgate.report.livetree import Line, draw

if TYPE_CHECKING:
    from pytest_batchgate.report.painter import Painter


_INTERVAL_S = 1 / 5
_FIRST_S = 0.25  # a run that is over before then needs no tree, and pays nothing for one
_ANEW_TICKS = 10  # every line is written again then: others may have written to the terminal
_PATIENCE_S = 2.0  # for a terminal that takes no more output


class LiveTree:
    """Draws the run at the bottom of ``file``, a terminal, between `start` and `stop`.

    ``at_work`` is asked, in the drawing thread, which tests run; ``clock`` for the seconds since the
    run began.  ``colour`` and ``unicode``: what may be written.
    """

    name = "live tree"

    def __init__(
        self,
        file: TextIO,
        state: LiveState,
        *,
        at_work: Callable[[], Iterable[AtWork]],
        clock: Callable[[], float],
        colour: bool,
        unicode: bool,
    ) -> None:
        self._file = file
        self._state = state
        self._at_work = at_work
        self._clock = clock
        self._colour = colour
        self._unicode = unicode
        self._painter: Painter | None = None
        self._events: deque[Event] = deque()
        self._above: deque[str] = deque()
        self._begun_line = ""  # printed, but without its end so far
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._ticks = 0
        # Whether what the tree shows need not be told otherwise.
        self.covers = True

    # --- main thread ---------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """Take note.  Raises what ended the drawing, once: the bus then names it."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if self.covers:
            self._events.append(event)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="batchgate-live", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take the tree down and print what is left to print.  Idempotent."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)
            self._thread = None
        self.covers = False
        rest, self._begun_line = self._begun_line, ""
        self._print_now(self._printed() + rest)

    def print_above(self, text: str) -> None:
        """Print ``text`` over the tree, in full lines; what follows the last line's end waits for its own."""
        lines, newline, rest = text.rpartition("\n")
        if newline:
            self._above.append(f"{self._begun_line}{lines}\n")
            self._begun_line = rest
        else:
            self._begun_line += rest

    # --- drawing thread --------------------------------------------------------------

    def _run(self) -> None:
        try:
            if not self._ending.wait(_FIRST_S):
                from pytest_batchgate.report.painter import Painter

                self._painter = Painter(self._file, colour=self._colour)
                self._tick()
                while not self._ending.wait(_INTERVAL_S):
                    self._tick()
        except Exception as error:  # noqa: BLE001 (told by the next `handle`)
            self._error = error
        finally:
            self.covers = False
            self._take_down()

    def _tick(self) -> None:
        assert self._painter is not None
        anew = self._ticks % _ANEW_TICKS == 0
        self._ticks += 1
        while self._events:
            event = self._events.popleft()
            anew = anew or isinstance(event, WorkerStopped)  # its last words may be on the screen
            self._state.fold(event)
        size = self._size()
        self._painter.paint(
            self._lines(size), columns=size.columns, rows=size.lines, above=self._printed(), anew=anew
        )

    def _lines(self, size: os.terminal_size) -> list[Line]:
        at = self._clock()
        return draw(
            self._state,
            self._state.running_tests(self._at_work(), at),
            at,
            width=size.columns - 1,
            height=size.lines - 1,
            unicode=self._unicode,
        )

    def _size(self) -> os.terminal_size:
        """Asked each time: that is all that resizing takes."""
        size = os.get_terminal_size(self._file.fileno())
        return size if size.columns and size.lines else os.terminal_size((80, 24))

    def _printed(self) -> str:
        parts = []
        while self._above:
            parts.append(self._above.popleft())
        return "".join(parts)

    def _take_down(self) -> None:
        if self._painter is not None:
            with contextlib.suppress(OSError, ValueError):  # the terminal is gone, or was closed
                size = self._size()
                self._painter.clear(columns=size.columns, rows=size.lines, above=self._printed())

    def _print_now(self, text: str) -> None:
        if text:
            with contextlib.suppress(OSError, ValueError):
                self._file.write(text)
                self._file.flush()


class AboveTree:
    """Stands in for the terminal's file while the tree is up: what is written shows above the tree."""

    def __init__(self, tree: LiveTree, file: TextIO) -> None:
        self._tree = tree
        self._real = file

    def write(self, text: str) -> int:
        # Here, as the file itself would: the thread that prints could tell nobody.
        text.encode(self._real.encoding or "utf-8", self._real.errors or "strict")
        if not self._tree.covers:
            return self._real.write(text)
        if not _is_invisible(text):
            self._tree.print_above(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """What is whole is drawn at the next tick."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _is_invisible(text: str) -> bool:
    """An order to the terminal's window, such as pytest's own progress in its title bar: nothing to print."""
    return text.startswith("\x1b]") and "\n" not in text
