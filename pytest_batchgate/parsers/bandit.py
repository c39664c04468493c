"""bandit: txt and screen, json, custom (its default template), sarif."""

from __future__ import annotations

import re

from pytest_batchgate.parsers import shared
from pytest_batchgate.parsers.base import Collector, ParserInput, Severity, ToolParser
from pytest_batchgate.parsers.documents import Object, children, objects, text_of
from pytest_batchgate.parsers.lines import lines

_ISSUE = re.compile(r"^>> Issue: \[([A-Z]\d+)(?::[^\]]*)?\] (.+)$")
_SEVERITY = re.compile(r"^\s+Severity: (\w+)")
_LOCATION = re.compile(r"^\s+Location: (.+?):(\d{1,9})(?::(\d{1,9}))?$")
_CUSTOM = re.compile(r"^(.+?):(\d{1,9}): ([A-Z]\d+)\[bandit\]: (\w+): (.+)$")
_SKIPPED_HEAD = re.compile(r"^Files skipped \(\d+\):$")
_SKIPPED = re.compile(r"^\t(.+) \(([^()]*)\)$")

_LEVELS: dict[str, Severity] = {"HIGH": "error", "MEDIUM": "warning", "LOW": "note"}


def read(output: ParserInput, out: Collector) -> None:
    for document in objects(output.text):
        _add_object(document, out)
    issue: re.Match[str] | None = None
    level = ""
    skipped = False
    for line in lines(output.text):
        if (found := _ISSUE.match(line)) is not None:
            issue, level = found, ""
        elif issue is not None and (found := _SEVERITY.match(line)) is not None:
            level = found[1]
        elif issue is not None and (found := _LOCATION.match(line)) is not None:
            out.add(
                issue[2],
                path=found[1],
                line=found[2],
                column=_from_zero(found[3]),
                rule=issue[1],
                severity=_severity(level),
            )
            issue = None
        elif (found := _CUSTOM.match(line)) is not None:
            out.add(found[5], path=found[1], line=found[2], rule=found[3], severity=_severity(found[4]))
        elif skipped and (found := _SKIPPED.match(line)) is not None:
            _add_skipped(found[1], found[2], out)
        else:
            skipped = _SKIPPED_HEAD.match(line) is not None


def _add_object(document: Object, out: Collector) -> None:
    if "test_id" in document:
        _add_result(document, out)
    elif isinstance(document.get("results"), list):
        for result in children(document, "results"):
            _add_result(result, out)
        for error in children(document, "errors"):
            _add_skipped(text_of(error, "filename"), text_of(error, "reason"), out)
    else:
        shared.add_object(document, out)


def _add_result(result: Object, out: Collector) -> None:
    out.add(
        text_of(result, "issue_text"),
        path=text_of(result, "filename"),
        line=result.get("line_number"),
        column=_from_zero(result.get("col_offset")),
        rule=text_of(result, "test_id"),
        severity=_severity(text_of(result, "issue_severity")),
    )


def _add_skipped(path: str, reason: str, out: Collector) -> None:
    # bandit passes over a file that it cannot parse, and passes.
    out.add(f"not scanned: {reason}", path=path, severity="warning")


def _severity(word: str) -> Severity:
    return _LEVELS.get(word.upper(), "warning")


def _from_zero(column: object) -> int | None:
    if isinstance(column, str) and column.isascii() and column.isdigit():
        column = int(column)
    return column + 1 if isinstance(column, int) and column >= 0 else None


PARSER = ToolParser("bandit", read)
