"""Are our outcomes plain pytest's?  JUnit of both, case by case, on the fast path and on the plain one.

A check, not a measurement: the CI runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.contest import Contender, junit_path, outcome_of
from benchmarks.gates import gates_config
from benchmarks.junitdiff import JunitError, compare_files, file_patterns, nodeid_pattern
from benchmarks.measure import Run, run
from benchmarks.prepare import Prepared, clean_environment
from benchmarks.suites import OURS, OURS_PLAIN, ours, ours_argv, plain

SHOWN = 20
SHOWN_LINES = 40


def check_outcomes(prepared: Prepared, *, quick: bool = False) -> bool:
    """Print what differs; True when nothing does.  Two runs at a time: plain pytest leaves cores idle.

    ``quick``: the project's longest files are left out of all runs, not of the plain path's alone.
    """
    left_out = prepared.project.left_out
    reference = plain(prepared, left_out if quick else ())
    slow = ours(prepared, OURS_PLAIN, "outcomes-plain-bridge", left_out, BATCHGATE_BRIDGE="plain")
    contenders = [
        (ours(prepared, OURS, "outcomes-ours", left_out if quick else ()), ()),
        (slow, left_out),
    ]
    with ThreadPoolExecutor(max_workers=2) as pool:
        expecting = pool.submit(run_contender, prepared, reference)
        doing = [pool.submit(run_contender, prepared, contender) for contender, _ in contenders]
    expected = expecting.result()
    good = True
    for (contender, without), done in zip(contenders, (each.result() for each in doing), strict=True):
        lines = _differences(prepared, reference, contender, expected, done, without)
        counts = dict(outcome_of(done).counts)
        print(f"{prepared.project.name}, {contender.name}: {_verdict(lines, counts)} ({done.wall_s:.1f} s)")
        show(lines, done)
        good = good and not lines
    return good


def check_gates(prepared: Prepared, *, quick: bool = False) -> bool:  # noqa: ARG001 - as every check
    """All four gates in one command, each of which must pass (racy tests left out); True when they do."""
    left_out = [f"--deselect={pattern.removesuffix('*')}" for pattern in prepared.project.racy]
    argv = ours_argv(prepared, "outcomes-gates", gates_config(prepared), *left_out)
    done = run_contender(prepared, Contender(name="all gates", argv=argv, cwd=prepared.source))
    lines = [] if done.exit_code == 0 else [f"exit code {done.exit_code}"]
    lines += [f"{gate} is not in the output" for gate in prepared.project.tools if gate not in done.output]
    print(f"{prepared.project.name}, all gates: {'; '.join(lines) or 'passed'} ({done.wall_s:.1f} s)")
    show(lines, done)
    return not lines


def run_contender(prepared: Prepared, contender: Contender) -> Run:
    argv = list(contender.argv)
    if contender.junit_by:
        path = junit_path(contender, prepared.work)
        path.unlink(missing_ok=True)
        argv.append(f"--junitxml={path}")
    log = junit_path(contender, prepared.work).with_suffix(".outcomes.log")
    return run(argv, cwd=contender.cwd, env={**clean_environment(), **contender.env}, log=log)


def _differences(
    prepared: Prepared,
    reference: Contender,
    contender: Contender,
    expected: Run,
    done: Run,
    without: Sequence[str],
) -> Sequence[str]:
    racy = [nodeid_pattern(pattern) for pattern in prepared.project.racy]
    lines = ["timed out"] if done.timed_out else []
    raced = outcome_of(expected).failed ^ outcome_of(done).failed
    if expected.exit_code != done.exit_code and not raced:
        lines.append(f"exit code {expected.exit_code} of pytest, {done.exit_code} of batchgate")
    try:
        left, right = junit_path(reference, prepared.work), junit_path(contender, prepared.work)
        dropped = [pattern for path in without for pattern in file_patterns(path)]
        return [*lines, *compare_files(left, right, racy=racy, left_out=dropped)]
    except JunitError as error:
        return [*lines, str(error)]


def _verdict(lines: Sequence[str], counts: dict[str, int]) -> str:
    summary = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    return f"{len(lines)} differences from pytest" if lines else f"equal to pytest, case by case: {summary}"


def show(lines: Sequence[str], done: Run) -> None:
    for line in lines[:SHOWN]:
        print(f"  {line}")
    if lines:
        print("  --- the end of its output ---")
        print("\n".join(f"  {line}" for line in done.output.splitlines()[-SHOWN_LINES:]))
