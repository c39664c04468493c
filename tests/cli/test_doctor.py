"""`batchgate doctor`: what it sees, what it says to do about it, and that it changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from pytest_batchgate import __version__
from pytest_batchgate.cli import main
from pytest_batchgate.core.model import Config
from pytest_batchgate.doctor import folders, limits, surroundings, trial, versions
from pytest_batchgate.doctor.check import Check
from pytest_batchgate.doctor.place import find_rootdir
from pytest_batchgate.doctor.programs import check_gates
from pytest_batchgate.doctor.settings import read_configuration
from pytest_batchgate.store import schema

GOOD = """\
version: 1
gates:
  lint: {run: ruff check .}
  unit: {tests: true}
profiles:
  ci: {workers: 2}
"""


def doctor(
    folder: Path, *args: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "BATCHGATE"))
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest_batchgate", "doctor", *args],
        cwd=folder,
        env={**kept, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_yaml", ".yaml").replace("_toml", ".toml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Every file and folder with what is in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def named(checks: Any, name: str) -> list[Check]:
    return [check for check in checks if check.name == name]


def configured(folder: Path, profile: str | None = None) -> list[Check]:
    return list(read_configuration(folder, None, profile).checks)


def gates(folder: Path, env: Mapping[str, str] | None = None) -> list[Check]:
    found = read_configuration(folder, None, None)
    assert found.config is not None, found.checks
    return list(check_gates(folder, found.gates, os.environ if env is None else env))


# --- the command ---------------------------------------------------------------------


@pytest.mark.integration
def test_a_sound_repository_has_no_problems_and_stays_as_it_is(tmp_path: Path) -> None:
    """From a folder below the root; a worker is really started."""
    write(tmp_path, batchgate_yaml=GOOD, pyproject_toml="", src__a="")
    before = contents(tmp_path)
    done = doctor(tmp_path / "src")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"batchgate doctor: {tmp_path}"
    assert lines[-1].startswith("no problems")
    assert [line for line in lines if line and not line.startswith(" ")][1:-1] == [
        "versions",
        "configuration",
        "gates",
        "limits",
        "folders",
        "workers",
        "surroundings",
    ]
    shown = " ".join(done.stdout.split())
    assert f"ok pytest-batchgate {__version__}" in shown
    assert "ok file batchgate.yaml: 2 gates" in shown
    assert "ok profile ci" in shown
    assert f"bin/ruff, {metadata.version('ruff')}" in shown
    assert "ok start one started and answered in " in shown
    assert not done.stderr
    assert contents(tmp_path) == before


@pytest.mark.integration
def test_problems_are_told_to_programs_too(tmp_path: Path) -> None:
    """Each with what to do; the exit code is 1."""
    text = "version: 1\ngates: {lint: {run: no-such-tool .}, unit: {test: true}}\n"
    write(tmp_path, batchgate_yaml=text)
    done = doctor(tmp_path, "--json", "--rootdir", str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["schema"], told["rootdir"]) == (1, str(tmp_path))
    problems = [check for check in told["checks"] if check["level"] == "problem"]
    assert told["problems"] == len(problems) == 1
    assert problems[0]["section"] == "configuration"
    assert problems[0]["text"] == "batchgate.yaml:2: 'test' is not a key of a gate"
    assert problems[0]["todo"] == "Did you mean 'tests'?"
    assert all(set(check) == {"section", "name", "level", "text", "todo"} for check in told["checks"])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "COMMAND"),
        (["docter"], "invalid choice"),
        (["doctor", "--no-such"], "unrecognized arguments"),
        (["stats", "--limit", "0"], "argument --limit: '0' is no number of at least 1"),
        (["monitor", "--limit", "1"], "unrecognized arguments"),
        (["logs", "a", "b"], "unrecognized arguments"),
        (["merge"], "DIR"),
        (["merge", "/no/such", "/either"], "/no/such: there is no report of a shard (No such file"),
        (["doctor", "--rootdir", "/no/such/folder"], "there is no folder"),
    ],
)
def test_mistakes_in_the_arguments_are_usage_errors(
    args: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: Any = main(args)
    except SystemExit as error:
        code = error.code
    told = capsys.readouterr()
    assert (code, told.out) == (4, "")
    assert words in told.err


def test_it_is_installed_under_its_name() -> None:
    (point,) = metadata.entry_points(group="console_scripts", name="batchgate")
    assert point.load() is main


# --- configuration ---------------------------------------------------------------------


def test_the_root_is_the_nearest_folder_that_looks_like_one(tmp_path: Path) -> None:
    write(tmp_path, pyproject_toml="", one__batchgate_yaml=GOOD, one__two__file="", three__file="")
    assert find_rootdir(tmp_path / "one" / "two") == tmp_path / "one"
    assert find_rootdir(tmp_path / "three") == tmp_path


def test_gates_are_told_where_nothing_is_configured(tmp_path: Path) -> None:
    toml = '[project]\nname = "x"\n[dependency-groups]\ndev = ["ruff"]\n'
    checks = configured(write(tmp_path, pyproject_toml=toml, **{"test_a.py": ""}), profile="ci")
    assert [check.level for check in named(checks, "profile")] == ["problem"]
    assert "there is none: 2 gates detected" in named(checks, "file")[0].text
    assert [check.text.partition(":")[0] for check in named(checks, "found")] == ["lint", "unit"]
    assert {check.text.partition(":")[0] for check in named(checks, "left out")} == {
        "typecheck",
        "security",
        "integration",
    }


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("version: 1\n", "file", "there are no gates"),
        ("version: 1\ngates: {a: {run: x, needs: [b]}}\n", "gates", "needs 'b', which is no gate"),
        ("version: 1\ngates: {a: {tests: 'not'}}\n", "gates", "is no marker expression"),
        ("version: 1\ngates: {a: {run: x, parser: rufff}}\n", "gates", "there is no parser 'rufff'"),
        (GOOD + "  bad: {gates: {lint: {needs: [nobody]}}}\n", "profile bad", "which is no gate"),
        (GOOD + "  bad: {gates: {lint: {tests: true}}}\n", "profile bad", "cannot stand beside `run`"),
    ],
)
def test_what_a_run_would_refuse_is_a_problem(tmp_path: Path, text: str, name: str, words: str) -> None:
    checks = configured(write(tmp_path, batchgate_yaml=text))
    (problem,) = [check for check in checks if check.level == "problem"]
    assert problem.name == name
    assert words in problem.text
    assert problem.todo


def test_a_configuration_that_is_never_read_is_noted(tmp_path: Path) -> None:
    toml = "[tool.batchgate.gates]\nunit = {tests = true}\n"
    checks = configured(write(tmp_path, batchgate_yaml=GOOD, pyproject_toml=toml))
    (note,) = [check for check in checks if check.level == "note"]
    assert note.text == "[tool.batchgate] in pyproject.toml is not read, because batchgate.yaml is"


# --- gates -----------------------------------------------------------------------------


def test_what_gates_run_is_looked_for_as_a_run_does(tmp_path: Path) -> None:
    """On the gate's own PATH, from its own folder; what is optional is no problem."""
    write(tmp_path, tools__good="#!/bin/sh\n", tools__plain="", sub__file="")
    (tmp_path / "tools" / "good").chmod(0o755)
    text = f"""
version: 1
gates:
  there: {{run: ../tools/good --all, cwd: sub}}
  on-path: {{run: good, env: {{PATH: '{tmp_path}/tools'}}}}
  line: {{run: {{shell: 'nothing is looked for'}}}}
  missing: {{run: no-such-tool .}}
  optional: {{run: ruff-of-tomorrow ., required: false}}
  plain: {{run: tools/plain}}
  lost: {{run: good, cwd: nowhere}}
  module: {{run: [{sys.executable}, -m, vulture]}}
  moved: {{paths: [tests/old]}}
  unit: {{tests: true}}
"""
    checks = gates(write(tmp_path, batchgate_yaml=text))
    assert {check.name: (check.level, check.text) for check in checks} == {
        "there": ("ok", f"{tmp_path}/tools/good"),
        "on-path": ("ok", f"{tmp_path}/tools/good"),
        "line": ("ok", "a line for /bin/sh; the programs in it are not looked for"),
        "missing": ("problem", "command not found: no-such-tool"),
        "optional": ("note", "command not found: ruff-of-tomorrow (not required)"),
        "plain": ("problem", "tools/plain is not executable"),
        "lost": ("problem", "the working directory nowhere is not there"),
        "module": ("problem", f"{sys.executable} has no module vulture"),
        "moved": ("problem", "there is no tests/old"),
    }
    assert all(check.todo for check in checks if check.level != "ok")


