"""Four shards, joined: are they the run of plain pytest, case by case?

A check, not a measurement: the CI runs it.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks.contest import Contender, junit_path
from benchmarks.junitdiff import differences, nodeid_pattern, read_cases
from benchmarks.measure import Run, run
from benchmarks.outcomes import run_contender, show
from benchmarks.prepare import Prepared, clean_environment
from benchmarks.suites import ours_argv, plain, tests_config

COUNT = 4


def check_shards(prepared: Prepared, *, quick: bool = False) -> bool:
    """Print what differs; True when nothing does.  Two runs at a time."""
    left_out = prepared.project.left_out if quick else ()
    reference = plain(prepared, left_out)
    folder = prepared.work / "shards"
    shutil.rmtree(folder, ignore_errors=True)
    words = [f"--deselect={path}" for path in left_out]
    shards = [
        Contender(
            name=f"shard {index}",
            argv=ours_argv(
                prepared,
                f"shard-{index}",
                tests_config(prepared),
                f"--batch-shard={index}/{COUNT}",
                f"--batch-report-dir={folder / str(index)}",
                *words,
            ),
            cwd=prepared.source,
        )
        for index in range(1, COUNT + 1)
    ]
    with ThreadPoolExecutor(max_workers=2) as pool:
        _, *parts = pool.map(lambda each: run_contender(prepared, each), [reference, *shards])
    merged = _merged(prepared, folder)
    racy = [nodeid_pattern(pattern) for pattern in prepared.project.racy]
    lines = [f"exit code {merged.exit_code} of the merge"] if merged.exit_code not in {0, 1} else []
    # A racy test may fail a run of either kind; nothing else may be amiss with the parts.
    lines += [line.strip() for line in merged.output.splitlines() if "] note: " in line]
    # Which tests, and how they ended: the texts of another kind of file are written otherwise.
    left, right = (
        [
            replace(case, outcome=case.outcome.replace("xfail", "skipped"), text="")
            for case in read_cases(path)
        ]
        for path in (junit_path(reference, prepared.work), folder / "all" / "junit.xml")
    )
    lines += differences(left, right, racy=racy) if left else ["there is no test case"]
    verdict = f"{len(lines)} differences from pytest" if lines else "equal to pytest, case by case"
    took_s = max(part.wall_s for part in parts)
    print(f"{prepared.project.name}, {COUNT} shards joined: {verdict} (the longest took {took_s:.1f} s)")
    show(lines, merged)
    return not lines


def _merged(prepared: Prepared, folder: Path) -> Run:
    argv = prepared.module("pytest_batchgate", "merge", str(folder), "--out", str(folder / "all"))
    return run(argv, cwd=prepared.source, env=clean_environment(), log=folder / "merge.log")
