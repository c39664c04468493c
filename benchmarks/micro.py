"""Section "micro": what one test costs when it does nothing."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contest import Contender, Result, contest
from benchmarks.prepare import Prepared
from benchmarks.rows import HEADER, Goal, Row, Table, rows_of
from benchmarks.suites import ALONE, OURS, ours_argv, pytest_argv, tests_config

PROBE = Path(__file__).resolve().parent / "probe"
SIZES = (2_000, 20_000)  # figures per test are slopes between the two: starting costs cancel out
TESTS_PER_FILE = 200
ONE_TEST_EXTRA_S = 0.25
CPU_PER_TEST_US = 30.0
BYTES_PER_TEST = 200.0
PLAIN = "pytest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the controller's own process used; of plain pytest, its only process."""

    cpu_s: float
    peak_rss_bytes: int


def write_suite(folder: Path, tests: int) -> Path:
    """``tests`` tests that do nothing, in files of 200, with an ini file of their own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    for number in range(-(-tests // TESTS_PER_FILE)):
        count = min(TESTS_PER_FILE, tests - number * TESTS_PER_FILE)
        body = "".join(f"def test_{n}():\n    pass\n\n\n" for n in range(count))
        (folder / f"test_{number:04}.py").write_text(body, encoding="utf-8")
    return folder


def _contenders(prepared: Prepared, folder: Path) -> list[Contender]:
    costs = folder / "costs"
    env = {"PYTHONPATH": str(PROBE), "PROBE_DIR": str(costs)}

    def before() -> None:
        costs.mkdir(exist_ok=True)

    probe = ("-p", "batchgate_probe")
    argvs = {PLAIN: pytest_argv(prepared, f"{folder.name}-plain", *ALONE, *probe)}
    if prepared.has_ours:
        argvs[OURS] = ours_argv(prepared, f"{folder.name}-ours", tests_config(prepared), *probe)
    return [
        Contender(name=name, argv=argv, cwd=folder, env=env, before=before, junit_by=None)
        for name, argv in argvs.items()
    ]


def _cost(folder: Path, result: Result) -> Cost:
    """Medians over the rounds of what the controller wrote down."""
    found = [
        json.loads((folder / "costs" / f"{run.pid}.json").read_text(encoding="utf-8")) for run in result.runs
    ]
    return Cost(
        cpu_s=statistics.median(cost["cpu_s"] for cost in found),
        peak_rss_bytes=int(statistics.median(cost["peak_rss_bytes"] for cost in found)),
    )


def measure_one_test(prepared: Prepared, *, rounds: int) -> Table:
    folder = write_suite(prepared.work / "one", 1)
    results = contest(_contenders(prepared, folder), rounds=rounds, work=folder)
    goals: list[Goal] = []
    if len(results) > 1:
        plain, ours = (result.summary for result in results)
        extra_s = [second - first for first, second in zip(plain.walls_s, ours.walls_s, strict=True)]
        goals.append(
            Goal(
                what="one tiny test: batchgate - pytest",
                target=f"<= {ONE_TEST_EXTRA_S} s",
                value=f"{statistics.median(extra_s):.2f} s ({min(extra_s):.2f} to {max(extra_s):.2f})",
                met=statistics.median(extra_s) <= ONE_TEST_EXTRA_S,
                noise=plain.noise or ours.noise,
            )
        )
    return Table(title="one tiny test", header=HEADER, rows=rows_of(results), goals=tuple(goals))


def measure_per_test(prepared: Prepared, *, rounds: int, sizes: tuple[int, int] = SIZES) -> Table:
    """CPU and memory of the controller, per passed test."""
    costs: dict[str, list[Cost]] = {}
    results: dict[str, list[Result]] = {}
    for tests in sizes:
        folder = write_suite(prepared.work / f"tiny-{tests}", tests)
        for result in contest(_contenders(prepared, folder), rounds=rounds, work=folder):
            costs.setdefault(result.name, []).append(_cost(folder, result))
            results.setdefault(result.name, []).append(result)
    more = sizes[1] - sizes[0]
    rows = tuple(_row(name, results[name], costs[name], more) for name in costs)
    return Table(
        title=f"per passed test, from {sizes[0]:,} to {sizes[1]:,} tests that do nothing",
        header=("", "wall us", "controller CPU us", "controller bytes", "wall s", "peak MB", "same outcome"),
        rows=rows,
        goals=tuple(_goals(rows, [result for pair in results.values() for result in pair])),
        note="Of plain pytest the controller is the only process. Bytes are of its peak memory.",
    )


def _row(name: str, results: Sequence[Result], costs: Sequence[Cost], more: int) -> Row:
    (few, many), (few_cost, many_cost) = results, costs
    wall_us = 1e6 * (many.summary.wall_s - few.summary.wall_s) / more
    cpu_us = 1e6 * (many_cost.cpu_s - few_cost.cpu_s) / more
    rss = (many_cost.peak_rss_bytes - few_cost.peak_rss_bytes) / more
    equal = few.equal and many.equal
    unlike = [*few.unlike, *many.unlike]
    return Row(
        cells=(
            name,
            f"{wall_us:.0f}",
            f"{cpu_us:.1f}",
            f"{rss:.0f}",
            f"{many.summary.wall_s:.2f}",
            f"{many_cost.peak_rss_bytes / 1e6:.0f}",
            "yes" if equal else "no",
        ),
        data={
            "contender": name,
            "wall_us_per_test": wall_us,
            "controller_cpu_us_per_test": cpu_us,
            "controller_bytes_per_test": rss,
            "equal": equal,
            "unlike": unlike,
        },
        notes=tuple(f"{name}: outcome: {line}" for line in unlike[:5]),
    )


def _goals(rows: Sequence[Row], results: Sequence[Result]) -> list[Goal]:
    if len(rows) < 2:
        return []
    plain, ours = (row.data for row in rows)
    noise = next((result.summary.noise for result in results if result.summary.noise), None)
    cpu_us = ours["controller_cpu_us_per_test"]
    beyond = ours["controller_bytes_per_test"] - plain["controller_bytes_per_test"]
    return [
        Goal(
            what="controller CPU per test",
            target=f"<= {CPU_PER_TEST_US:.0f} us",
            value=f"{cpu_us:.1f} us",
            met=cpu_us <= CPU_PER_TEST_US,
            noise=noise,
        ),
        Goal(
            what="controller memory per passed test, beyond pytest's",
            target=f"< {BYTES_PER_TEST:.0f} bytes",
            value=f"{beyond:.0f} bytes",
            met=beyond < BYTES_PER_TEST,
            noise=noise,
        ),
    ]
