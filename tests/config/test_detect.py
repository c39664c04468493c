"""Which gates a repository gets that configures none, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_batchgate.config.detect import Detected, detect, find_program
from pytest_batchgate.config.testlayout import PytestSettings
from pytest_batchgate.core.model import Command, Tests
from pytest_batchgate.errors import ConfigError

TEST = {"tests/test_a.py": "def test_a(): pass\n"}


def everything(name: str) -> str:
    return f"/usr/bin/{name}"


def nothing(name: str) -> None:
    return None


def repo(
    folder: Path,
    files: dict[str, str],
    *,
    which: Callable[[str], str | None] = everything,
    settings: PytestSettings | None = None,
) -> Detected:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    detected = detect(folder, which=which, settings=settings)
    assert len(detected.found) == len(detected.config.gates)
    for gate, sentence in zip(detected.config.gates, detected.found, strict=True):
        assert sentence.startswith(f"{gate.name}: ")
    return detected


def commands(detected: Detected) -> dict[str, str]:
    return {g.name: g.work.display for g in detected.config.gates if isinstance(g.work, Command)}


def suites(detected: Detected) -> dict[str, Tests]:
    return {g.name: g.work for g in detected.config.gates if isinstance(g.work, Tests)}


def why(detected: Detected, what: str) -> str:
    return "; ".join(reason for name, reason in detected.left_out if name == what)


@pytest.mark.parametrize(
    ("file", "text", "gate", "command"),
    [
        ("pyproject.toml", "[tool.ruff]\n", "lint", "ruff check ."),
        ("pyproject.toml", "[tool.ruff]\nfix = true\n", "lint", "ruff check --no-fix ."),
        ("pyproject.toml", "[tool.ruff.lint]\nselect = ['ALL']\n", "lint", "ruff check ."),
        ("ruff.toml", "", "lint", "ruff check ."),
        (".ruff.toml", "fix = true\n", "lint", "ruff check --no-fix ."),
        (".flake8", "", "lint", "flake8 pkg tests"),
        ("setup.cfg", "[flake8]\nmax-line-length = 99\n", "lint", "flake8 pkg tests"),
        ("tox.ini", "[flake8]\nmax-line-length = 99\n", "lint", "flake8 pkg tests"),
        ("pyproject.toml", "[tool.mypy]\nstrict = true\n", "typecheck", "mypy pkg"),
        ("pyproject.toml", "[tool.mypy]\nfiles = ['pkg']\n", "typecheck", "mypy"),
        ("pyproject.toml", "[tool.mypy]\nfiles = 'pkg, tests/*.py'\n", "typecheck", "mypy"),
        ("pyproject.toml", "[tool.mypy]\nfiles = ['pkg', 'gone']\n", "typecheck", "mypy pkg"),
        ("pyproject.toml", "[tool.mypy]\nfiles = ['/abs']\n", "typecheck", "mypy pkg"),
        ("pyproject.toml", "[tool.mypy]\npackages = ['pkg']\n", "typecheck", "mypy"),
        ("mypy.ini", "[mypy]\nfiles = pkg\n", "typecheck", "mypy"),
        (".mypy.ini", "[mypy]\n", "typecheck", "mypy pkg"),
        ("setup.cfg", "[mypy]\n", "typecheck", "mypy pkg"),
        ("pyproject.toml", "[tool.ty]\n", "typecheck", "ty check pkg"),
        ("pyproject.toml", "[tool.ty.src]\ninclude = ['pkg']\n", "typecheck", "ty check"),
        ("ty.toml", "", "typecheck", "ty check pkg"),
        ("pyproject.toml", "[tool.bandit]\n", "security", "bandit -q -c pyproject.toml -r pkg"),
        (".bandit", "[bandit]\n", "security", "bandit -q --ini .bandit -r pkg"),
        ("bandit.yaml", "", "security", "bandit -q -c bandit.yaml -r pkg"),
    ],
)
def test_a_tool_that_is_configured(tmp_path: Path, file: str, text: str, gate: str, command: str) -> None:
    detected = repo(tmp_path, {**TEST, "pkg/__init__.py": "", file: text})
    assert commands(detected) == {gate: command}
    assert file in detected.found[0]


@pytest.mark.parametrize(
    ("file", "text", "where"),
    [
        ("pyproject.toml", "[project]\ndependencies = ['ruff>=0.1']\n", "project.dependencies"),
        ("pyproject.toml", "[project.optional-dependencies]\ndev = ['Ruff ~= 0.1']\n", "the extra 'dev'"),
        ("pyproject.toml", "[dependency-groups]\nlint = ['x', 'ruff; python_version>\"3\"']\n", "'lint'"),
        ("pyproject.toml", "[tool.poetry.group.dev.dependencies]\nruff = '*'\n", "the poetry group 'dev'"),
        ("pyproject.toml", "[tool.poetry.dev-dependencies]\nruff = {version = '*'}\n", "dev-dependencies"),
        ("pyproject.toml", "[tool.pdm.dev-dependencies]\nl = ['ruff']\n", "the pdm group 'l'"),
        ("pyproject.toml", "[tool.uv]\ndev-dependencies = ['ruff']\n", "tool.uv"),
        ("pyproject.toml", "[tool.hatch.envs.lint]\ndependencies = ['ruff']\n", "hatch environment 'lint'"),
        ("pyproject.toml", "[tool.hatch.envs.a]\nextra-dependencies = ['ruff']\n", "hatch environment 'a'"),
        ("requirements-dev.txt", "# tools\n-r other.txt\nruff==0.1 # x\n", "requirements-dev.txt"),
        ("requirements/lint.in", "ruff\n", "requirements/lint.in"),
        ("dev-requirements.txt", "ruff[x]>1\n", "dev-requirements.txt"),
        ("setup.cfg", "[options.extras_require]\ndev =\n  ruff\n  x\n", "setup.cfg"),
        ("Pipfile", "[dev-packages]\nruff = '*'\n", "Pipfile"),
    ],
)
def test_a_tool_that_is_a_dependency(tmp_path: Path, file: str, text: str, where: str) -> None:
    detected = repo(tmp_path, {**TEST, file: text})
    assert commands(detected) == {"lint": "ruff check ."}
    assert where in detected.found[0]


@pytest.mark.parametrize(
    "text",
    [
        "[project]\ndependencies = ['ruff-lsp', 'mypy-extensions', 'types-flake8', 'bandits']\n",
        "[project]\ndependencies = 'ruff'\noptional-dependencies = ['ruff']\n",
        "[tool]\nruffian = {}\n",
        "tool = 3\ndependency-groups = [[1]]\n",
        "[dependency-groups]\na = [{include-group = 'ruff'}]\n",
    ],
)
def test_what_only_looks_like_one(tmp_path: Path, text: str) -> None:
    assert commands(repo(tmp_path, {**TEST, "pyproject.toml": text})) == {}


def test_one_gate_per_tool(tmp_path: Path) -> None:
    names = "ruff flake8 mypy ty bandit pip-audit"
    detected = repo(tmp_path, {**TEST, "src/p/__init__.py": "", "requirements.txt": names.replace(" ", "\n")})
    assert commands(detected) == {
        "lint": "ruff check .",
        "lint-flake8": "flake8 src tests",
        "typecheck": "mypy src",
        "typecheck-ty": "ty check src",
        "security": "bandit -q -r src",
        "security-pip-audit": "pip-audit --progress-spinner off --format json",
    }
    assert list(suites(detected)) == ["unit"]
    assert [what for what, _ in detected.left_out] == ["integration"]


def test_the_first_that_can_be_run_takes_the_name_of_the_role(tmp_path: Path) -> None:
    files = {**TEST, "requirements.txt": "ruff\nflake8\npip_audit\n"}
    detected = repo(tmp_path, files, which=lambda name: None if name == "ruff" else everything(name))
    assert list(commands(detected)) == ["lint", "security"]
    assert commands(detected)["security"].startswith("pip-audit ")
    assert why(detected, "ruff") == (
        "a dependency in requirements.txt, but it is not installed in this environment or on PATH"
    )
    assert why(detected, "typecheck") == "neither mypy nor ty is configured or a dependency"


def test_tests_within_the_code_are_not_judged_by_bandit(tmp_path: Path) -> None:
    detected = repo(
        tmp_path, {"pkg/__init__.py": "", "pkg/tests/test_a.py": "", "requirements.txt": "bandit"}
    )
    assert commands(detected) == {"security": "bandit -q -x '*/tests/*' -r pkg"}


@pytest.mark.parametrize(
    ("files", "folders"),
    [
        (["src/p/__init__.py", "other/__init__.py"], "src"),
        (["src/ns/p/__init__.py"], "src"),
        (["a/__init__.py", "b/__init__.py", "docs/__init__.py", "_x/__init__.py"], "a b"),
        (["one.py", "setup.py", "conftest.py", "test_x.py"], "one.py"),
        (["src/main.c", "p/__init__.py"], "p"),
        (["setup.py"], "."),
    ],
)
def test_where_the_code_is(tmp_path: Path, files: list[str], folders: str) -> None:
    detected = repo(tmp_path, {**TEST, **dict.fromkeys(files, ""), "requirements.txt": "mypy"})
    assert commands(detected) == {"typecheck": f"mypy {folders}"}


MARKED = "import pytest\n@pytest.mark.integration\ndef test_b(): pass\n"
REGISTERED = "[tool.pytest.ini_options]\nmarkers = ['integration: slow']\n"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pyproject.toml", REGISTERED),
        ("pyproject.toml", "[tool.pytest]\nmarkers = ['integration: slow']\n"),
        ("pytest.toml", "[pytest]\nmarkers = ['integration: slow']\n"),
        ("pytest.ini", "[pytest]\nmarkers =\n    other\n    integration: slow\n"),
        (".pytest.ini", "[pytest]\nmarkers = integration\n"),
        ("tox.ini", "[pytest]\nmarkers = integration: slow\n"),
        ("setup.cfg", "[tool:pytest]\nmarkers = integration(x): slow\n"),
    ],
)
def test_a_registered_marker_makes_the_second_gate(tmp_path: Path, file: str, text: str) -> None:
    detected = repo(tmp_path, {**TEST, "tests/test_b.py": MARKED, file: text})
    assert suites(detected) == {
        "unit": Tests(rest=True),
        "integration": Tests(expression="integration", allow_empty=True),
    }


def test_both_markers(tmp_path: Path) -> None:
    ini = "[pytest]\nmarkers =\n  integration\n  e2e\n"
    two = MARKED + "@pytest.mark.e2e\ndef test_c(): pass\n"
    detected = repo(tmp_path, {"tests/test_b.py": two, "pytest.ini": ini})
    assert suites(detected)["integration"] == Tests(expression="integration or e2e", allow_empty=True)


def test_a_marker_that_a_conftest_puts(tmp_path: Path) -> None:
    hook = "def pytest_collection_modifyitems(items):\n    [i.add_marker('integration') for i in items]\n"
    detected = repo(tmp_path, {**TEST, "tests/conftest.py": hook, "pyproject.toml": REGISTERED})
    assert list(suites(detected)) == ["unit", "integration"]


def test_a_marker_that_nothing_uses_makes_no_empty_gate(tmp_path: Path) -> None:
    detected = repo(tmp_path, {**TEST, "pyproject.toml": REGISTERED})
    assert suites(detected) == {"unit": Tests(rest=True)}
    assert why(detected, "integration") == "the marker `integration` is registered, but no test file uses it"


def test_a_folder_makes_the_second_gate(tmp_path: Path) -> None:
    detected = repo(tmp_path, {**TEST, "tests/integration/test_b.py": ""})
    assert suites(detected) == {
        "unit": Tests(rest=True),
        "integration": Tests(paths=("tests/integration",), allow_empty=True),
    }


def test_a_folder_with_all_the_tests_makes_the_only_gate(tmp_path: Path) -> None:
    detected = repo(tmp_path, {"tests/integration/test_b.py": "", "tests/integration/conftest.py": ""})
    assert list(suites(detected)) == ["integration"]
    assert why(detected, "unit") == "every test file is in tests/integration"


def test_an_empty_folder_makes_none(tmp_path: Path) -> None:
    assert list(suites(repo(tmp_path, {**TEST, "tests/integration/helper.py": ""}))) == ["unit"]


@pytest.mark.parametrize(
    ("addopts", "expression"),
    [
        ("-m 'not integration'", None),
        ("-m 'not (slow or integration)'", None),
        ("-m 'slow and not integration'", None),
        ("-m 'not slow'", "(integration) and (not slow)"),
        ("-m integration", "(integration) and (integration)"),
        ("-m 'not slow(level=1)'", "(integration) and (not slow(level=1))"),
        ("-m'not integration' -ra", None),
        ("-m integration -m 'not integration'", None),
        ("-k 'not x'", None),
        ("--maxfail=1 -ra", "integration"),
    ],
)
def test_what_addopts_deselects_stays_out(tmp_path: Path, addopts: str, expression: str | None) -> None:
    ini = f"[pytest]\nmarkers = integration\naddopts = {addopts}\n"
    detected = repo(tmp_path, {**TEST, "tests/test_b.py": MARKED, "pytest.ini": ini})
    assert detected.config.gates[0].work == Tests(rest=True)
    found = suites(detected).get("integration")
    assert (found.expression if found is not None else None) == expression
    assert bool(detected.left_out) is True


def test_settings_that_pytest_knows_itself_rule(tmp_path: Path) -> None:
    settings = PytestSettings(markers=("e2e: whole",), python_files=("check_*.py",))
    text = MARKED.replace("integration", "e2e")
    detected = repo(tmp_path, {"check_a.py": text, "pyproject.toml": REGISTERED}, settings=settings)
    assert suites(detected)["integration"] == Tests(expression="e2e", allow_empty=True)


@pytest.mark.parametrize(
    ("files", "has_tests"),
    [
        ({"tests/test_a.py": ""}, True),
        ({"a_test.py": ""}, True),
        ({"deep/er/test_a.py": ""}, True),
        ({"tests/helper.py": ""}, False),
        ({"build/test_a.py": ""}, False),
        ({".venv/test_a.py": ""}, False),
        ({"env/pyvenv.cfg": "", "env/test_a.py": ""}, False),
        ({"other/test_a.py": "", "pytest.ini": "[pytest]\ntestpaths = tests\n"}, False),
        ({"other/test_a.py": "", "pytest.ini": "[pytest]\ntestpaths = oth*\n"}, True),
        ({"other/test_a.py": "", "pytest.ini": "[pytest]\ntestpaths = .. /\n"}, False),
        ({"other/test_a.py": "", "pytest.ini": "[pytest]\ntestpaths = other/test_a.py\n"}, True),
        ({"pytest.ini": "[pytest]\naddopts = --doctest-modules\n"}, True),
    ],
)
def test_whether_there_are_tests(tmp_path: Path, files: dict[str, str], has_tests: bool) -> None:
    detected = repo(tmp_path, {"ruff.toml": "", **files})
    assert list(suites(detected)) == (["unit"] if has_tests else [])
    assert bool(why(detected, "unit")) is not has_tests


def test_nothing_at_all_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").touch()
    with pytest.raises(ConfigError) as raised:
        detect(tmp_path, which=nothing)
    text = str(raised.value)
    assert "no ruff: configured by ruff.toml, but it is not installed" in text
    assert "no unit: there is no test file in the repository" in text
    assert "batchgate.yaml" in text


def test_a_pyproject_that_is_no_toml_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(ConfigError, match=r"pyproject\.toml:1: this is not TOML"):
        detect(tmp_path, which=nothing)


def test_files_that_are_none(tmp_path: Path) -> None:
    """Folders, binary, too large, dangling: as if they were not there."""
    (tmp_path / "pytest.ini").mkdir()
    (tmp_path / "setup.cfg").write_bytes(b"\xff\x00[flake8\n")
    (tmp_path / "ty.toml").symlink_to("gone")
    (tmp_path / "requirements.txt").write_text("ruff\n" + "#" * 2_000_000)
    (tmp_path / "requirements").symlink_to("requirements")
    (tmp_path / "Pipfile").write_text("= [")
    assert commands(repo(tmp_path, TEST)) == {}


def test_programs_are_found_where_commands_find_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_program("only-here") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("only-here") == str(program)


def test_a_marker_that_a_conftest_registers(tmp_path: Path) -> None:
    conftest = "def pytest_configure(config):\n    config.addinivalue_line('markers', 'integration: slow')\n"
    marked = "import pytest\n@pytest.mark.integration\ndef test_a(): pass\n"
    detected = repo(tmp_path, {"tests/conftest.py": conftest, "tests/test_a.py": marked})
    assert suites(detected)["integration"] == Tests(expression="integration", allow_empty=True)


@pytest.mark.parametrize(
    "addopts", ["--ignore=tests/integration", "--ignore tests/integration", "--ignore-glob=tests/integ*"]
)
def test_what_addopts_ignores_is_no_gate(tmp_path: Path, addopts: str) -> None:
    files = {
        "pytest.ini": f"[pytest]\naddopts = {addopts}\n",
        "tests/test_a.py": "def test_a(): pass\n",
        "tests/integration/test_b.py": "def test_b(): pass\n",
    }
    assert set(suites(repo(tmp_path, files))) == {"unit"}


def test_doctests_of_modules_are_tests_too(tmp_path: Path) -> None:
    files = {
        "pytest.ini": "[pytest]\naddopts = --doctest-modules\n",
        "mod.py": '"""\n>>> 1\n1\n"""\n',
        "tests/integration/test_b.py": "def test_b(): pass\n",
    }
    assert set(suites(repo(tmp_path, files))) == {"unit", "integration"}


def test_a_folder_without_init_is_code_and_a_virtual_environment_is_none(tmp_path: Path) -> None:
    files = {**TEST, "app/main.py": "", "env/lib/x.py": "", "env/pyvenv.cfg": "", "run.py": "", ".flake8": ""}
    assert commands(repo(tmp_path, files)) == {"lint": "flake8 app run.py tests"}
