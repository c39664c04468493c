"""pytest-cov: one report, equal to the sequential one.  Run with and without xdist installed."""

from __future__ import annotations

import importlib.util
import json
import re
import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from eco_kit import Home, Ran, assert_same, section

pytestmark = pytest.mark.integration

# As pytest would load it by itself where it is installed.
BESIDE = ("xdist",) if importlib.util.find_spec("xdist") else ()

LIBRARY = """\
def used(x):
    if x:
        return 1
    return 2


def half(x):
    for _ in range(x):
        pass
    if x > 100:
        return "many"


def unused():
    return 3
"""


def library(tmp_path: Path, *, config: str = "") -> Home:
    """A package, its tests in three files, and pytest-cov asked for in addopts."""
    repo = Home(tmp_path, "pytest_cov", *BESIDE)
    repo.write("pkg/__init__.py", "from pkg.one import used\n")
    repo.write("pkg/one.py", LIBRARY)
    repo.write("pkg/two.py", "import sys\n\n\ndef f():\n    return sys\n\n\ndef g():\n    return None\n")
    repo.write("pkg/never.py", "def f():\n    return 1\n")
    repo.write("conftest.py", "import pkg.two\n\npkg.two.g()\n")
    repo.write("tests/test_a.py", "import pkg\ndef test_a(): assert pkg.used(1) == 1\n")
    repo.write(
        "tests/test_b.py", "import pkg.two\ndef test_b(): assert pkg.two.f()\ndef test_c(): assert 0\n"
    )
    repo.write("tests/test_c.py", "from pkg.one import half\ndef test_d(): assert half(2) is None\n")
    repo.write("batchgate.yaml", "version: 1\ngates: {unit: {tests: true}}\n")
    repo.write("pytest.ini", f"[pytest]\npythonpath = .\naddopts = --cov=pkg\n{config}")
    return repo


def one_after_the_other(repo: Home, *args: str) -> tuple[Ran, Ran, dict[str, Any], dict[str, Any]]:
    """Plain and gates, with what each wrote: both write the same files."""
    wanted = ["--cov-report=term-missing", "--cov-report=xml", "--cov-report=json", *args]
    plain = repo.plain(*wanted)
    expected = written(repo.root)
    gates = repo.gates(*wanted)
    return plain, gates, expected, written(repo.root)


def written(root: Path) -> dict[str, Any]:
    """What json, xml and .coverage say, without times; the files are gone then."""
    data = json.loads((root / "coverage.json").read_text())
    data["meta"] = {name: value for name, value in data["meta"].items() if name != "timestamp"}
    xml = ET.parse(root / "coverage.xml").getroot()
    lines = [
        (found.get("filename"), sorted(line.items()))
        for found in xml.iter("class")
        for line in found.iter("line")
    ]
    rates = {name: value for name, value in xml.items() if name != "timestamp"}
    (root / "coverage.json").unlink()
    (root / "coverage.xml").unlink()
    assert not list(root.glob(".coverage.*")), "data of a worker that nobody combined"
    return {"json": data, "rates": rates, "lines": lines, "contexts": contexts(root / ".coverage")}


def contexts(path: Path) -> list[str]:
    with sqlite3.connect(path) as data:
        return sorted(name for (name,) in data.execute("select context from context"))


def table(ran: Ran) -> list[str]:
    return section(ran, "coverage: platform", "Coverage ")


def test_one_report_equal_to_the_sequential_one(tmp_path: Path) -> None:
    """Totals, missing lines and arcs, in the terminal, in XML and in JSON, down to each line."""
    plain, gates, expected, found = one_after_the_other(library(tmp_path), "--cov-branch")
    assert found == expected, gates
    assert expected["json"]["totals"]["missing_lines"] > 3
    assert table(gates) == table(plain), gates
    assert [line for line in table(gates) if line.startswith("TOTAL")], gates
    assert_same(plain, gates, code=1)
    assert "Failed workers" not in gates.out


def test_verdict_and_contexts(tmp_path: Path) -> None:
    """By lines: --cov-fail-under fails the run as in plain pytest; --cov-context=test names each test."""
    repo = library(tmp_path)
    repo.write("tests/test_b.py", "def test_b(): pass\n")
    plain, gates, expected, found = one_after_the_other(repo, "--cov-fail-under=80", "--cov-context=test")
    assert found == expected, gates
    assert "tests/test_a.py::test_a|run" in expected["contexts"]
    assert_same(plain, gates, code=1)
    for ran in (plain, gates):
        assert re.search(r"Required test coverage of 80%.* not reached", ran.out), ran


def test_workers_that_come_and_go(tmp_path: Path) -> None:
    """In turn, with workers of two environments, --cov-append, --no-cov: nothing is lost or erased."""
    repo = library(tmp_path, config="markers = other\n")
    repo.write("tests/test_b.py", "import pkg.two\ndef test_b(): assert pkg.two.f()\n")
    wanted = ["--cov-report=json", "--cov-report=xml"]
    assert repo.plain(*wanted).code == 0
    expected = written(repo.root)
    for workers in (0, 1):
        ran = repo.gates(*wanted, workers=workers)
        assert (ran.code, written(repo.root)) == (0, expected), ran
        repo.write(
            "batchgate.yaml",
            "version: 1\ngates:\n"
            "  b: {tests: true, paths: [tests/test_b.py], env: {OTHER: '1'}}\n"
            "  rest: {tests: true}\n",
        )
    repo.gates(*wanted, "tests/test_a.py")
    less = written(repo.root)
    assert less != expected
    repo.gates(*wanted, "--cov-append", "tests/test_b.py", "tests/test_c.py")
    assert written(repo.root)["json"] == expected["json"]
    (repo.root / ".coverage").unlink()
    none = repo.gates("--no-cov", "tests/test_a.py")
    assert none.code == 0, none
    assert not list(repo.root.glob(".coverage*"))
    assert "coverage: platform" not in none.out
