"""Which file is read, and what happens when it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_batchgate
from pytest_batchgate.config import Source, find_source, load_config
from pytest_batchgate.errors import ConfigError

YAML = "version: 1\ngates: {a: {run: x}}\n"
TOML = '[tool.batchgate.gates.a]\nrun = "x"\n'


def found(rootdir: Path, explicit: Path | None = None) -> str | None:
    source = find_source(rootdir, explicit)
    return source.display if source else None


def test_the_first_there_is(tmp_path: Path) -> None:
    assert found(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text(TOML)
    assert found(tmp_path) == "pyproject.toml"
    (tmp_path / "batchgate.yml").write_text(YAML)
    assert found(tmp_path) == "batchgate.yml"
    (tmp_path / "batchgate.yaml").write_text(YAML)
    assert found(tmp_path) == "batchgate.yaml"
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci" / "own.yaml").write_text(YAML)
    assert found(tmp_path, tmp_path / "ci" / "own.yaml") == "ci/own.yaml"


def test_a_relative_file_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "own.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path / "sub")
    assert found(tmp_path, Path("own.yaml")) == "sub/own.yaml"
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    assert found(outside, Path("own.yaml")) == "own.yaml"


@pytest.mark.parametrize(
    "text", ["", "[tool.other]\n", "# batchgate\n", "[tool]\nx = 'batchgate'\n", "tool = 'batchgate'\n"]
)
def test_a_pyproject_without_the_table_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert found(tmp_path) is None


def test_a_broken_pyproject_of_others_is_not_ours_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other\n")
    assert found(tmp_path) is None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_source(tmp_path, tmp_path / "no.yaml")
    assert str(caught.value) == f"--batch-config: there is no file '{tmp_path}/no.yaml'"


def test_an_explicit_pyproject_without_the_table(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    with pytest.raises(ConfigError) as caught:
        load_config(Source(path=tmp_path / "pyproject.toml", display="pyproject.toml"), profile=None)
    assert str(caught.value) == ("pyproject.toml: there is no [tool.batchgate] table. Add it, with its gates")


def refusal(rootdir: Path) -> str:
    source = find_source(rootdir, None)
    assert source is not None
    with pytest.raises(ConfigError) as caught:
        load_config(source, profile=None)
    return str(caught.value)


def test_not_a_file(tmp_path: Path) -> None:
    """None of these may hang, and none may silently fall back to detection."""
    path = tmp_path / "batchgate.yaml"
    path.mkdir()
    assert refusal(tmp_path) == "batchgate.yaml: this is not a regular file"
    path.rmdir()
    os.mkfifo(path)
    assert refusal(tmp_path) == "batchgate.yaml: this is not a regular file"
    path.unlink()
    path.symlink_to("nowhere")
    assert refusal(tmp_path) == "batchgate.yaml: the file cannot be read: No such file or directory"
    path.unlink()
    path.symlink_to("batchgate.yaml")
    assert refusal(tmp_path).startswith("batchgate.yaml: the file cannot be read: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_not_readable(tmp_path: Path) -> None:
    path = tmp_path / "batchgate.yaml"
    path.write_text(YAML)
    path.chmod(0)
    assert refusal(tmp_path) == "batchgate.yaml: the file cannot be read: Permission denied"


def test_yaml_is_not_imported_for_toml() -> None:
    """A project that keeps its gates in pyproject.toml does not pay for the YAML library."""
    program = (
        "import sys, pathlib, tempfile; from pytest_batchgate.config import find_source, load_config\n"
        "folder = pathlib.Path(tempfile.mkdtemp()); path = folder / 'pyproject.toml'\n"
        f"path.write_text({TOML!r}); load_config(find_source(folder, None), profile=None)\n"
        "path.unlink(); folder.rmdir(); print('yaml' in sys.modules)"
    )
    rootdir = Path(pytest_batchgate.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=rootdir
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
