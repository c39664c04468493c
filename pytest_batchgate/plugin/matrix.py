"""`--batch-plan=matrix`: the plan that all shards follow, as GitHub's matrix and as `shards.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pytest_batchgate.core import shards
from pytest_batchgate.core.model import Estimates
from pytest_batchgate.errors import OptionError
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.plugin.reporting import ready_folder
from pytest_batchgate.store import shardsfile
from pytest_batchgate.store.files import write_atomically


def write_matrix(config: pytest.Config, launch: Launch, estimates: Estimates) -> str:
    """Write `shards.json`; the matrix as one line of JSON.  Raises OptionError."""
    rootdir = launch.rootdir
    known = shards.expected_files(estimates)
    files = {path: took_s for path, took_s in known.items() if (rootdir / path).is_file()}
    first_s = shards.worth_s(launch.plan, estimates)
    shard = launch.options.shard
    count = shard[1] if shard is not None else shards.worth(files, first_s)
    assigned = shards.split(files, count, first_s=first_s)
    path = _folder(config, launch) / shardsfile.NAME
    try:
        write_atomically(path, shardsfile.document(assigned, count))
    except OSError as problem:
        words = problem.strerror or str(problem)
        raise OptionError(f"it cannot be written: {words}", where=str(path)) from None
    what = f"{len(files)} files by their record" if files else "no record yet, so files go by their path"
    sys.stderr.write(f"note: {path} says which shard runs what ({what}); each shard is to be given it\n")
    loads = dict.fromkeys(range(1, count + 1), 0.0)
    loads[shards.FIRST] += first_s
    for name, number in assigned.items():
        loads[number] += files[name]
    rows = [
        {"shard": f"{number}/{count}", "index": number, "count": count, "expected_s": round(load_s, 3)}
        for number, load_s in loads.items()
    ]
    return json.dumps({"include": rows}, separators=(",", ":"))


def _folder(config: pytest.Config, launch: Launch) -> Path:
    """The report folder, else the rootdir."""
    if launch.options.report_dir is None:
        return launch.rootdir
    return ready_folder(config.invocation_params.dir, launch.options.report_dir)