def test_a_tool_outside_the_environment_is_asked_for_its_version(tmp_path: Path) -> None:
    write(
        tmp_path,
        tools__make="#!/bin/sh\necho 'Make 4.9'\n",
        batchgate_yaml="version: 1\ngates: {a: {run: make}}\n",
    )
    (tmp_path / "tools" / "make").chmod(0o755)
    (check,) = gates(tmp_path, {"PATH": f"{tmp_path}/tools:/bin"})
    assert check.text == f"{tmp_path}/tools/make, Make 4.9"


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = f"version: 1\ngates: {{db: {{run: ['{sys.executable}'], ready: {{port: {port}}}}}}}\n"
        found = gates(write(tmp_path, batchgate_yaml=text))
    assert [check.level for check in found] == ["ok", "problem"]
    assert found[1].text == f"something listens on port {port} already"
    assert [check.level for check in gates(tmp_path)] == ["ok"]


# --- limits and folders ------------------------------------------------------------------


def test_limits_that_are_too_low_are_problems() -> None:
    """A thousand workers are too many for any limit of files that a process may raise itself to."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1000, before[1]), before[1]))
    try:
        checks = list(limits.check_limits(Config(gates=(), workers=1000)))
        few = list(limits.check_limits(Config(gates=(), workers=1)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    (files,) = named(checks, "open files")
    assert (files.level, files.text) == ("problem", "at most 1000, for 1000 workers")
    assert (files.todo or "").startswith("Raise it")
    assert named(checks, "workers")[0].level == "note"
    assert named(few, "open files")[0].level == "ok"
    assert [check.name for check in few][:3] == ["cpus", "workers", "memory"]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / ".pytest_cache" / "batchgate" / "history.sqlite3"
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as db:
        for migration in schema.MIGRATIONS:
            for statement in migration:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")
        db.execute("PRAGMA journal_mode = WAL")
    db.close()
    return path


@pytest.mark.parametrize(
    ("spoil", "level", "words"),
    [
        ("", "ok", ": 0 runs, "),
        ("PRAGMA user_version = 99", "note", "was written by a newer pytest-batchgate"),
        ("PRAGMA application_id = 5", "note", "is damaged"),
        ("not a database", "note", "is damaged"),
        ("a folder", "note", "is not a regular file"),
    ],
)
def test_the_history_is_read_and_left_alone(
    tmp_path: Path, history: Path, spoil: str, level: str, words: str
) -> None:
    if spoil.startswith("PRAGMA"):
        with sqlite3.connect(history) as db:
            db.execute(spoil)
        db.close()
    elif spoil == "not a database":
        history.write_bytes(b"x" * 5000)
    elif spoil:
        history.unlink()
        history.mkdir()
    before = contents(tmp_path)
    (check,) = named(folders.check_folders(tmp_path, ".pytest_cache"), "history")
    assert (check.level, words in check.text) == (level, True), check
    assert contents(tmp_path) == before


def test_a_cache_that_cannot_be_had_is_noted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (check,) = named(folders.check_folders(tmp_path, "file/cache"), "cache")
    assert (check.level, check.text) == ("note", f"{tmp_path}/file is not a folder: no history, no --lf")
    (check,) = named(folders.check_folders(tmp_path, None), "cache")
    assert "`-p no:cacheprovider` switches it off" in check.text


@pytest.mark.integration
def test_a_worker_that_cannot_start_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here because what it imports as pytest is something else."""
    (good,) = trial.check_worker(tmp_path)
    assert good.level == "ok"
    write(tmp_path, pytest="raise RuntimeError('not the real one')\n")
    (tmp_path / "pytest").rename(tmp_path / "pytest.py")
    monkeypatch.syspath_prepend(tmp_path)
    (bad,) = trial.check_worker(tmp_path)
    assert bad.level == "problem"
    assert bad.text.startswith("could not be started: ")
    assert bad.todo is not None
    assert bad.todo.startswith("Try it alone: ")


