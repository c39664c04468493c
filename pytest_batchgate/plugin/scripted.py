"""A run that `--batch-verify` started: what it does otherwise than one that a person starts.

Nothing that hides how a test ended: no retries, no breaker, no stop at a failure; a gate
runs once its needs have ended, whatever became of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytest_batchgate.bench.script import Script, from_json
from pytest_batchgate.core.model import Config, Gate, Retries
from pytest_batchgate.core.plan import Plan, Selector, build_plan
from pytest_batchgate.core.state import RunOptions
from pytest_batchgate.errors import OptionError
from pytest_batchgate.plugin.lastfailed import LastFailed

OPTION = "--batch-verify-run"


def read_script(path: str) -> Script:
    """Raises OptionError."""
    try:
        return from_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise OptionError(
            f"{path} is no script of a run: {exc}", where=OPTION, todo="Only --batch-verify writes one"
        ) from None


def scripted_plan(
    settings: Config, script: Script, select: Sequence[Selector] | None, *, with_needs: bool
) -> Plan:
    """The gates of the script, and what they need.  Raises PlanError and OptionError."""
    chosen = [Selector(kind="gate", name=name) for name in script.gates]
    left_out = [selector for selector in select or () if selector.kind == "no"]
    return build_plan(settings, select=[*chosen, *left_out], with_needs=with_needs)


def steadied(plan: Plan) -> Plan:
    return replace(plan, gates=tuple(map(_steady, plan.gates)), claims=tuple(map(_steady, plan.claims)))


def _steady(gate: Gate) -> Gate:
    return replace(gate, when="always", retries=Retries(), breaker=None)


def scripted_options(options: RunOptions, script: Script) -> RunOptions:
    """Every worker from the start, and the first tests of all of them at once."""
    return replace(
        options,
        fail_fast=False,
        first_workers=None,
        first_files=script.files,
        abreast=True,
        pinned=script.pinned,
        narrowed=options.narrowed or script.only,
    )


def scripted_selection(script: Script) -> LastFailed:
    return LastFailed(only=script.by_file() if script.only else None, first_files=script.files)


def scripted_specs(specs: Sequence[str], workers: int) -> tuple[str, ...]:
    """As many as the script wants, of those that were typed."""
    return tuple(specs[number % len(specs)] for number in range(max(workers, 1)))
