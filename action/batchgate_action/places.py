"""Where a run keeps what outlives it, and under which name its history is stored."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from batchgate_action.inputs import Inputs
from batchgate_action.runner import ActionError

FORMAT = "1"  # of what is stored; another one begins anew
HISTORY = "history.sqlite3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Absolute paths; ``key`` is for this run alone, ``prefix`` for all of the same kind."""

    report_dir: Path
    shards_dir: Path  # not there yet: nothing but what is downloaded is joined
    state_dir: Path
    key: str
    prefix: str


def find_places(inputs: Inputs, environ: Mapping[str, str], working: Path) -> Places:
    """``working``: what relative paths are relative to."""
    temporary = Path(environ.get("RUNNER_TEMP") or tempfile.gettempdir())
    # Runs that differ in one of these take other times.
    kind = (
        *(environ.get(name, "") for name in ("GITHUB_WORKFLOW", "RUNNER_ARCH")),
        environ.get("BATCHGATE_INPUT_WORKING_DIRECTORY", ""),
        "{}.{}".format(*sys.version_info),
        *(inputs.profile, inputs.config, inputs.gates),  # not the shard: the plan of all needs what each took
    )
    digest = hashlib.sha256("\0".join(kind).encode("utf-8", "backslashreplace")).hexdigest()[:16]
    prefix = f"batchgate-history-{FORMAT}-{environ.get('RUNNER_OS') or sys.platform}-{digest}-"
    # Jobs and shards of a run store theirs at the same moment, each under a key of its own.
    job = hashlib.sha256(f"{environ.get('GITHUB_JOB', '')}\0{inputs.shard}".encode()).hexdigest()[:8]
    run = f"{environ.get('GITHUB_RUN_ID', '0')}-{environ.get('GITHUB_RUN_ATTEMPT', '1')}-{job}"
    temporary.mkdir(parents=True, exist_ok=True)
    # two runs in one job must not share one
    own = Path(tempfile.mkdtemp(prefix="batchgate-report-", dir=temporary))
    report_dir = own
    if inputs.report_dir:
        report_dir = working / inputs.report_dir
        try:
            report_dir.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise ActionError(f"the input report-dir is no folder: {problem}") from None
    state_dir = temporary / "batchgate-state" / digest  # the name is part of what a stored cache is found by
    state_dir.mkdir(parents=True, exist_ok=True)
    return Places(
        report_dir=Path(os.path.abspath(report_dir)),  # noqa: PTH100 -- links stay as they were written
        shards_dir=own.with_name(f"{own.name}-shards"),
        state_dir=state_dir,
        key=prefix + run,
        prefix=prefix,
    )
