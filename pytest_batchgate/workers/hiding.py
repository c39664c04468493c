"""Hidden values taken out of what comes in from workers and commands, before anybody hears of it.

Keys of tests stay as they are: they are how tests are found again in other processes.  What
is shown of them is another matter (`ShownFile`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_batchgate.core.masking import Masks
from pytest_batchgate.core.model import Finding
from pytest_batchgate.core.protocol import CommandEnded
from pytest_batchgate.workers import wire

# What plugins send to their own other half, and what the dispatcher goes by.
_LEFT_ALONE = frozenset(
    {wire.INFO, wire.ENDED, wire.LISTED, wire.UNIT_DONE, wire.RELEASED, wire.MISSING, wire.HUNGRY}
)
_WORDS = frozenset({"outcome", "when", "$report_type"})  # of reports: not text
_BLOCK_BYTES = 1 << 20


def hide_in_batch(batch: list[wire.Message], masks: Masks) -> list[wire.Message]:
    """``batch`` with masked texts."""
    return [_hide(message, masks) for message in batch]


def _hide(message: wire.Message, masks: Masks) -> wire.Message:
    kind, *rest = message
    if kind in _LEFT_ALONE:
        return message
    if kind == wire.RESULTS:
        unit, results, *used = rest
        return (kind, unit, [_result(result, masks) for result in results], *used)
    if kind == wire.COLLECTED:
        unit, data, taken = rest
        return (kind, unit, _collected(data, masks), taken)
    if kind == wire.REPORTS:
        return (kind, _reports(rest[0], masks))
    if kind == wire.SHOULDSTOP:
        return (kind, rest[0], masks.text(rest[1]))
    return (kind, *(masks.deep(entry) for entry in rest))


def _result(result: tuple[Any, ...], masks: Masks) -> tuple[Any, ...]:
    payload = result[3]
    if type(payload) is tuple:
        return result
    return (*result[:3], _reports(payload, masks), *map(masks.text, result[4:]))


def _reports(reports: Any, masks: Masks) -> Any:
    if not isinstance(reports, list):
        return reports
    return [
        {name: value if name in _WORDS else masks.deep(value) for name, value in report.items()}
        if isinstance(report, dict)
        else report
        for report in reports
    ]


def _collected(data: dict[str, Any], masks: Masks) -> dict[str, Any]:
    found = dict(data)
    found["reports"] = _reports(data["reports"], masks)
    for name in ("deselected", "odd", "traits"):
        found[name] = masks.deep(data[name])
    found["shown"] = shown_ids(data["keys"], masks)
    return found


def shown_ids(keys: Iterable[str], masks: Masks) -> dict[int, str]:
    """How tests are called whose node ids hold a hidden value; numbered where two would be called alike."""
    taken = set()
    found = {}
    for index, key in enumerate(keys):
        nodeid = key.partition("\0")[0]
        shown = masks.text(nodeid)
        if shown is not nodeid and shown != nodeid:
            head, bracket = (shown[:-1], "]") if shown.endswith("]") else (shown, "")
            number = 1
            while shown in taken:
                number += 1
                shown = f"{head}-{number}{bracket}"
            found[index] = shown
        taken.add(shown)
    return found


def hide_in_end(ended: CommandEnded, masks: Masks) -> CommandEnded:
    """What is told of a command's end; its outputs are for the gates that need it, and stay."""
    return replace(
        ended,
        reason=masks.text(ended.reason) if ended.reason is not None else None,
        text=masks.text(ended.text),
        notes=tuple(map(masks.text, ended.notes)),
        leaked=tuple(map(masks.text, ended.leaked)),
        findings=tuple(_finding(finding, masks) for finding in ended.findings),
    )


def _finding(finding: Finding, masks: Masks) -> Finding:
    return replace(
        finding,
        path=masks.text(finding.path) if finding.path is not None else None,
        rule=masks.text(finding.rule) if finding.rule is not None else None,
        message=masks.text(finding.message),
    )


def scrub(log: Path, masks: Masks) -> None:
    """Mask a log that was written before the values were known.  Of one that cannot be, nothing stays."""
    fresh = log.with_name(f"{log.name}.tmp")
    stream = masks.data_stream()
    try:
        with log.open("rb") as source, fresh.open("wb") as target:
            while block := source.read(_BLOCK_BYTES):
                target.write(stream.feed(block))
            target.write(stream.finish())
        fresh.replace(log)
    except OSError:
        for path in (fresh, log):
            with suppress(OSError):
                os.truncate(path, 0)
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
