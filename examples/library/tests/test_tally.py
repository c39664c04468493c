"""Words and their counts."""

from __future__ import annotations

import pytest

from wordtally import most_common, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("One two", ["one", "two"]),
        ("don't", ["don't"]),
        ("naïve café", ["naïve", "café"]),
        ("3 is a number_not", ["is", "a", "number", "not"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected


def test_most_common_counts() -> None:
    assert most_common("a b a c a b", 2) == [("a", 3), ("b", 2)]


def test_ties_keep_their_order() -> None:
    assert most_common("x y z", 3) == [("x", 1), ("y", 1), ("z", 1)]


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        most_common("a", -1)
