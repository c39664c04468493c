"""Findings as lines that editors and people can follow."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_batchgate.core.model import Finding


def render(findings: Iterable[Finding]) -> list[str]:
    """``path:line:column rule message``, one line each, those of a path together, in order of place.

    Paths keep the order in which they first appear; a finding without a path begins with "-".
    """
    by_path: dict[str | None, list[Finding]] = {}
    for finding in findings:
        by_path.setdefault(finding.path, []).append(finding)
    return [
        _line(finding)
        for group in by_path.values()
        for finding in sorted(group, key=lambda finding: (finding.line or 0, finding.column or 0))
    ]


def _line(finding: Finding) -> str:
    parts = [finding.path or "-", finding.line, finding.column if finding.line else None]
    place = ":".join(str(part) for part in parts if part is not None)
    return " ".join(part for part in (place, finding.rule, finding.message) if part)
