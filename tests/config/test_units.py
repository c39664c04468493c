"""Durations and sizes read back what they write, and refuse the rest."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.config.units import (
    DURATION_PATTERN,
    MAX_DURATION_S,
    MAX_SIZE_BYTES,
    SIZE_PATTERN,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)


@given(st.integers(min_value=0, max_value=int(MAX_DURATION_S * 1000)))
def test_a_duration_reads_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds
    assert parse_duration(seconds) == seconds


@given(st.integers(min_value=1, max_value=MAX_SIZE_BYTES))
def test_a_size_reads_back_exactly(size: int) -> None:
    assert parse_size(format_size(size)) == size
    assert parse_size(size) == size


@given(st.floats() | st.integers() | st.text())
def test_a_duration_is_within_bounds_or_refused(value: float | str) -> None:
    try:
        seconds = parse_duration(value)
    except ValueError:
        return
    assert 0 <= seconds <= MAX_DURATION_S


@given(st.from_regex(SIZE_PATTERN, fullmatch=True))
def test_a_size_is_exact_and_rounded_down(text: str) -> None:
    number, unit = re.split("(?=[BkKMGT])", text, maxsplit=1)
    power = "BKMGT".index(unit[0].upper())
    exact = Fraction(number) * (1024 if "i" in unit else 1000) ** power
    if 1 <= int(exact) <= MAX_SIZE_BYTES:
        assert parse_size(text) == int(exact)
    else:
        with pytest.raises(ValueError, match="out of range"):
            parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("10m", 600),
        ("1h", 3600),
        ("1.5h", 5400),
        ("0s", 0),
        (90, 90),
        (0.25, 0.25),
    ],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "bad",
    ["", "s", "30", "30 s", "-1s", "+1s", "1d", "1H", "1h30m", "1e3s", "30s\n", "٣s", "nan", "400000000h",
     True, -1, float("nan"), float("inf"), 10**400],
)  # fmt: skip
def test_no_durations(bad: str | float) -> None:
    with pytest.raises(ValueError, match=r"duration|number|range|finite"):
        parse_duration(bad)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MB", 512 * 10**6), ("2GiB", 2 * 2**30), ("1kB", 1000), ("1KB", 1000), ("1.5KiB", 1536), ("7B", 7),
     (3, 3), (3.0, 3), ("9007199254740993B", 2**53 + 1)],
)  # fmt: skip
def test_sizes(text: str | float, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "bad", ["", "1", "1 MB", "-1MB", "1mb", "1PB", "0B", "0.1B", "99999999TiB", True, 0, -1, 0.5]
)
def test_no_sizes(bad: str | float) -> None:
    with pytest.raises(ValueError, match=r"size|number|range|byte"):
        parse_size(bad)


def test_the_patterns_are_those_of_json_schema() -> None:
    """Editors check with the patterns, the reader with its own use of them: both know the same units."""
    assert re.search(DURATION_PATTERN, "1.5h")
    assert not re.search(DURATION_PATTERN, "1d")
    assert re.search(SIZE_PATTERN, "512MB")
    assert not re.search(SIZE_PATTERN, "1kiB")
