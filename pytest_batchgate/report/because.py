"""The verdict of a run and why, in one line, for every report that opens with it."""

from __future__ import annotations

from collections.abc import Callable

from pytest_batchgate.core.events import RunResult
from pytest_batchgate.report.words import plural

_MOST_NAMES = 10
_CODES = {2: "collection errors", 3: "an internal error", 4: "a usage error", 5: "nothing to run"}


def because(result: RunResult, named: Callable[[str], str] = str) -> str:
    """What the verdict rests on; ``named`` makes a name fit for where the line stands."""
    bad = result.culprits
    if bad:
        names = [f"{named(report.name)} {report.state.value}" for report in bad[:_MOST_NAMES]]
        more = len(bad) - _MOST_NAMES
        return ", ".join(names) + (f" and {more} more" if more > 0 else "")
    if result.verdict == "failed":
        if result.missing:
            return f"{', '.join(map(named, result.missing))} could not be written"
        return _CODES.get(result.exit_code, "no gate is to blame")
    good = sum(report.state.good for report in result.gates)
    return f"{good} of {plural(len(result.gates), 'gate')} good" if result.gates else "no gates"
