"""What was found, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pytest_batchgate.doctor.check import Check
from pytest_batchgate.report.words import harmless, plural

_MARKS = {"ok": "ok", "note": "note", "problem": "PROBLEM"}
_NAME_WIDTH = 16


def lines(rootdir: Path, checks: Iterable[Check], *, unicode: bool) -> Iterator[str]:
    """One or two lines for each check, as they come, under a line for each section; the sum last."""
    yield harmless(f"batchgate doctor: {rootdir}", unicode=unicode)
    section = None
    told: list[Check] = []
    for check in checks:
        told.append(check)
        if check.section != section:
            section = check.section
            yield ""
            yield section
        yield harmless(f"  {_MARKS[check.level]:8} {check.name:{_NAME_WIDTH}} {check.text}", unicode=unicode)
        if check.todo is not None:
            yield harmless(f"  {'':8} {'':{_NAME_WIDTH}} -> {check.todo}", unicode=unicode)
    yield ""
    yield summary(told)


def summary(checks: Sequence[Check]) -> str:
    problems = [check for check in checks if check.level == "problem"]
    notes = sum(check.level == "note" for check in checks)
    also = f", {plural(notes, 'note')}" if notes else ""
    if not problems:
        return f"no problems{also}"
    return f"{plural(len(problems), 'problem')}{also}"


def as_json(rootdir: Path, checks: Sequence[Check]) -> str:
    """Schema 1: ``rootdir``, the number of ``problems``, and every check with its level and what to do."""
    document = {
        "schema": 1,
        "rootdir": str(rootdir),
        "problems": sum(check.level == "problem" for check in checks),
        "checks": [
            {
                "section": check.section,
                "name": check.name,
                "level": check.level,
                "text": check.text,
                "todo": check.todo,
            }
            for check in checks
        ],
    }
    return json.dumps(document, indent=2)
