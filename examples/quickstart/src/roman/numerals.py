"""Numbers from 1 to 3999, written as the Romans did."""

from __future__ import annotations

LARGEST = 3999

_SIGNS = (
    (1000, "M"),
    (900, "CM"),
    (500, "D"),
    (400, "CD"),
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
)


def to_roman(number: int) -> str:
    """``number`` as a Roman numeral.  Raises ValueError outside 1 to LARGEST."""
    if not 1 <= number <= LARGEST:
        raise ValueError(f"{number} is not between 1 and {LARGEST}")
    text = ""
    for value, sign in _SIGNS:
        count, number = divmod(number, value)
        text += sign * count
    return text


def from_roman(text: str) -> int:
    """The number that ``text`` stands for.  Raises ValueError for what is no numeral."""
    number, rest = 0, text
    for value, sign in _SIGNS:
        while rest.startswith(sign):
            number, rest = number + value, rest[len(sign) :]
    if not text or rest or to_roman(number) != text:
        raise ValueError(f"{text!r} is no Roman numeral")
    return number
