"""JUnit XML, from a report file or from what a tool printed.

Read as a stream, without a tree: a file is at most as expensive as it is long.
A document type declaration ends the reading: entities are the one way in which
a small file becomes a large one, and no tool needs them.
"""

from __future__ import annotations

import re
from dataclasses import field
from xml.parsers import expat  # nosec B407 (declarations are refused below, nothing is ever expanded)

from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.parsers.base import (
    Collector,
    ParserInput,
    Severity,
    ToolParser,
    Verdict,
    one_based,
    unreadable,
)

_MAX_TEXT = 8_192  # characters kept of one failure's text
_START = re.compile(r"<\?xml\b|<testsuites?\b")
_SEVERITIES: dict[str, Severity] = {"warning": "warning", "info": "note", "note": "note"}


def read(output: ParserInput, out: Collector) -> Verdict | None:
    """The report if there is one, else the XML in the output.  What is no report fails a gate that passed."""
    if output.report is not None:
        return None if add_document(output.report, out) else unreadable(output, "JUnit XML")
    if (start := _START.search(output.text)) is not None:
        add_document(output.text[start.start() :].encode("utf-8", "replace"), out)
    return None


def add_document(data: bytes, out: Collector) -> bool:
    """The failures and errors of the document, as far as it can be read.  True if it is JUnit, and whole."""
    reader = _Reader(out)
    parser = expat.ParserCreate(None if data[:5] == b"<?xml" else "utf-8")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, _RefusedError, ValueError, LookupError):
        return False  # what came before the fault has been added
    return reader.is_junit


class _RefusedError(Exception):
    pass


def _refuse(*_: object) -> None:
    raise _RefusedError


@dataclass(slots=True)
class _Reader:
    out: Collector
    suites: list[dict[str, str]] = field(default_factory=list)
    case: dict[str, str] = field(default_factory=dict)
    failure: dict[str, str] | None = None
    kind: str = ""
    said: list[str] = field(default_factory=list)
    room: int = 0
    severity: Severity = "error"
    is_junit: bool = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name in {"testsuite", "testsuites"}:
            self.is_junit = True
            self.suites.append(attributes)
        elif name == "testcase":
            self.case = attributes
            self.severity = "error"
        elif name == "property" and attributes.get("name") == "severity":
            self.severity = _SEVERITIES.get(attributes.get("value", ""), "error")
        elif name in {"failure", "error"}:
            self.failure, self.kind, self.said, self.room = attributes, name, [], _MAX_TEXT

    def text(self, data: str) -> None:
        if self.failure is not None and self.room > 0:
            self.said.append(data[: self.room])
            self.room -= len(data)

    def end(self, name: str) -> None:
        if name in {"testsuite", "testsuites"} and self.suites:
            self.suites.pop()
        elif name == "testcase":
            self.case = {}
        elif name == self.kind and self.failure is not None:
            self._add(self.failure, "".join(self.said))
            self.failure = None

    def _add(self, failure: dict[str, str], text: str) -> None:
        suite = self.suites[-1] if self.suites else {}
        name, owner = self.case.get("name", ""), self.case.get("classname", "")
        message = failure.get("message") or next((line for line in text.splitlines() if line.strip()), "")
        line = one_based(self.case.get("line"))
        package = suite.get("package", "")
        if package.startswith("org.") and name.startswith(f"{package}."):
            # ruff and ty write a suite per file, named by it, and a case per finding, named by its rule.
            self.out.add(
                message,
                path=suite.get("name"),
                line=line,
                column=self.case.get("column"),
                rule=name[len(package) + 1 :],
                severity=self.severity,
            )
            return
        if suite.get("name") == "pytest" and "line" in self.case:
            line = _after(self.case["line"])  # pytest counts them from 0
        who = "::".join(part for part in (owner, name) if part)
        self.out.add(
            f"{who}: {message}" if who else message,
            path=self.case.get("file") or suite.get("file"),
            line=line,
            rule=failure.get("type") or self.kind,
            severity=self.severity,
        )


def _after(line: str) -> int | None:
    return 1 if line == "0" else (number + 1 if (number := one_based(line)) is not None else None)


PARSER = ToolParser("junit", read)
