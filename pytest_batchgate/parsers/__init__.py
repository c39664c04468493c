"""Output of tools to findings: one small module per tool."""

from __future__ import annotations

from pytest_batchgate.parsers.base import (
    MAX_FINDINGS,
    MAX_OUTPUT_BYTES,
    Collector,
    Parsed,
    Parser,
    ParserInput,
    ToolParser,
    Verdict,
    read_output,
)
from pytest_batchgate.parsers.choose import PARSERS, parse_output, parser_for

__all__ = [
    "MAX_FINDINGS",
    "MAX_OUTPUT_BYTES",
    "PARSERS",
    "Collector",
    "Parsed",
    "Parser",
    "ParserInput",
    "ToolParser",
    "Verdict",
    "parse_output",
    "parser_for",
    "read_output",
]
