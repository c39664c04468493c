"""Specs of workers elsewhere, what their lines tell, and what is compared before they serve."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytest_batchgate.errors import OptionError
from pytest_batchgate.plugin.elsewhere import sources
from pytest_batchgate.plugin.options import expand_tx
from pytest_batchgate.workers import wire
from pytest_batchgate.workers.line import LOST, Line
from pytest_batchgate.workers.worker_remote import differing, moved_arg, settled


def test_specs_are_multiplied_and_kept() -> None:
    spec = "ssh=user@host//python=python3.12//chdir=/srv/repo"
    assert expand_tx([f"2*{spec}", "popen", "socket=h:1//chdir=x"]) == (
        spec,
        spec,
        "popen",
        "socket=h:1//chdir=x",
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("ssh=host", "has no chdir. Say where the repository is there, as in ssh=user@host//"),
        ("ssh=host//chdir", "has no chdir"),
        ("ssh=host//chdir=", "has no chdir"),
        ("ssh//chdir=/x", "names no host"),
        ("ssh=//chdir=/x", "names no host"),
        ("socket=host:65536//chdir=/x", "names no host and port"),
        ("ssh=host//chdir=/x//chdir=/y", "is no worker spec"),
        ("socket=host//chdir=/x", "names no host and port"),
        ("socket=host:x//chdir=/x", "names no host and port"),
        ("socket=host:1//chdir=/x//python=y", "names a Python"),
        ("0*ssh=host//chdir=/x", "is no worker spec"),
        ("9" * 5000 + "*popen", "is no worker spec"),
        ("popen//id=a", "has a key id. Leave it out"),
        ("ssh=host//chdir=/x//execmodel=thread", "has a key execmodel"),
        ("popen//python=a//python=b", "is no worker spec"),
        ("vagrant_ssh=box//chdir=/x", "is no worker spec"),
    ],
)
def test_specs_that_say_too_little_are_refused_in_one_message(spec: str, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        expand_tx([spec])
    assert str(caught.value).startswith("--batch-tx: ")
    assert words in str(caught.value)


def test_paths_of_the_command_line_are_those_of_the_other_side() -> None:
    moved = [
        moved_arg(arg, "/a/repo", "/b") for arg in ("/a/repo", "/a/repo/t.py::x", "/a/repository", "t.py")
    ]
    assert moved == ["/b", "/b/t.py::x", "/a/repository", "t.py"]
    assert moved_arg("--rootdir=/a/repo", "/a/repo", "/b") == "--rootdir=/b"
    assert moved_arg("-k=x", "/a/repo", "/b") == "-k=x"


def test_a_folder_relative_to_home_is_what_it_is_there() -> None:
    """The greeting went there; from then on its own name is known."""
    early = {
        "root": "~/repo",
        "cwd": "~/repo/sub",
        "args": ["--rootdir=~/repo", "~/repo/t.py::x", "~/repository"],
    }
    assert settled(early, "/home/me/repo") == {
        "root": "/home/me/repo",
        "cwd": "/home/me/repo/sub",
        "args": ["--rootdir=/home/me/repo", "/home/me/repo/t.py::x", "~/repository"],
    }
    assert settled(early | {"root": None}, "/x") == early | {"root": None}, "on this machine nothing is moved"


def test_a_line_tells_a_crash_from_a_cut() -> None:
    """Whoever was cut off may have been in any test: nobody is to blame."""
    units = {7: "a.py"}
    line = Line()
    assert line.record(units) is None
    assert not line.is_for_us((wire.HUNGRY,))
    assert line.is_for_us((wire.RUNNING, 7, 3, True))
    name, index, seconds = line.record(units) or ("", 0, None)
    assert (name, index) == ("a.py", 3)
    assert seconds is not None
    assert line.record({}) is None
    assert line.ended(139) == "was killed by SIGSEGV"
    assert line.ended(3) == "ended with exit code 3"
    assert line.ended(253) == "ended with exit code 253"
    assert line.record(units) is not None
    assert line.is_for_us((wire.RUNNING, 7, 3, False))
    assert (line.record(units) or ("", 0, 1.0))[2] is None
    for code in (255, -9, None):
        line = Line()
        line.is_for_us((wire.RUNNING, 7, 3, True))
        assert line.ended(code) == LOST
        assert line.record(units) is None
        line.is_for_us((wire.RUNNING, 7, 4, True))
        assert line.record(units) is None, "what was under way is read after the end is known"


@pytest.mark.parametrize("git", [True, False])
def test_what_may_bear_on_tests_is_compared(
    git: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for root in (here, there):
        for name in (
            "conftest.py",
            "pyproject.toml",
            "src/a.py",
            "src/b \u00e9.py",
            "data.bin",
            ".hidden/c.py",
        ):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
    if git:
        (here / ".gitignore").write_text(".hidden\n")
        subprocess.run(["git", "init", "-q"], cwd=here, check=True)
    else:
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    found = sources(here)
    assert sorted(found) == ["conftest.py", "pyproject.toml", "src/a.py", "src/b \u00e9.py"]
    monkeypatch.chdir(there)
    assert differing(found) == []
    (there / "src" / "a.py").write_text("else")
    (there / "data.bin").write_text("else")
    (there / "more.py").write_text("")
    (there / "conftest.py").unlink()
    assert differing(found) == ["conftest.py", "src/a.py"]
    for root in (there, here):
        for name in ("src/test_stale.py", "src/conftest.py", "src/also_test.py", "src/pytest.ini"):
            (root / name).write_text("")
        if root is there:
            stale = ["src/also_test.py", "src/conftest.py", "src/pytest.ini", "src/test_stale.py"]
            assert differing(found) == ["conftest.py", "src/a.py", *stale], "pytest would find them"
    (here / ".gitignore").write_text(".hidden\nsrc/test_*\n")
    (there / "src" / "test_stale.py").write_text("else")
    expected = ["conftest.py", "src/a.py"] if git else ["conftest.py", "src/a.py", "src/test_stale.py"]
    assert differing(sources(here)) == expected, "what git ignores here may be there"