# --- around -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "addopts", "name", "level", "words"),
    [
        ({"PYTEST_ADDOPTS": "-n 4"}, [], "PYTEST_ADDOPTS", "problem", "counts as typed"),
        ({"PYTEST_ADDOPTS": "-k 'a"}, [], "PYTEST_ADDOPTS", "problem", "cannot be split into words"),
        ({}, ["-n", "auto"], "addopts", "note", "`-n` there is ignored"),
        ({}, ["--pdb"], "addopts", "problem", "`--pdb` cannot work across worker processes"),
        ({"GITLAB_CI": "true", "CI": "true"}, [], "ci", "ok", "GitLab CI"),
        ({"PYTHONDONTWRITEBYTECODE": "1"}, [], "PYTHONDONTWRITEBYTECODE", "note", "is set: every worker"),
        ({"BATCHGATE": "1", "BATCHGATE_GATE": "unit"}, [], "BATCHGATE", "note", "inside gate 'unit'"),
    ],
)
def test_what_is_around_is_told(
    environ: dict[str, str], addopts: list[str], name: str, level: str, words: str
) -> None:
    (check,) = named(surroundings.check_surroundings(environ, addopts), name)
    assert check.level == level
    assert words in check.text
    assert named(surroundings.check_surroundings({}, ["--nothing"]), name) == [] or name == "ci"


@pytest.mark.parametrize(
    ("environ", "addopts", "level", "words"),
    [
        ({}, [], "ok", "loads it by itself"),
        ({}, ["-p", "no:batchgate"], "problem", "switches it off"),
        ({"PYTEST_ADDOPTS": "-pno:batchgate"}, [], "problem", "switches it off"),
        ({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, [], "problem", "keeps pytest from loading it"),
        ({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, ["-p", versions.PLUGIN], "ok", "named by"),
    ],
)
def test_whether_pytest_loads_the_plugin(
    environ: dict[str, str], addopts: list[str], level: str, words: str
) -> None:
    (check,) = named(versions.check_versions(environ, addopts), "plugin")
    assert check.level == level
    assert words in check.text
