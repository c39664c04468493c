"""Bounds for what a test says of itself: whatever it prints or raises, reports stay a size that can be sent.

pytest holds all of it in the test's own process; here it would be in memory several times more
on its way, and for the whole run.  What is left out is said where it was.
"""

from __future__ import annotations

from typing import Any

MOST = 1 << 20
"""Characters kept of one section of captured output, and of each text of a failure: begin and end."""
_NEAR = 1 << 16


def clip_report(data: dict[str, Any]) -> dict[str, Any]:
    """A serialized report with its captured output and its failure's texts cut; other entries as they are."""
    clipped = dict(data)
    for name in ("sections", "longrepr"):
        if clipped.get(name):
            clipped[name] = _clip(clipped[name])
    return clipped


def _clip(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return clip(value)
    if depth > 30:
        return value
    if isinstance(value, dict):
        return {name: _clip(entry, depth + 1) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        entries = [_clip(entry, depth + 1) for entry in value]
        if entries and all(isinstance(entry, str) for entry in entries):
            entries = _clip_lines(entries)
        return entries if isinstance(value, list) else tuple(entries)
    return value


def clip(text: str) -> str:
    """At most about MOST characters: the begin and the end of ``text``, and between them what is missing."""
    if len(text) <= MOST:
        return text
    # At the end of a line, if there is one near: a value that is to be masked is not cut in two there.
    half = MOST // 2
    begin = text.rfind("\n", half - _NEAR, half) + 1 or half
    end = text.find("\n", len(text) - half, len(text) - half + _NEAR) + 1 or len(text) - half
    return f"{text[:begin]}\n{_missing(end - begin)}\n{text[end:]}"


def _clip_lines(lines: list[str]) -> list[str]:
    """The same for a text that comes as lines."""
    left_out = sum(map(len, lines)) - MOST
    if left_out <= 0 or len(lines) < 3:
        return lines
    begin, end = _fitting(lines), _fitting(reversed(lines))
    between = lines[begin : len(lines) - end]
    return [*lines[:begin], _missing(sum(map(len, between))), *lines[len(lines) - end :]]


def _fitting(lines: Any) -> int:
    """How many of the first lines fit into half of what may stay."""
    room = MOST // 2
    for number, line in enumerate(lines):
        room -= len(line)
        if room < 0:
            return number
    return 0


def _missing(characters: int) -> str:
    return f"[... {characters:,} characters left out ...]"
