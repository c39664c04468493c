"""ruff check: full, concise, grouped, pylint, json, json-lines, sarif, github, gitlab, junit; ruff format."""

from __future__ import annotations

import re

from pytest_batchgate.parsers import diagnostics, shared
from pytest_batchgate.parsers.base import Collector, ParserInput, ToolParser
from pytest_batchgate.parsers.documents import Object, child, objects, text_of
from pytest_batchgate.parsers.lines import lines

_GROUP = re.compile(r"^(\S.*):$")
_GROUPED = re.compile(r"^ {2,}(?:cell \d+:)?(\d{1,9}):(\d{1,9}) +(.+)$")
_REFORMAT = re.compile(r"^Would reformat: (.+)$")


def read(output: ParserInput, out: Collector) -> None:
    if shared.add_junit(output, out):
        return
    for document in objects(output.text):
        _add_object(document, out)
    before: list[str] = []
    group: str | None = None
    for line in lines(output.text):
        if (title := _GROUP.match(line)) is not None:
            group = title[1]
        elif (inner := _GROUPED.match(line)) is not None and group is not None:
            _add_grouped(group, inner, out)
        elif (unformatted := _REFORMAT.match(line)) is not None:
            out.add("File would be reformatted", path=unformatted[1], rule="unformatted")
        else:
            _ = (
                shared.add_line(line, out)
                or diagnostics.add_block(before, line, out)
                or diagnostics.add_placed(line, out)
            )
        before = [*before[-4:], line]


def _add_grouped(path: str, inner: re.Match[str], out: Collector) -> None:
    found = diagnostics.header(inner[3])
    if found is not None:
        rule, severity, message = found
        out.add(message, path=path, line=inner[1], column=inner[2], rule=rule, severity=severity)


def _add_object(document: Object, out: Collector) -> None:
    path = text_of(document, "filename")
    if not path or "location" not in document:
        shared.add_object(document, out)
        return
    place = child(document, "location")
    out.add(
        text_of(document, "message"),
        path=path,
        line=place.get("row"),
        column=place.get("column"),
        # Before 0.9 a syntax error had no code.
        rule=text_of(document, "code") or text_of(document, "name") or "invalid-syntax",
        severity="warning" if document.get("severity") == "warning" else "error",
    )


PARSER = ToolParser("ruff", read)
