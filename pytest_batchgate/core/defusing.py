"""Text that GitHub's runner reads and takes no orders from.

The runner takes ``::name::`` for a command at the beginning of a line (blanks before it do not count), and
``##[name]`` anywhere in one; a lone carriage return ends a line too.  Both are broken up by a blank.
"""

from __future__ import annotations

import re

_AFTER_LINE_END = re.compile(r"([\r\n]\s*:)(?=:)")
_AT_BEGIN = re.compile(r"(\A\s*:)(?=:)")
# What may become one of the two with what follows.
_UNDECIDED = re.compile(r"##?\Z")
_UNDECIDED_LINE = re.compile(r"[\r\n]\s*(:)\Z")
_UNDECIDED_BEGIN = re.compile(r"\A\s*(:)\Z")


class Defuser:
    """Defuses what comes in pieces, as one text."""

    def __init__(self) -> None:
        self._held = ""
        self._at_begin = True  # of the line, but for blanks

    def feed(self, piece: str) -> str:
        """What can be told now; the end is held back as long as it may be the beginning of a command."""
        text = self._held + piece
        found = _UNDECIDED.search(text) or _UNDECIDED_LINE.search(text)
        if found is None and self._at_begin:
            found = _UNDECIDED_BEGIN.match(text)
        end = len(text) if found is None else found.start(found.re.groups)
        self._held = text[end:]
        return self._defused(text[:end])

    def finish(self) -> str:
        """What was held back, once nothing follows: no command any more."""
        rest, self._held = self._held, ""
        self._at_begin = self._at_begin and not rest
        return rest

    def _defused(self, text: str) -> str:
        if not text:
            return text
        if "::" in text:
            if self._at_begin:
                text = _AT_BEGIN.sub(r"\1 ", text)
            text = _AFTER_LINE_END.sub(r"\1 ", text)
        text = text.replace("##[", "## [")
        lines = re.split("[\r\n]", text)
        self._at_begin = not lines[-1].strip() and (len(lines) > 1 or self._at_begin)
        return text
