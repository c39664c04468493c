"""A plugin's parser, held to what built-in ones keep to: few, clean and unique findings."""

from __future__ import annotations

from dataclasses import replace

from pytest_batchgate.core.model import Finding, GateState
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.parsers import Collector, Parsed, Parser, ParserInput

_SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class CheckedParser:
    """Raises TypeError for what is no `Parsed`: `parse_output` makes a note of it."""

    parser: Parser

    @property
    def name(self) -> str:
        return self.parser.name

    def parse(self, output: ParserInput) -> Parsed:
        parsed: object = self.parser.parse(output)
        if not isinstance(parsed, Parsed):
            raise TypeError(f"it gave {type(parsed).__name__}, not Parsed")
        if parsed.verdict is not None:
            state, reason = parsed.verdict
            if state is not GateState.FAILED or not isinstance(reason, str):
                raise TypeError("a verdict is GateState.FAILED and a reason")
        collector = Collector(replace(output, cwd=None))  # paths of findings are relative to the rootdir
        for finding in parsed.findings:
            if not isinstance(finding, Finding) or not isinstance(finding.message, str):
                raise TypeError("findings must be Finding, with a message")
            if finding.severity not in _SEVERITIES:
                raise TypeError(f"a severity is one of {', '.join(_SEVERITIES)}")
            collector.add(
                finding.message,
                path=finding.path,
                line=finding.line,
                column=finding.column,
                rule=finding.rule,
                severity=finding.severity,
            )
        more = parsed.more if isinstance(parsed.more, int) else 0
        return replace(collector.parsed(parsed.verdict), more=collector.more + max(more, 0))
