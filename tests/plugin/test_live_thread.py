"""The drawing thread on a real terminal."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

import pytest
from pty_kit import Pty

from pytest_batchgate.core.events import Noticed, RunStarted
from pytest_batchgate.core.model import Command, Config, Estimates, Gate, GateName
from pytest_batchgate.core.plan import build_plan
from pytest_batchgate.report.live import AboveTree, LiveTree
from pytest_batchgate.report.livestate import AtWork, LiveState

PLAN = build_plan(Config(gates=(Gate(name=GateName("lint"), work=Command(argv=("true",))),)))
STARTED = RunStarted(0.0, PLAN.gates, 2)


@pytest.fixture
def terminal() -> Iterator[Pty]:
    pty = Pty()
    yield pty
    pty.close()


@pytest.fixture
def file(terminal: Pty) -> Iterator[TextIO]:
    with os.fdopen(terminal.slave, "w", encoding="utf-8") as file:
        terminal.slave = -1
        yield file


def tree(file: TextIO, at_work: Callable[[], Iterable[AtWork]] = tuple) -> LiveTree:
    return LiveTree(
        file,
        LiveState(PLAN, Estimates(), workers=2),
        at_work=at_work,
        clock=lambda: 3.0,
        colour=False,
        unicode=True,
    )


def test_the_tree_is_drawn_and_taken_down(terminal: Pty, file: TextIO) -> None:
    drawn = tree(file)
    above = AboveTree(drawn, file)
    drawn.handle(STARTED)
    drawn.start()
    drawing = ["3s · 0 of 1 gate", "└─ ○ lint  waiting                    for a worker"]
    terminal.until(lambda: terminal.lines == drawing)
    print("a note", file=above)
    above.write("half ")
    terminal.until(lambda: terminal.lines == ["a note", *drawing])
    assert terminal.screen.cursor.hidden
    drawn.stop()
    drawn.stop()
    terminal.until(lambda: terminal.lines == ["a note", "half"])
    assert not terminal.screen.cursor.hidden
    assert not drawn.covers
    assert above.write("a line\n") == 7
    file.flush()
    terminal.until(lambda: terminal.lines == ["a note", "half a line"])


def test_a_run_that_is_over_at_once_draws_nothing_and_loses_no_text(terminal: Pty, file: TextIO) -> None:
    drawn = tree(file)
    drawn.start()
    AboveTree(drawn, file).write("a note\n")
    drawn.stop()
    terminal.until(lambda: terminal.lines == ["a note"])


def test_a_drawing_that_fails_is_told_once_and_takes_the_tree_down(terminal: Pty, file: TextIO) -> None:
    fails = threading.Event()

    def at_work() -> list[AtWork]:
        if fails.is_set():
            raise ValueError("no such worker")
        return []

    drawn = tree(file, at_work)
    drawn.handle(STARTED)
    drawn.start()
    terminal.until(lambda: len(terminal.lines) == 2)
    fails.set()
    terminal.until(lambda: not terminal.lines and not terminal.screen.cursor.hidden)
    assert not drawn.covers
    with pytest.raises(ValueError, match="no such worker"):
        drawn.handle(Noticed(1.0, "x"))
    drawn.handle(Noticed(1.0, "x"))
    drawn.stop()


def test_text_that_the_terminal_cannot_take_is_refused_where_it_is_written(
    terminal: Pty, file: TextIO
) -> None:
    drawn = tree(file)
    with pytest.raises(UnicodeEncodeError):
        AboveTree(drawn, file).write("\udc80")
