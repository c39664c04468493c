"""Draws lines in place, at the bottom of a terminal, with rich.

rich's own Live erases every line before it writes it again, which flickers wherever a
terminal shows what it has so far.  Here a line is written over, only where it changed,
and a frame is one write.  What else is to be printed goes above, and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from pytest_batchgate.report.livetree import Line


class Painter:
    """Not thread-safe: one caller at a time.  Raises OSError when the terminal is gone."""

    def __init__(self, file: TextIO, *, colour: bool) -> None:
        """``colour``: whether styles may be written at all; rich's own guess is not asked."""
        from rich.console import Console
        from rich.control import Control
        from rich.segment import ControlType
        from rich.text import Text

        self._control, self._kinds, self._text = Control, ControlType, Text
        self._console = Console(
            file=file,
            force_terminal=True,
            force_jupyter=False,
            color_system="standard" if colour else None,
            no_color=False,
            legacy_windows=False,
            markup=False,
            highlight=False,
            emoji=False,
        )
        self._drawn: list[Line] = []
        self._cells: list[int] = []  # how wide each drawn line is
        self._columns = 0

    @property
    def is_drawn(self) -> bool:
        return bool(self._drawn)

    def paint(
        self, lines: Sequence[Line], *, columns: int, rows: int, above: str = "", anew: bool = False
    ) -> None:
        """Show ``lines`` in the place of those before, ``above`` (whole lines, as they are) over them.

        ``columns`` and ``rows``: the terminal's size.  ``anew`` writes unchanged lines too.
        """
        console = self._console
        lines = lines[: max(rows - 1, 1)]
        anew = anew or bool(above) or columns != self._columns
        if not anew and list(lines) == self._drawn:
            return
        # The last column stays free: behind it, terminals disagree about where the cursor is.
        console.width, console.height = max(columns - 1, 1), rows
        with console:  # collects; one write at the end
            before = self._go_to_top(columns, rows)
            if not before:
                console.show_cursor(False)
            if above:
                self._erase(before)
                console.out(above, end="", highlight=False)
                before = 0
            self._write(lines, before, anew=anew)
            self._columns = columns

    def clear(self, *, columns: int, rows: int, above: str = "") -> None:
        """Leave nothing but ``above`` where the lines were, and show the cursor."""
        console = self._console
        with console:
            if self._drawn:
                self._erase(self._go_to_top(columns, rows))
            if above:
                console.out(above, end="", highlight=False)
            console.show_cursor(True)
        self._drawn, self._cells = [], []

    def _go_to_top(self, columns: int, rows: int) -> int:
        """Put the cursor at the first line's begin; how many rows the lines take now.

        In a terminal that was made narrower they may have been broken into more.
        """
        if not self._drawn:
            return 0
        height = sum(max(1, -(-cells // max(columns, 1))) for cells in self._cells)
        height = min(height, rows)
        self._move(self._kinds.CURSOR_UP, height - 1)
        return height

    def _write(self, lines: Sequence[Line], before: int, *, anew: bool) -> None:
        console = self._console
        cells = []
        for number, line in enumerate(lines):
            if number:
                console.line()
            if not anew and number < len(self._drawn) and self._drawn[number] == line:
                cells.append(self._cells[number])
                continue
            text = self._text.assemble(*line, no_wrap=True, overflow="ellipsis")
            text.truncate(console.width, overflow="ellipsis")
            cells.append(text.cell_len)
            console.print(text, end="")
            console.control(self._control((self._kinds.ERASE_IN_LINE, 0)))
        for _ in range(before - len(lines)):
            console.control(self._control((self._kinds.CURSOR_DOWN, 1), (self._kinds.ERASE_IN_LINE, 2)))
        self._move(self._kinds.CURSOR_UP, before - len(lines))
        self._drawn, self._cells = list(lines), cells

    def _erase(self, height: int) -> None:
        for number in range(height):
            if number:
                self._console.control(self._control((self._kinds.CURSOR_DOWN, 1)))
            self._console.control(self._control((self._kinds.ERASE_IN_LINE, 2)))
        self._move(self._kinds.CURSOR_UP, height - 1)

    def _move(self, kind: object, count: int) -> None:
        """To the begin of a line ``count`` rows away."""
        moves = [(kind, count)] if count > 0 else []
        self._console.control(self._control(self._kinds.CARRIAGE_RETURN, *moves))  # type: ignore[arg-type]
