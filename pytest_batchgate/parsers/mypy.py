"""mypy: its lines, plain or `--pretty`, with or without columns, and `-O json`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_batchgate.parsers import shared
from pytest_batchgate.parsers.base import Collector, ParserInput, Severity, ToolParser
from pytest_batchgate.parsers.documents import Object, objects, text_of
from pytest_batchgate.parsers.lines import lines

_LINE = re.compile(
    r"^(?P<path>[^\s].*?)(?::(?P<line>\d{1,9})(?::(?P<column>\d{1,9})(?::\d{1,9}:\d{1,9})?)?)?"
    r": (?P<level>error|warning|note): (?P<message>.*)$"
)
_CODE = re.compile(r"(?<!\s)\s+\[([a-z][a-z0-9-]*)\]$")
_WRAPPED_LINES = 12  # how many lines `--pretty` may break one message into
_PROGRAMS = frozenset({"mypy", "dmypy", "python", "__main__.py"})  # "mypy: error: ..." is about its options

_SEVERITIES: dict[str, Severity] = {"warning": "warning", "note": "note"}


def read(output: ParserInput, out: Collector) -> None:
    if shared.add_junit(output, out):
        return
    for document in objects(output.text):
        _add_object(document, out)
    rows = list(lines(output.text))
    for index, row in enumerate(rows):
        found = _LINE.match(row)
        if found is not None and found["path"] not in _PROGRAMS:
            _add_line(found, rows[index + 1 : index + _WRAPPED_LINES], out)


def _add_line(found: re.Match[str], following: Sequence[str], out: Collector) -> None:
    if found["level"] == "note" and found["line"] is None:
        return  # "In function ...": it introduces the next line
    message = _unwrapped(found["message"], following)
    code = _CODE.search(message)
    out.add(
        message[: code.start()] if code is not None else message,
        path=found["path"],
        line=found["line"],
        column=found["column"],
        rule=code[1] if code is not None else None,
        severity=_SEVERITIES.get(found["level"], "error"),
    )


def _unwrapped(message: str, following: Sequence[str]) -> str:
    """``message`` with the lines that it was broken into, if they lead to an error code."""
    if _CODE.search(message) is not None:
        return message
    whole = message
    for row in following:
        if not row or row.startswith("    ") or _LINE.match(row) is not None:
            break
        whole = f"{whole} {row}"
        if _CODE.search(whole) is not None:
            return whole
    return message


def _add_object(document: Object, out: Collector) -> None:
    path = text_of(document, "file")
    if not path or "message" not in document or "severity" not in document:
        shared.add_object(document, out)
        return
    column = document.get("column")
    hint = text_of(document, "hint")
    message = text_of(document, "message")
    out.add(
        f"{message} ({hint})" if hint else message,
        path=path,
        line=document.get("line"),
        column=column + 1 if isinstance(column, int) and column >= 0 else None,  # counted from 0
        rule=text_of(document, "code"),
        severity=_SEVERITIES.get(text_of(document, "severity"), "error"),
    )


PARSER = ToolParser("mypy", read)
