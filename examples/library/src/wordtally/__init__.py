"""Counts words."""

from __future__ import annotations

from wordtally.tally import most_common, words

__all__ = ["most_common", "words"]
