"""ty check: full, concise, github, gitlab, junit."""

from __future__ import annotations

from pytest_batchgate.parsers import diagnostics, shared
from pytest_batchgate.parsers.base import Collector, ParserInput, ToolParser
from pytest_batchgate.parsers.lines import lines


def read(output: ParserInput, out: Collector) -> None:
    if shared.add_junit(output, out):
        return
    shared.add_objects(output, out)
    before: list[str] = []
    for line in lines(output.text):
        _ = (
            shared.add_line(line, out)
            or diagnostics.add_block(before, line, out)
            or diagnostics.add_placed(line, out)
        )
        before = [*before[-4:], line]


PARSER = ToolParser("ty", read)
