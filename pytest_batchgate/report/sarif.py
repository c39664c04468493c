"""`findings.sarif`: what tools found, as SARIF 2.1.0, for code scanning.

One run per gate whose tool is known or found something, also where it found nothing: that is what
closes alerts of earlier runs.  A gate that did not run says nothing about its alerts, and is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote

from pytest_batchgate.core.events import Event, GateReport, RunFinished, RunResult, RunStarted
from pytest_batchgate.core.model import Finding, Gate, GateState
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.report.words import harmless

SCHEMA_URI = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT = "batchgate/v1"
MOST_RUNS = 20  # GitHub refuses a file with more
MOST_RESULTS = 25_000  # in a run, GitHub's limit; kept for the file, which may have 10 MB compressed
_RAN = frozenset({GateState.PASSED, GateState.FLAKY, GateState.CACHED, GateState.CARRIED, GateState.FAILED})
_SEVERITIES = ("error", "warning", "note")
_HELP = {
    "ruff": "https://docs.astral.sh/ruff/rules/{rule}",
    "flake8": "https://flake8.pycqa.org/en/latest/user/error-codes.html",
    "mypy": "https://mypy.readthedocs.io/en/stable/_refs.html#code-{rule}",
    "ty": "https://docs.astral.sh/ty/reference/rules/#{rule}",
    "bandit": "https://bandit.readthedocs.io/en/latest/plugins/index.html",
    "pip-audit": "https://osv.dev/vulnerability/{rule}",
}
_HOMES = {
    "ruff": "https://docs.astral.sh/ruff/",
    "flake8": "https://flake8.pycqa.org/",
    "mypy": "https://mypy.readthedocs.io/",
    "ty": "https://docs.astral.sh/ty/",
    "bandit": "https://bandit.readthedocs.io/",
    "pip-audit": "https://pypi.org/project/pip-audit/",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A run to be: one gate's findings, or those of all gates beyond GitHub's limit."""

    category: str
    tool: str
    findings: Sequence[Finding]
    complete: bool  # the tool came to its end
    omitted: int = 0


class SarifReport:
    """A subscriber that hands the document to ``write`` when the run has finished.

    ``tool_of``: the name of the tool that a command runs, None where none is known.
    ``fallback``: the file, relative to the rootdir, that stands for findings without a place,
    which GitHub refuses.
    """

    name = "findings.sarif"

    def __init__(
        self,
        write: Callable[[bytes], object],
        *,
        tool_of: Callable[[Gate], str | None],
        fallback: str,
        version: str,
    ) -> None:
        self._write = write
        self._tool_of = tool_of
        self._fallback = fallback
        self._version = version
        self._gates: dict[str, Gate] = {}

    def handle(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._gates = {str(gate.name): gate for gate in event.gates}
        elif isinstance(event, RunFinished):
            document = json.dumps(self.document(event.result), separators=(",", ":"))
            self._write(f"{document}\n".encode("ascii"))

    def document(self, result: RunResult) -> dict[str, Any]:
        parts = _within_limits([part for report in result.gates for part in self._parts(report)])
        if not parts:
            parts = [_Part(category="none", tool="pytest-batchgate", findings=(), complete=True)]
        return {
            "$schema": SCHEMA_URI,
            "version": "2.1.0",
            "runs": [self._run(part) for part in parts],
        }

    def _parts(self, report: GateReport) -> Iterable[_Part]:
        gate = self._gates.get(report.name)
        if gate is None or gate.kind != "command" or gate.is_service:
            return
        tool = self._tool_of(gate)
        if report.findings or (tool is not None and report.state in _RAN):
            yield _Part(
                category=report.name,
                tool=tool or report.name,
                findings=report.findings,
                complete=report.state in _RAN,
                omitted=report.more_findings,
            )

    def _run(self, part: _Part) -> dict[str, Any]:
        rules: dict[str, dict[str, Any]] = {}
        for finding in part.findings:
            rule = _rule_id(finding, part.tool)
            if rule not in rules:
                rules[rule] = _rule(rule, finding, part.tool)
        places = {rule: place for place, rule in enumerate(rules)}
        seen: Counter[tuple[str, ...]] = Counter()
        results = [self._result(finding, part.tool, places, seen) for finding in _in_order(part.findings)]
        driver: dict[str, Any] = {"name": part.tool, "rules": list(rules.values())}
        if part.tool in _HOMES:
            driver["informationUri"] = _HOMES[part.tool]
        run: dict[str, Any] = {
            "tool": {"driver": driver},
            "automationDetails": {"id": f"batchgate/{part.category}/"},
            "invocations": [{"executionSuccessful": part.complete}],
            "columnKind": "unicodeCodePoints",
            "properties": {"pytest-batchgate": self._version},
            "results": results,
        }
        if part.omitted:
            run["properties"]["omittedFindings"] = part.omitted
        return run

    def _result(
        self, finding: Finding, tool: str, places: dict[str, int], seen: Counter[tuple[str, ...]]
    ) -> dict[str, Any]:
        rule = _rule_id(finding, tool)
        # Neither line nor column: what moves with the code around it is the same finding.
        identity = (tool, rule, finding.path or "", finding.message)
        seen[identity] += 1
        digest = hashlib.sha256(
            "\0".join((*identity, str(seen[identity]))).encode("utf-8", "backslashreplace")
        )
        place: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.path or self._fallback)}}
        if finding.path is None:
            place["region"] = {"startLine": 1}
        elif finding.line is not None:
            place["region"] = {"startLine": finding.line}
            if finding.column is not None:
                place["region"]["startColumn"] = finding.column
        return {
            "ruleId": rule,
            "ruleIndex": places[rule],
            "level": finding.severity,
            "message": {"text": harmless(finding.message) or rule},
            "locations": [{"physicalLocation": place}],
            "partialFingerprints": {FINGERPRINT: digest.hexdigest()},
        }


