"""flake8: its default lines, and `--format=pylint`."""

from __future__ import annotations

import re

from pytest_batchgate.parsers import shared
from pytest_batchgate.parsers.base import Collector, ParserInput, ToolParser
from pytest_batchgate.parsers.lines import lines

_LINE = re.compile(r"^(.+?):(\d{1,9}):(\d{1,9}): ([A-Z][A-Z0-9]{1,12}) (.+)$")


def read(output: ParserInput, out: Collector) -> None:
    if shared.add_junit(output, out):
        return
    for line in lines(output.text):
        found = _LINE.match(line)
        if found is None:
            shared.add_line(line, out)
            continue
        path, row, column, rule, message = found.groups()
        severity = "warning" if rule.startswith("W") else "error"  # pycodestyle's own two kinds
        out.add(
            message,
            path=path,
            line=row,
            column=column,
            rule=rule,
            severity="warning" if severity == "warning" else "error",
        )


PARSER = ToolParser("flake8", read)
