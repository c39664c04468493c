"""Numbers and numerals."""

from __future__ import annotations

import pytest

from roman import LARGEST, from_roman, to_roman


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "I"),
        (4, "IV"),
        (14, "XIV"),
        (40, "XL"),
        (1994, "MCMXCIV"),
        (2026, "MMXXVI"),
        (3999, "MMMCMXCIX"),
    ],
)
def test_both_ways(number: int, text: str) -> None:
    assert to_roman(number) == text
    assert from_roman(text) == number


@pytest.mark.parametrize("number", [-1, 0, LARGEST + 1])
def test_numbers_without_a_numeral(number: int) -> None:
    with pytest.raises(ValueError, match="not between"):
        to_roman(number)


@pytest.mark.parametrize("text", ["", "IIII", "VX", "MMMM", "xiv", "XIV "])
def test_what_is_no_numeral(text: str) -> None:
    with pytest.raises(ValueError, match=r"no Roman numeral|not between"):
        from_roman(text)


@pytest.mark.slow
def test_every_number_comes_back() -> None:
    assert [from_roman(to_roman(number)) for number in range(1, LARGEST + 1)] == list(
        range(1, LARGEST + 1)
    )