def _within_limits(parts: list[_Part]) -> list[_Part]:
    """At most MOST_RUNS runs, those with the most findings by themselves, and MOST_RESULTS results."""
    parts = sorted(parts, key=lambda part: -len(part.findings))
    if len(parts) > MOST_RUNS:
        alone, others = parts[: MOST_RUNS - 1], parts[MOST_RUNS - 1 :]
        together = _Part(
            category="others",
            tool="pytest-batchgate",
            findings=tuple(finding for part in others for finding in part.findings),
            complete=all(part.complete for part in others),
            omitted=sum(part.omitted for part in others),
        )
        parts = [*alone, together]
    room = MOST_RESULTS
    kept = []
    for part in reversed(parts):  # the smallest first, so that a tool that floods hides only itself
        findings = sorted(part.findings, key=lambda finding: _SEVERITIES.index(finding.severity))[:room]
        room -= len(findings)
        left = len(part.findings) - len(findings)
        kept.append(
            _Part(
                category=part.category,
                tool=part.tool,
                findings=findings,
                complete=part.complete,
                omitted=part.omitted + left,
            )
        )
    return sorted(kept, key=lambda part: part.category)


def _in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By place, so that of equal findings the first stays the first."""
    return sorted(findings, key=lambda found: (found.path or "", found.line or 0, found.column or 0))


def _rule_id(finding: Finding, tool: str) -> str:
    return harmless(finding.rule) if finding.rule else tool


def _rule(rule: str, finding: Finding, tool: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": rule,
        "shortDescription": {"text": f"{tool} {rule}" if rule != tool else tool},
        "fullDescription": {"text": f"{rule}, as {tool} reports it"},
        "help": {"text": f"What {tool} reports as {rule}."},
        "defaultConfiguration": {"level": finding.severity},
    }
    link = (_HELP if finding.rule is not None else _HOMES).get(tool)
    if link is not None:
        uri = link.format(rule=quote(rule, safe="-", errors="backslashreplace"))
        described["helpUri"] = uri
        described["help"] = {
            "text": f"What {tool} reports as {rule}. See {uri}",
            "markdown": f"[{tool}'s documentation]({uri})",
        }
    return described


def _uri(path: str) -> str:
    """Relative to the rootdir; what lies outside of it is absolute."""
    escaped = quote(path, safe="/", errors="backslashreplace")
    return f"file://{escaped}" if path.startswith("/") else escaped
