"""The text formats that ruff and ty share: a header, an arrow to the place, lines of source."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_batchgate.parsers.base import Collector, Severity

_ARROW = re.compile(r"^\s*--> (.+?):(\d{1,9})(?::(\d{1,9}))?$")
_LEVEL = re.compile(r"^(error|warning|info|fatal|panic)\[([^\]\s]+)\](?::| ) ?(?:\[\*\] )?(.+)$")
_BARE = re.compile(r"^([A-Z]{1,8}\d{1,5}|[a-z][a-z0-9]*(?:-[a-z0-9]+)*|SyntaxError):? (?:\[\*\] )?(.+)$")
_PLACED = re.compile(r"^(.+?):(\d{1,9})(?::(\d{1,9}))?: (.+)$")
_CELL = re.compile(r":cell \d+$")
_HEADER_LINES = 5  # how far above its arrow a message may begin

_SEVERITIES: dict[str, Severity] = {"warning": "warning", "info": "note"}
# Parts of another finding, or no finding: "help: ...", "info: Function defined here".
_NO_RULES = frozenset({"error", "warning", "info", "note", "help", "fatal", "hint"})

Header = tuple[str, Severity, str]  # rule, severity, message


def header(text: str) -> Header | None:
    """What ``F401 [*] message`` or ``error[rule]: message`` says."""
    if (found := _LEVEL.match(text)) is not None:
        return found[2], _SEVERITIES.get(found[1], "error"), found[3]
    found = _BARE.match(text)
    if found is None or found[1] in _NO_RULES:
        return None
    return found[1], "error", found[2]


def add_block(before: Sequence[str], line: str, out: Collector) -> bool:
    """Whether ``line`` is the arrow of a finding whose header is the nearest of the lines ``before`` it."""
    arrow = _ARROW.match(line)
    if arrow is None:
        return False
    for count, above in enumerate(reversed(before[-_HEADER_LINES:]), 1):
        if not above:
            return False
        found = header(above)
        if found is not None:
            rule, severity, message = found
            message = " ".join([message, *before[len(before) - count + 1 :]])
            out.add(
                message,
                path=_CELL.sub("", arrow[1]),
                line=arrow[2],
                column=arrow[3],
                rule=rule,
                severity=severity,
            )
            return True
        if above.startswith(tuple(f"{word}:" for word in _NO_RULES)):
            return False
    return False


def add_placed(line: str, out: Collector) -> bool:
    """Whether ``line`` is a finding of the concise format, ``path:line:column: header``."""
    placed = _PLACED.match(line)
    found = header(placed[4]) if placed is not None else None
    if placed is None or found is None:
        return False
    rule, severity, message = found
    out.add(
        message,
        path=_CELL.sub("", placed[1]),
        line=placed[2],
        column=placed[3],
        rule=rule,
        severity=severity,
    )
    return True
