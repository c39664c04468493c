"""Section "tests": a project's own suite alone, under each runner."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.contest import Contender, contest
from benchmarks.prepare import Prepared
from benchmarks.rows import HEADER, Goal, Table, at_least, rows_of

WORKERS = 2
OURS = f"batchgate, {WORKERS} workers"
OURS_FRESH = f"{OURS}, no history"
OURS_PLAIN = f"{OURS}, plain bridge"

# Each contender loads its own plugin and not the others'.
ALONE = ("-p", "no:batchgate", "-p", "no:xdist")
XDIST = ("-p", "no:batchgate")


def cache_option(prepared: Prepared, contender: str) -> str:
    """Every contender keeps a pytest cache of its own, so that none meets another's history."""
    return f"cache_dir={prepared.work / 'caches' / contender}"


def pytest_argv(prepared: Prepared, cache: str, *words: str) -> list[str]:
    return prepared.module(
        "pytest", "-o", cache_option(prepared, cache), *words, *prepared.project.pytest_args
    )


def ours_argv(prepared: Prepared, cache: str, config: Path, *words: str) -> list[str]:
    ours = ("-p", "no:xdist", "--batch-gates", f"--batch-workers={WORKERS}", f"--batch-config={config}")
    return pytest_argv(prepared, cache, *ours, *words)


def forget_history(prepared: Prepared, cache: str) -> Callable[[], None]:
    folder = prepared.work / "caches" / cache / "batchgate"
    return lambda: shutil.rmtree(folder, ignore_errors=True)


def tests_config(prepared: Prepared) -> Path:
    """A configuration with one gate: every test."""
    path = prepared.work / "tests-only.yaml"
    path.write_text("version: 1\ngates:\n  unit: {tests: true}\n", encoding="utf-8")
    return path


def plain(prepared: Prepared, without: Sequence[str] = ()) -> Contender:
    words = [*ALONE, *(f"--deselect={path}" for path in without)]
    return Contender(
        name="pytest", argv=pytest_argv(prepared, "plain", *words), cwd=prepared.source, junit_by="argv"
    )


def ours(
    prepared: Prepared,
    name: str = OURS,
    cache: str = "ours",
    without: Sequence[str] = (),
    **more: str,
) -> Contender:
    """``without`` are files that it leaves out; ``more`` is added to the environment."""
    return Contender(
        name=name,
        argv=ours_argv(prepared, cache, tests_config(prepared), *(f"--deselect={path}" for path in without)),
        cwd=prepared.source,
        env=more,
        junit_by="argv",
    )


def chosen(contenders: list[Contender], keep: tuple[str, ...]) -> list[Contender]:
    """The first, whom the others are compared with, and those named by a word of ``keep``; or all."""
    return [one for one in contenders if not keep or one is contenders[0] or any(w in one.name for w in keep)]


def tests_contenders(prepared: Prepared) -> list[Contender]:
    found = [plain(prepared)]
    for name, words in (
        (f"pytest -n {WORKERS}", ("-n", str(WORKERS))),
        (f"pytest -n {WORKERS} --dist worksteal", ("-n", str(WORKERS), "--dist", "worksteal")),
    ):
        argv = pytest_argv(prepared, name.replace(" ", ""), *XDIST, *words)
        found.append(Contender(name=name, argv=argv, cwd=prepared.source, junit_by="argv"))
    if prepared.has_ours:
        config = tests_config(prepared)
        fresh = Contender(
            name=OURS_FRESH,
            argv=ours_argv(prepared, "ours-fresh", config),
            cwd=prepared.source,
            before=forget_history(prepared, "ours-fresh"),
            junit_by="argv",
        )
        found.extend([fresh, ours(prepared)])
    return found


def measure_tests(
    prepared: Prepared, *, rounds: int, junit_always: bool, keep: tuple[str, ...] = ()
) -> Table:
    project = prepared.project
    results = contest(
        chosen(tests_contenders(prepared), keep),
        rounds=rounds,
        work=prepared.work,
        racy=project.racy,
        junit_always=junit_always,
    )
    by_name = {result.name: result for result in results}
    goals: list[Goal] = []
    if OURS in by_name and "plain" in project.goals:
        what = f"{project.name}: pytest / batchgate"
        goals.append(at_least(what, by_name["pytest"], by_name[OURS], project.goals["plain"]))
    return Table(
        title=f"{project.name} {project.version}: tests alone",
        header=HEADER,
        rows=rows_of(results),
        goals=tuple(goals),
    )
