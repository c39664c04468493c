"""Durations and counts read well; text from tools can do nothing but be read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.report.table import columns
from pytest_batchgate.report.words import clip, counts, duration, harmless, harmless_lines, percent, plural


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (-1, "0.0s"),
        (0.0004, "0.0s"),
        (0.0006, "1ms"),
        (0.0251, "25ms"),
        (0.0994, "99ms"),
        (0.0996, "0.1s"),
        (3.21, "3.2s"),
        (59.94, "59.9s"),
        (59.96, "1m 00s"),
        (65, "1m 05s"),
        (3599.4, "59m 59s"),
        (3599.6, "1h 00m"),
        (7380, "2h 03m"),
        (360000, "100h 00m"),
        (float("nan"), "?"),
        (float("inf"), "?"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def read_back(text: str) -> float:
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", text))


@given(st.floats(0, 1e7))
def test_a_duration_is_true_to_its_last_digit(seconds: float) -> None:
    text = duration(seconds)
    step = 0.001 if seconds < 0.099 else 0.1 if seconds < 59.9 else 1 if seconds < 3599 else 60
    assert abs(read_back(text) - seconds) <= step * 0.51
    assert not re.search(r"\b60(\.0s|s|m)\b", text)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_longer_never_reads_shorter(one: float, other: float) -> None:
    shorter, longer = sorted([one, other])
    assert read_back(duration(shorter)) <= read_back(duration(longer))


def test_counts_name_what_occurred_in_a_fixed_order() -> None:
    assert counts({"failed": 2, "passed": 1234, "skipped": 0}) == "1,234 passed, 2 failed"
    assert counts({"error": 1, "not_run": 3}) == "1 error, 3 not run"
    assert counts({"error": 2}) == "2 errors"
    assert counts({}) == ""


def test_numbers_have_their_plural() -> None:
    assert (plural(1, "gate"), plural(0, "gate"), plural(1234, "gate")) == (
        "1 gate",
        "0 gates",
        "1,234 gates",
    )
    assert plural(2, "entry", "entries") == "2 entries"
    assert percent(0.784) == "78%"


def test_a_cut_is_marked_where_there_is_room() -> None:
    assert [clip("abcdef", width) for width in (6, 5, 3, 0)] == ["abcdef", "ab...", "abc", ""]


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("\x1b[31;1mred\x1b[0m", "red"),
        ("\x1b]0;title\x07rest", "rest"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\rest", "rest"),
        ("\x9b2Jc1", "c1"),
        ("\x1bc", ""),
        ("\x1b\x1b[0m[31m", "\\x1b[31m"),
        ("bell\x07 nul\x00", "bell\\x07 nul\\x00"),
        ("a\tb", "a   b"),
        ("one\ntwo\rthree\r\nfour\u2028five", "one two three four five"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("caf\u00e9 \udcff", "caf\u00e9 \\udcff"),
        ("##[error]x ##\x1b[0m[group]", "## [error]x ## [group]"),
    ],
)
def test_what_could_act_is_made_harmless(text: str, safe: str) -> None:
    assert harmless(text) == safe


def test_without_unicode_everything_beyond_ascii_is_a_code() -> None:
    assert harmless("caf\u00e9 \u2192", unicode=False) == "caf\\xe9 \\u2192"


@given(st.text(st.characters() | st.sampled_from("\x1b\x9b\x9d[]#;m\x07\r\n\\P")))
def test_nothing_that_acts_comes_through(text: str) -> None:
    for line in [harmless(text), *harmless_lines(text)]:
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", line)
        assert "##[" not in line
        assert harmless(line) == line
    assert harmless(text, unicode=False).isascii()


@given(st.text(st.sampled_from("ab\r\n\u2028\x0c")))
def test_every_kind_of_line_end_ends_a_line(text: str) -> None:
    assert "".join(harmless_lines(text)) == re.sub("[^ab]", "", text)


def test_a_table_is_as_wide_as_it_must_be() -> None:
    rows = [("gate", "wall"), ("lint", "0.9s"), ("integration", "12.0s")]
    assert columns(rows, align="<>", width=80) == [
        "gate          wall",
        "lint          0.9s",
        "integration  12.0s",
    ]
    assert columns([], align="<>", width=80) == []


def test_a_table_gives_way_in_its_widest_text_never_in_its_numbers() -> None:
    rows = [("a-very-long-name", "1,234 passed, 2 failed", "12.0s")]
    assert columns(rows, align="<<>", width=37) == ["a-very-long...  1,234 passe...  12.0s"]
    assert columns(rows, align="<<>", width=1) == ["a-ver...  1,234...  12.0s"]


cells = st.text(st.sampled_from("abc"), max_size=30)


@given(st.lists(st.tuples(cells, cells, cells), max_size=6), st.integers(0, 120))
def test_a_table_keeps_its_width_if_it_can(rows: list[tuple[str, str, str]], width: int) -> None:
    lines = columns(rows, align="<<>", width=width)
    numbers = max((len(row[2]) for row in rows), default=0)
    assert len(lines) == len(rows)
    assert all(len(line) <= max(width, numbers + 8 + 8 + 4) for line in lines)
    assert all(line.endswith(row[2].strip()) for line, row in zip(lines, rows, strict=True))
