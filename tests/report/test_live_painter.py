"""What the painter writes, as a terminal shows it (pyte interprets it)."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pyte
import pyte.modes
import pytest

from pytest_batchgate.report.livetree import Line
from pytest_batchgate.report.painter import Painter

PATIENCE_S = 10.0  # only ever waited out by a failure


def plain(*texts: str) -> list[Line]:
    return [((text, ""),) for text in texts]


class Paper:
    """A painter, and the terminal that reads it."""

    def __init__(self, columns: int = 20, rows: int = 8, *, colour: bool = True) -> None:
        self.file = io.StringIO()
        self.painter = Painter(self.file, colour=colour)
        self.columns, self.rows = columns, rows
        self.screen: Any = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.screen.set_mode(pyte.modes.LNM)  # a terminal's driver turns a line's end into both

    def paint(self, *texts: str, feed: bool = True, **more: Any) -> str:
        """Draws; what was written for it."""
        return self._written(
            lambda: self.painter.paint(plain(*texts), columns=self.columns, rows=self.rows, **more), feed=feed
        )

    def clear(self, **more: Any) -> str:
        return self._written(lambda: self.painter.clear(columns=self.columns, rows=self.rows, **more))

    def _written(self, write: Callable[[], None], *, feed: bool = True) -> str:
        self.file.seek(0)
        self.file.truncate()
        write()
        written = self.file.getvalue()
        if feed:
            self.stream.feed(written)
        return written

    @property
    def lines(self) -> list[str]:
        found = [line.rstrip() for line in self.screen.display]
        while found and not found[-1]:
            found.pop()
        return found


def test_only_what_changed_is_written_and_nothing_for_no_change() -> None:
    paper = Paper()
    paper.paint("head 1", "alpha", "beta")
    second = paper.paint("head 1", "alpha!", "beta")
    assert paper.lines == ["head 1", "alpha!", "beta"]
    assert "alpha!" in second
    assert "head" not in second
    assert "beta" not in second
    assert paper.paint("head 1", "alpha!", "beta") == ""
    assert "head" in paper.paint("head 1", "alpha!", "beta", anew=True)
    assert paper.lines == ["head 1", "alpha!", "beta"]


def test_at_no_moment_a_line_is_missing() -> None:
    """Character by character: what stays is never taken away, not even to be written again."""
    paper = Paper()
    paper.paint("head 1", "alpha", "beta")
    for written in (
        paper.paint("head 2", "alpha", "gamma", feed=False),
        paper.paint("head 2", "alpha", "gamma", anew=True, feed=False),
    ):
        for char in written:
            paper.stream.feed(char)
            assert [line[:4] for line in paper.lines[:2]] == ["head", "alph"]
            assert len(paper.lines) == 3
    assert paper.lines == ["head 2", "alpha", "gamma"]


def test_more_lines_scroll_the_screen_and_fewer_leave_none_behind() -> None:
    paper = Paper(rows=5)
    paper.stream.feed("$ pytest\n")
    paper.paint("a", "b")
    assert paper.lines == ["$ pytest", "a", "b"]
    paper.paint("a", "b", "c", "d")
    assert paper.lines == ["$ pytest", "a", "b", "c", "d"]
    paper.paint("x")
    assert paper.lines == ["$ pytest", "x"]
    paper.paint(*"123456789")
    assert paper.lines[-4:] == list("1234"), "never as tall as the screen"
    paper.paint("y", "z")
    assert paper.lines[-2:] == ["y", "z"]


def test_what_is_printed_meanwhile_stays_above() -> None:
    paper = Paper(columns=12)
    paper.paint("head", "alpha", "beta")
    paper.paint("head", "alpha", "beta", above="note: one, that is long\n\x1b[31mtwo\x1b[0m\n")
    assert paper.lines == ["note: one, t", "hat is long", "two", "head", "alpha", "beta"]
    paper.clear(above="three\n")
    assert paper.lines == ["note: one, t", "hat is long", "two", "three"]


def test_the_cursor_is_hidden_while_drawing_and_shown_at_the_end() -> None:
    paper = Paper()
    paper.paint("a", "b")
    assert paper.screen.cursor.hidden
    paper.clear()
    assert not paper.screen.cursor.hidden
    assert paper.lines == []
    assert (paper.screen.cursor.y, paper.screen.cursor.x) == (0, 0)


def test_lines_that_a_narrower_terminal_has_broken_are_all_taken_back() -> None:
    paper = Paper(columns=20)
    paper.paint("head", "a line of 19 chars..", "the last of 18 chs")
    narrow = Paper(columns=10)
    # As such a terminal shows it then, the cursor where the last line begins.
    narrow.stream.feed("$ pytest\nhead\na line of 19 chars.\nthe last of 18 chs\r\x1b[A")
    narrow.painter, narrow.file = paper.painter, paper.file
    narrow.paint("head", "alpha", "beta")
    assert narrow.lines == ["$ pytest", "head", "alpha", "beta"]
    narrow.paint("head", "gamma", "delta")
    assert narrow.lines == ["$ pytest", "head", "gamma", "delta"]


def test_lines_are_cut_by_columns_not_characters() -> None:
    paper = Paper(columns=12)
    paper.paint("0123456789abcdef", "\u6f22" * 10)
    assert paper.lines[0] == "0123456789\u2026"
    assert paper.lines[1].replace(" ", "") == "\u6f22" * 5 + "\u2026"


@pytest.mark.parametrize("colour", [True, False])
def test_colours_are_written_only_where_they_may_be(colour: bool) -> None:
    paper = Paper(colour=colour)
    lines: list[Line] = [(("bad", "red"), (" [bold]x[/] :smile:", "bold"))]
    paper.painter.paint(lines, columns=40, rows=5)
    written = paper.file.getvalue()
    assert ("\x1b[31m" in written) is colour
    assert " [bold]x[/] :smile:" in written, "no markup, no emoji"
    assert ("m" in written.replace(":smile:", "")) is colour
