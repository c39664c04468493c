"""Splitting text into words, and counting them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def words(text: str) -> Iterator[str]:
    """The words of a text, in lower case, in their order."""
    for match in _WORD.finditer(text):
        yield match.group().lower()


def most_common(text: str, count: int) -> list[tuple[str, int]]:
    """The ``count`` most frequent words; equals in the order of their first appearance."""
    if count < 0:
        raise ValueError(f"count must not be negative, not {count}")
    return Counter(words(text)).most_common(count)
