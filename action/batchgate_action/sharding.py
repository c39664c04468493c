"""The steps of `action/plan` and `action/merge`: who runs what, and whether all together may pass."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from batchgate_action.fenced import run_shown
from batchgate_action.inputs import Inputs
from batchgate_action.outcome import forget_reports, judged, outputs_of
from batchgate_action.runner import (
    ActionError,
    RunnersFiles,
    annotate,
    append_summary,
    say,
    without_files,
    write_outputs,
)
from batchgate_action.running import Ended

_MOST_SUMMARY = 128 * 1024  # characters
_TOLD = 4_000  # characters of the reason in an annotation


def plan(inputs: Inputs) -> int:
    """The matrix, as an output, and `shards.json`, which each shard is to be given."""
    folder = Path(os.environ["BATCHGATE_REPORT_DIR"])
    files = RunnersFiles(os.environ)
    environ = {**without_files(os.environ), "BATCHGATE_STATE_DIR": os.environ["BATCHGATE_STATE_DIR"]}
    argv = [sys.executable, "-m", "pytest", *inputs.arguments(str(folder)), "--batch-plan=matrix"]
    shown = run_shown("plan", argv, environ)
    files.put_back()
    matrix = _matrix(shown.lines)
    if shown.code != 0 or matrix is None:
        raise ActionError(
            f"no plan could be made: pytest ended with exit code {shown.code}; the log says why"
        )
    write_outputs(
        {
            "matrix": json.dumps(matrix, separators=(",", ":")),
            "count": str(len(matrix["include"])),
            "shards-path": str(folder / "shards.json"),
        }
    )
    return 0


def checked_plan_inputs(inputs: Inputs) -> Inputs:
    """``shard`` is how many there are to be; empty for as many as the recorded durations ask for."""
    if inputs.shard and not (inputs.shard.isascii() and inputs.shard.isdigit()):
        raise ActionError(f"the input shards is {inputs.shard!r}; it may be a number, or empty")
    return replace(inputs, benchmark="", fail_fast=None)


def merge(inputs: Inputs) -> int:
    """One run of all that the shards reported.  What is missing fails it."""
    shards, folder = Path(os.environ["BATCHGATE_SHARDS_DIR"]), Path(os.environ["BATCHGATE_REPORT_DIR"])
    shards.mkdir(parents=True, exist_ok=True)
    forget_reports(folder)
    environ = without_files(os.environ)
    argv = [sys.executable, "-P", "-m", "pytest_batchgate"] if sys.version_info >= (3, 11) else []
    argv = argv or [sys.executable, "-m", "pytest_batchgate"]
    shown = run_shown("merge", [*argv, "merge", str(shards), "--out", str(folder)], environ)
    ended = judged(Ended(code=shown.code, cause=None, took_s=0.0), folder)
    write_outputs(outputs_of(ended, folder))
    if inputs.summary:
        text = "## \N{CROSS MARK} No verdict\n\nThe shards could not be joined; the log says why.\n"
        with suppress(OSError):
            text = (folder / "summary.md").read_text(encoding="utf-8")
        append_summary(text[:_MOST_SUMMARY])
    if ended.code:
        annotate("error", f"the shards together do not pass: {_verdict(shown.lines, ended.code)}"[:_TOLD])
    if inputs.fail_on == "never":
        if ended.code:
            say("fail-on is never: the step does not fail")
        return 0
    return ended.code


def _matrix(lines: Sequence[str]) -> Any:
    """Of the last line that is one: a conftest may print before it."""
    for line in reversed(lines):
        if line.startswith('{"include":'):
            with suppress(ValueError):
                found = json.loads(line)
                if isinstance(found["include"], list) and found["include"]:
                    return found
    return None


def _verdict(lines: Sequence[str], code: int) -> str:
    """The last line says it."""
    said = [line.strip() for line in lines if line.strip()]
    return said[-1] if said else f"exit code {code}"
