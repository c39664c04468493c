"""Plain text in the way of compilers: `path:line: message`, `path:line:column: error: message`."""

from __future__ import annotations

import re

from pytest_batchgate.parsers import shared
from pytest_batchgate.parsers.base import Collector, ParserInput, Severity, ToolParser
from pytest_batchgate.parsers.lines import lines

# A path has no spaces, and a dot or a slash: what else has numbers behind colons is mostly a time.
_LINE = re.compile(
    r"^\s*(?P<path>(?=[^\s:]*[A-Za-z])(?=[^\s:]*[./])[^\s:]+):(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?:?\s+"
    r"(?:(?P<level>fatal error|error|warning|note|info)\b:?\s*)?(?P<message>\S.*)$",
    re.IGNORECASE,
)
_RULE = re.compile(r"^([A-Z]{1,8}\d{1,5}):? +(\S.*)$")
_SEVERITIES: dict[str, Severity] = {"warning": "warning", "note": "note", "info": "note"}


def read(output: ParserInput, out: Collector) -> None:
    for line in lines(output.text):
        found = _LINE.match(line)
        if found is None:
            shared.add_line(line, out)
            continue
        rule = _RULE.match(found["message"])
        out.add(
            rule[2] if rule is not None else found["message"],
            path=found["path"],
            line=found["line"],
            column=found["column"],
            rule=rule[1] if rule is not None else None,
            severity=_SEVERITIES.get((found["level"] or "").lower(), "error"),
        )


PARSER = ToolParser("text", read)
