"""A repository without configuration: what runs, what is told, and what `--batch-init` writes."""

from __future__ import annotations

import json

import pytest
from plugin_kit import Ran, Repo

from pytest_batchgate.config import find_source, load_config

pytestmark = pytest.mark.integration

PROJECT = """\
[project]
name = "shop"
version = "1"

[dependency-groups]
dev = ["ruff", "no-such-tool", "bandit"]

[tool.mypy]
strict = true

[tool.pytest.ini_options]
markers = ["integration: needs a database"]
"""


def shop(repo: Repo) -> Repo:
    repo.write("pyproject.toml", PROJECT)
    repo.write("shop.py", "PRICE: int = 3\n")
    repo.write(
        "test_shop.py",
        "import shop\n\n\ndef test_price() -> None:\n    if shop.PRICE != 3:\n        raise ValueError\n",
    )
    repo.write(
        "test_db.py", "import pytest\n\n\n@pytest.mark.integration\ndef test_db() -> None:\n    pass\n"
    )
    return repo


def states(ran: Ran) -> dict[str, str]:
    """Gate -> state, from the closing table."""
    lines = ran.lines
    start = next(n for n, line in enumerate(lines) if line.split()[:2] == ["gate", "state"])
    rows = lines[start + 1 : lines.index("", start)]
    return {row.split()[0]: row.split()[1] for row in rows}


def test_the_tools_and_tests_of_a_repository_become_its_gates(repo: Repo) -> None:
    ran = shop(repo).gates()
    assert ran.code == 0, ran
    assert states(ran) == dict.fromkeys(["lint", "typecheck", "security", "unit", "integration"], "passed"), (
        ran
    )
    assert "  lint: ruff check . (a dependency in the dependency group 'dev' in pyproject.toml)" in ran.lines
    assert "  typecheck: mypy shop.py (configured by [tool.mypy] in pyproject.toml)" in ran.lines
    assert "  left out:" not in ran.lines, ran  # nothing that it declares was left out


def test_a_tool_that_cannot_be_run_is_left_out_and_named(repo: Repo) -> None:
    repo.write("pyproject.toml", '[dependency-groups]\ndev = ["ruff"]\n[tool.flake8]\n')
    repo.write(".flake8", "[flake8]\n")
    repo.files(test_a="def test_a(): pass\n")
    ran = repo.gates("--batch-plan", env={"PATH": "/nonexistent", "VIRTUAL_ENV": ""})
    assert ran.code == 0, ran
    assert "left out:" in ran.out, ran


def test_a_quiet_run_tells_in_one_line(repo: Repo) -> None:
    ran = shop(repo).gates("-q", "--batch-select=unit")
    assert ran.code == 0, ran
    told = [line for line in ran.lines if "detected gates:" in line]
    assert len(told) == 1, ran
    assert "lint, typecheck, security, unit, integration" in told[0], ran


def test_a_plan_for_programs_is_not_mixed_with_what_was_detected(repo: Repo) -> None:
    ran = shop(repo).gates("--batch-plan=json")
    assert ran.code == 0, ran
    assert [gate["name"] for gate in json.loads(ran.out)["gates"]].count("lint") == 1
    assert "lint: ruff check ." in ran.err, ran


def test_init_writes_what_was_detected_and_the_next_run_uses_it(repo: Repo) -> None:
    wrote = shop(repo).gates("--batch-init")
    assert wrote.code == 0, wrote
    assert wrote.out.startswith("wrote batchgate.yaml: 5 gates\n"), wrote
    source = find_source(repo.root, None)
    assert source is not None
    assert [gate.name for gate in load_config(source, profile=None).gates] == [
        "lint",
        "typecheck",
        "security",
        "unit",
        "integration",
    ]
    ran = repo.gates("--batch-plan")
    assert ran.code == 0, ran
    assert "detected" not in ran.out, ran


def test_init_never_replaces_a_configuration(repo: Repo) -> None:
    shop(repo).write("batchgate.yml", "gates: {a: {run: ls}}\n")
    before = (repo.root / "batchgate.yml").read_bytes()
    ran = repo.gates("--batch-init")
    assert ran.code == 4, ran
    assert ran.err.strip() == (
        "ERROR: batchgate.yml: the repository is configured already. Nothing was written"
    )
    assert (repo.root / "batchgate.yml").read_bytes() == before
    assert not (repo.root / "batchgate.yaml").exists()


@pytest.mark.parametrize("option", ["--batch-plan", "--batch-profile=ci", "--batch-config=x.yaml"])
def test_init_goes_with_no_option_that_reads_a_configuration(repo: Repo, option: str) -> None:
    ran = shop(repo).gates("--batch-init", option)
    assert ran.code == 4, ran
    assert f"--batch-init with {option.partition('=')[0]}" in ran.err, ran
    assert not (repo.root / "batchgate.yaml").exists()


def test_nothing_to_detect_is_one_message(repo: Repo) -> None:
    repo.write("pyproject.toml", '[project]\nname = "empty"\nversion = "1"\n')
    ran = repo.gates()
    assert ran.code == 4, ran
    assert ran.err.startswith("ERROR: no gate was found in this repository ("), ran
    assert ran.err.strip().endswith("Write one in batchgate.yaml, under `gates`"), ran


def test_a_profile_without_a_configuration_is_refused(repo: Repo) -> None:
    ran = shop(repo).gates("--batch-profile=ci")
    assert ran.code == 4, ran
    assert "there is no configuration, and so no profile 'ci'" in ran.err, ran


def test_what_addopts_deselects_stays_out(repo: Repo) -> None:
    repo.write(
        "pyproject.toml",
        '[tool.pytest.ini_options]\nmarkers = ["integration", "slow"]\naddopts = "-m \'not slow\'"\n',
    )
    repo.files(
        test_a="""\
        import pytest

        def test_quick(): pass

        @pytest.mark.slow
        def test_slow(): raise SystemExit(9)

        @pytest.mark.integration
        def test_whole(): pass

        @pytest.mark.integration
        @pytest.mark.slow
        def test_both(): raise SystemExit(9)
        """
    )
    ran = repo.gates()
    assert ran.code == 0, ran
    assert sorted(case.name for case in ran.junit.cases) == ["test_quick", "test_whole"], ran
    assert states(ran) == {"unit": "passed", "integration": "passed"}
