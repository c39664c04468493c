"""What GitHub's runner would take for a command is none any more, however it arrives."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.core.defusing import Defuser


def commands(text: str) -> list[str]:
    """The lines that the runner would look at: a lone carriage return ends one, blanks do not count."""
    lines = re.split("\r\n|\r|\n", text)
    return [line for line in lines if line.strip().startswith("::") or "##[" in line]


def defused(*pieces: str) -> str:
    defuser = Defuser()
    return "".join([*map(defuser.feed, pieces), defuser.finish()])


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["::error::x\n"], ": :error::x\n"),
        (["a ::error::x b\n"], "a ::error::x b\n"),
        (["a\r::add-mask::x"], "a\r: :add-mask::x"),
        (["a\n \t", ":", ":error::x"], "a\n \t: :error::x"),
        (["a", "##", "[error]x"], "a## [error]x"),
        (["#", "#", "##", "[", "group]"], "#### [group]"),
        (["test_a.py::test_b", "::c\n"], "test_a.py::test_b::c\n"),
        (["a:", ":b\n:", "\n"], "a::b\n:\n"),
        (["ends with #"], "ends with #"),
        (["\u00a0::error::x"], "\u00a0: :error::x"),
    ],
)
def test_orders_become_text(pieces: list[str], shown: str) -> None:
    assert defused(*pieces) == shown
    assert not commands(shown)


@given(st.lists(st.text(":#[ \n\ra", max_size=6), max_size=8))
def test_nothing_acts_however_it_is_cut(pieces: list[str]) -> None:
    """Nothing but blanks is added, and cuts make no difference."""
    shown = defused(*pieces)
    assert not commands(shown)
    assert shown == defused("".join(pieces))
    assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", "".join(pieces))
