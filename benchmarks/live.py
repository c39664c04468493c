"""Section "live": what drawing the live tree costs a run, beside the same run in plain lines.

Both runs have a terminal (`benchmarks/onterminal.py`), the plain one a terminal that cannot redraw.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.contest import Contender, contest
from benchmarks.prepare import Prepared
from benchmarks.rows import HEADER, Goal, Table, rows_of
from benchmarks.suites import ours_argv

LIVE_SHARE = 0.03
FILES, TESTS_PER_FILE, PARTS = 30, 100, 3
SPIN_S = 0.002  # of CPU in each test, so that drawing and tests contend for it
LINES, TREE = "batchgate, plain lines", "batchgate, live tree"
_TERMINAL = Path(__file__).resolve().parent / "onterminal.py"

_TESTS = f"""\
import time
import pytest

@pytest.mark.parametrize("n", range({TESTS_PER_FILE}))
def test_that_computes(n):
    end = time.thread_time() + {SPIN_S}
    while time.thread_time() < end:
        pass
"""


def write_suite(folder: Path) -> Path:
    """3,000 tests in 30 files, six seconds of work; a gate for each third of them, after two commands."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    gates: dict[str, object] = {
        "first": {"run": [sys.executable, "-c", "pass"], "stage": "static"},
        "second": {"run": [sys.executable, "-c", "pass"], "stage": "static"},
    }
    for number in range(FILES):
        part = folder / f"part{number % PARTS}"
        part.mkdir(exist_ok=True)
        (part / f"test_{number:02}.py").write_text(_TESTS, encoding="utf-8")
    for number in range(PARTS):
        gates[f"unit-{number}"] = {"paths": [f"part{number}"], "stage": "test"}
    config = {"version": 1, "stages": ["static", "test"], "gates": gates}
    path = folder / "batchgate.yaml"
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    return path


def measure_live(prepared: Prepared, *, rounds: int) -> Table:
    folder = prepared.work / "live"
    config = write_suite(folder)
    contenders = [
        Contender(
            name=name,
            argv=[sys.executable, str(_TERMINAL), *ours_argv(prepared, f"live-{term}", config)],
            cwd=folder,
            env={"TERM": term},
        )
        for name, term in ((LINES, "dumb"), (TREE, "xterm-256color"))
    ]
    results = contest(contenders, rounds=rounds, work=folder)
    lines, tree = (result.summary for result in results)
    cpus_s = [[run.cpu_s for run in result.runs] for result in results]
    noise = lines.noise or tree.noise
    return Table(
        title=f"the live tree over {FILES * TESTS_PER_FILE:,} tests of {SPIN_S * 1000:.0f} ms",
        header=HEADER,
        rows=rows_of(results),
        goals=(
            _goal("share of a run that the live tree takes", lines.walls_s, tree.walls_s, noise),
            # Of CPU time others on the machine take less away.
            _goal("share of its CPU time", cpus_s[0], cpus_s[1], noise),
        ),
        note="The terminal reads and forgets; the CPU seconds include its own.",
    )


def _goal(what: str, plain: Sequence[float], drawn: Sequence[float], noise: str | None) -> Goal:
    shares = [tree / lines - 1 for lines, tree in zip(plain, drawn, strict=True)]
    share = statistics.median(shares)
    return Goal(
        what=what,
        target=f"< {LIVE_SHARE:.0%}",
        value=f"{share:.1%} ({min(shares):.1%} to {max(shares):.1%})",
        met=share < LIVE_SHARE,
        noise=noise,
    )
