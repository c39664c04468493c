"""Text as tools print it, made plain: no colours, no links, lines of bounded length."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_LINE = 8 * 1024
"""Characters of a line that are looked at; no tool's message is longer."""

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor movements
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles, links
    r"|\x1b[ -/]+[0-~]"  # character sets
    r"|\x1b[0-~]"
)
_BREAK = re.compile(r"\r\n|\n|\r")  # a lone CR too: spinners draw with it


def plain(text: str) -> str:
    """``text`` without terminal sequences."""
    return _ESCAPES.sub("", text) if "\x1b" in text else text


def lines(text: str) -> Iterator[str]:
    """The lines of ``text``, each cut at MAX_LINE, without trailing spaces."""
    start = 0
    for match in _BREAK.finditer(text):
        yield text[start : min(match.start(), start + MAX_LINE)].rstrip()
        start = match.end()
    if start < len(text):
        yield text[start : start + MAX_LINE].rstrip()
