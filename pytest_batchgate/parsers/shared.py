"""Formats that several tools print: SARIF, JUnit, GitLab's JSON, GitHub's commands, pylint's lines."""

from __future__ import annotations

import re

from pytest_batchgate.parsers import junit, sarif
from pytest_batchgate.parsers.base import Collector, ParserInput, Severity
from pytest_batchgate.parsers.documents import Object, child, objects, text_of

_COMMAND = re.compile(r"^::(error|warning|notice) ([^\n]*?)::(.*)$")
_TITLE_RULE = re.compile(r"\(([^()\s]+)\)$")
_PLACE = re.compile(r"^.+?:\d+:(\d+): ")
# Bounded throughout: a pattern that tries every length at every place holds up the whole run.
_PYLINT = re.compile(
    r"^([^\s:][^:\n]*):(\d{1,9}): \[([A-Za-z][\w-]{0,100})(?:\([\w-]{1,200}\))?[^\]]{0,300}\] (\S.*)$"
)
_JUNIT = re.compile(r"^(?:<\?xml[^>\n]{0,200}>\s{0,100})?<testsuites?\b", re.MULTILINE)

_COMMANDS: dict[str, Severity] = {"error": "error", "warning": "warning", "notice": "note"}
_GITLAB: dict[str, Severity] = {"info": "note", "minor": "warning"}


def add_object(document: Object, out: Collector) -> bool:
    """Whether ``document`` is in one of the shared JSON formats."""
    return sarif.add_document(document, out) or _add_gitlab(document, out)


def add_objects(output: ParserInput, out: Collector) -> None:
    """Everything in the output that is in one of the shared JSON formats."""
    for document in objects(output.text):
        add_object(document, out)


def add_junit(output: ParserInput, out: Collector) -> bool:
    """Whether the output holds JUnit XML."""
    if _JUNIT.search(output.text) is None:
        return False
    junit.read(output, out)
    return True


def add_line(line: str, out: Collector) -> bool:
    """Whether ``line`` is a finding in one of the shared formats."""
    if line.startswith("::"):
        return _add_command(line, out)
    found = _PYLINT.match(line)
    if found is not None:
        out.add(found[4], path=found[1], line=found[2], rule=found[3])
    return found is not None


def _add_gitlab(document: Object, out: Collector) -> bool:
    rule = text_of(document, "check_name")
    location = child(document, "location")
    path = text_of(location, "path")
    if not rule or not path:
        return False
    begin = child(location, "positions", "begin")
    out.add(
        text_of(document, "description").removeprefix(f"{rule}: "),
        path=path,
        line=begin.get("line", child(location, "lines").get("begin")),
        column=begin.get("column"),
        rule=rule,
        severity=_GITLAB.get(text_of(document, "severity"), "error"),
    )
    return True


def _add_command(line: str, out: Collector) -> bool:
    found = _COMMAND.match(line)
    if found is None:
        return False
    given = dict(part.partition("=")[::2] for part in found[2].split(","))
    values = {key.strip(): _decoded(value, inner=True) for key, value in given.items()}
    message = _decoded(found[3], inner=False).partition("\n")[0]
    title = _TITLE_RULE.search(values.get("title", ""))
    rule = title[1] if title is not None else None
    column: object = values.get("col")
    # ruff and ty repeat the place and the rule, which are properties already.
    place = _PLACE.match(message)
    if place is not None and rule is not None:
        column = column or place[1]
        message = re.sub(rf"^{re.escape(rule)}:? (?:\[\*\] )?", "", message[place.end() :])
    out.add(
        message,
        path=values.get("file"),
        line=values.get("line"),
        column=column,
        rule=rule,
        severity=_COMMANDS[found[1]],
    )
    return True


def _decoded(text: str, *, inner: bool) -> str:
    if inner:
        text = text.replace("%3A", ":").replace("%2C", ",")
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
