"""Draws lines in place, at the bottom of a terminal.

Of rich come styles, the widths of characters and the orders to a terminal.  Its Live is not taken:
it erases every line before it writes it again, which flickers wherever a terminal shows what it
has so far, and takes ten times as long.  Here a line is written over, only where it changed, and a
frame is one write.  What else is to be printed goes above, and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.control import Control
from rich.segment import ControlType
from rich.style import Style

if TYPE_CHECKING:
    from pytest_batchgate.report.livetree import Line

_HIDE_CURSOR = str(Control(ControlType.HIDE_CURSOR))
_SHOW_CURSOR = str(Control(ControlType.SHOW_CURSOR))
_ERASE_LINE = str(Control((ControlType.ERASE_IN_LINE, 2)))
_ERASE_REST = str(Control((ControlType.ERASE_IN_LINE, 0)))
_DOWN = str(Control((ControlType.CURSOR_DOWN, 1)))


class Painter:
    """Not thread-safe: one caller at a time.  Raises OSError when the terminal is gone."""

    def __init__(self, file: TextIO, *, colour: bool) -> None:
        """``colour``: whether styles may be written at all."""
        self._file = file
        self._colours = ColorSystem.STANDARD if colour else None
        self._drawn: list[Line] = []
        self._cells: list[int] = []  # how wide each drawn line is
        self._columns = 0

    def paint(
        self, lines: Sequence[Line], *, columns: int, rows: int, above: str = "", anew: bool = False
    ) -> None:
        """Show ``lines`` in the place of those before, ``above`` (whole lines, as they are) over them.

        ``columns`` and ``rows``: the terminal's size.  ``anew`` writes unchanged lines too.
        """
        lines = list(lines[: max(rows - 1, 1)])
        anew = anew or bool(above) or columns != self._columns
        if not anew and lines == self._drawn:
            return
        up, before = self._height(columns, rows)
        frame = [_to_begin(up) if before else _HIDE_CURSOR]
        if above:
            frame += [_erased(before), above]
            before = 0
        # The last column stays free: behind it, terminals disagree about where the cursor is.
        width = max(columns - 1, 1)
        cells = []
        for number, line in enumerate(lines):
            if number:
                frame.append("\n")
            if not anew and number < len(self._drawn) and self._drawn[number] == line:
                cells.append(self._cells[number])
                continue
            shown, taken = _cut(line, width)
            cells.append(taken)
            frame += [self._styled(text, style) for text, style in shown]
            frame.append(_ERASE_REST)
        left = before - len(lines)
        frame.append((_DOWN + _ERASE_LINE) * left + _to_begin(left))
        self._write(frame)
        self._drawn, self._cells, self._columns = lines, cells, columns

    def clear(self, *, columns: int, rows: int, above: str = "") -> None:
        """Leave nothing but ``above`` where the lines were, and show the cursor."""
        up, height = self._height(columns, rows)
        frame = [_to_begin(up), _erased(height)] if height else []
        self._drawn, self._cells = [], []
        self._write([*frame, above, _SHOW_CURSOR])

    def _height(self, columns: int, rows: int) -> tuple[int, int]:
        """How far the first line is above the cursor, and how many rows all take.

        The cursor is at the begin of the last line.  A terminal that was made narrower has broken
        those that are too wide into more rows.
        """
        heights = [max(1, -(-cells // max(columns, 1))) for cells in self._cells]
        return min(sum(heights[:-1]), rows - 1), min(sum(heights), rows)

    def _styled(self, text: str, style: str) -> str:
        return Style.parse(style).render(text, color_system=self._colours) if style else text

    def _write(self, frame: Sequence[str]) -> None:
        self._file.write("".join(frame))
        self._file.flush()


def _to_begin(rows: int) -> str:
    """To the begin of the line ``rows`` further up."""
    up = [(ControlType.CURSOR_UP, rows)] if rows > 0 else []
    return str(Control(ControlType.CARRIAGE_RETURN, *up))


def _erased(rows: int) -> str:
    """Nothing in this row and those below it, and back."""
    return _ERASE_LINE + (_DOWN + _ERASE_LINE) * (rows - 1) + _to_begin(rows - 1) if rows else ""


def _cut(line: Line, width: int) -> tuple[Line, int]:
    """No more than ``width`` columns of it, a cut marked with a sign of dots; how many it takes."""
    whole = sum(cell_len(text) for text, _ in line)
    if whole <= width:
        return line, whole
    pieces: list[tuple[str, str]] = []
    room = width - 1
    for text, style in line:
        cells = cell_len(text)
        if cells > room:
            pieces.append((f"{set_cell_size(text, room)}\u2026", style))
            break
        pieces.append((text, style))
        room -= cells
    return tuple(pieces), width
