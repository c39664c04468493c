"""Roman numerals."""

from __future__ import annotations

from roman.numerals import LARGEST, from_roman, to_roman

__all__ = ["LARGEST", "from_roman", "to_roman"]
