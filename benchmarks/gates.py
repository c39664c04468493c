"""Section "gates": tests, lint, typecheck and security of a project, under each way to run them all."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from benchmarks.contest import Contender, Result, contest
from benchmarks.prepare import Prepared
from benchmarks.rows import HEADER, Goal, Table, at_least, rows_of
from benchmarks.suites import (
    ALONE,
    OURS,
    OURS_FRESH,
    WORKERS,
    XDIST,
    chosen,
    forget_history,
    ours_argv,
    pytest_argv,
)

SCRIPT = "script, in a row"
MIN_SCRIPT_S = 3.0  # shorter projects are shown, and no goal is set for them
SCRIPT_GOAL, PEER_GOAL = 2.0, 1.3


def gates_config(prepared: Prepared) -> Path:
    """The batchgate configuration of all four gates.  JSON is YAML that needs no quoting rules."""
    gates: dict[str, object] = {"unit": {"tests": True}}
    for name, words in prepared.project.tools.items():
        gates[name] = {"run": prepared.module(*words)}
    path = prepared.work / "batchgate.yaml"
    path.write_text(json.dumps({"version": 1, "gates": gates}, indent=2), encoding="utf-8")
    return path


def _commands(prepared: Prepared, tests: list[str]) -> dict[str, list[str]]:
    return {"unit": tests} | {name: prepared.module(*words) for name, words in prepared.project.tools.items()}


def _script(prepared: Prepared, commands: dict[str, list[str]]) -> Path:
    lines = [f"{shlex.join(argv)} || status=1" for argv in commands.values()]
    path = prepared.work / "gates.sh"
    path.write_text("\n".join(["status=0", *lines, "exit $status", ""]), encoding="utf-8")
    return path


def _makefile(prepared: Prepared, name: str, commands: dict[str, list[str]]) -> Path:
    rules = [f"{gate}:\n\t{shlex.join(argv)}\n" for gate, argv in commands.items()]
    names = " ".join(commands)
    path = prepared.work / f"{name}.mk"
    path.write_text(f"all: {names}\n.PHONY: all {names}\n" + "".join(rules), encoding="utf-8")
    return path


def _tox_file(prepared: Prepared, commands: dict[str, list[str]]) -> Path:
    """tox environments made beforehand, nothing installed: each calls the project's own environment."""
    parts = [
        "[tox]",
        f"env_list = {','.join(commands)}",
        "no_package = true",
        "[testenv]",
        "skip_install = true",
        "pass_env = *",
        f"allowlist_externals = {prepared.python}",
        "change_dir = {tox_root}",
    ]
    for gate, argv in commands.items():
        parts += [f"[testenv:{gate}]", f"commands = {shlex.join(argv)}"]
    path = prepared.work / "tox.ini"
    path.write_text("\n".join([*parts, ""]), encoding="utf-8")
    return path


def gates_contenders(prepared: Prepared) -> list[Contender]:
    def contender(name: str, argv: list[str]) -> Contender:
        return Contender(name=name, argv=argv, cwd=prepared.source, junit_by="env")

    commands = _commands(prepared, pytest_argv(prepared, "gates-plain", *ALONE))
    parallel = _commands(prepared, pytest_argv(prepared, "gates-xdist", *XDIST, "-n", str(WORKERS)))
    jobs = f"-j{WORKERS}"
    make = ["make", "-k", jobs, "-C", str(prepared.source), "-f"]
    tox = ["run-parallel", "-c", str(_tox_file(prepared, commands)), "--root", str(prepared.source)]
    tox += ["--workdir", str(prepared.work / "tox"), "--parallel", str(WORKERS), "--parallel-no-spinner"]
    found = [
        contender(SCRIPT, ["sh", str(_script(prepared, commands))]),
        contender(f"make {jobs}", [*make, str(_makefile(prepared, "plain", commands))]),
        contender(f"make {jobs}, pytest -n {WORKERS}", [*make, str(_makefile(prepared, "xdist", parallel))]),
        contender(f"tox -p {WORKERS}", prepared.module("tox", *tox)),
    ]
    if prepared.has_ours:
        config = gates_config(prepared)
        fresh = Contender(
            name=OURS_FRESH,
            argv=ours_argv(prepared, "gates-fresh", config),
            cwd=prepared.source,
            before=forget_history(prepared, "gates-fresh"),
            junit_by="env",
        )
        found += [fresh, contender(OURS, ours_argv(prepared, "gates-ours", config))]
    return found


def measure_gates(
    prepared: Prepared, *, rounds: int, junit_always: bool, keep: tuple[str, ...] = ()
) -> Table:
    project = prepared.project
    results = contest(
        chosen(gates_contenders(prepared), keep),
        rounds=rounds,
        work=prepared.work,
        racy=project.racy,
        junit_always=junit_always,
    )
    return Table(
        title=f"{project.name} {project.version}: tests, ruff, mypy and bandit",
        header=HEADER,
        rows=rows_of(results),
        goals=tuple(_goals(project.name, {result.name: result for result in results})),
    )


def _goals(project: str, by_name: dict[str, Result]) -> list[Goal]:
    script = by_name[SCRIPT]
    if OURS not in by_name or script.summary.wall_s <= MIN_SCRIPT_S:
        return []
    ours = by_name[OURS]
    peers = [result for name, result in by_name.items() if name not in {SCRIPT, OURS, OURS_FRESH}]
    goals = [at_least(f"{project}, all gates: script / batchgate", script, ours, SCRIPT_GOAL)]
    if peers:
        best = min(peers, key=lambda result: result.summary.wall_s)
        goals.append(at_least(f"{project}, all gates: {best.name} / batchgate", best, ours, PEER_GOAL))
    return goals
