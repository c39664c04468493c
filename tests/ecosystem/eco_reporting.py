"""Plugins that report: pytest-html, syrupy's snapshots, Hypothesis, pytest-benchmark."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from eco_kit import Home, assert_same

pytestmark = pytest.mark.integration

# --- pytest-html ----------------------------------------------------------------

OUTCOMES = """
import pytest
import pytest_html

def test_passed(): print("printed text")
def test_failed(): assert 1 == 2
def test_skipped(): pytest.skip("not now")
@pytest.mark.xfail
def test_xfailed(): assert 0
@pytest.mark.xfail
def test_xpassed(): pass
@pytest.fixture
def broken(): raise ValueError("in a fixture")
def test_error(broken): pass
def test_extra(extras):
    extras.append(pytest_html.extras.url("https://example.org/shown"))
"""
HTML_CONFTEST = """
def pytest_html_results_table_header(cells): cells.insert(1, "<th>Phase</th>")
def pytest_html_report_title(report): report.title = "A title"
def pytest_html_results_table_row(report, cells): cells.insert(1, f"<td>{report.when}</td>")
"""


def html_report(path: Path) -> tuple[dict[str, list[str]], str]:
    """Results by test, and the text around the table."""
    text = path.read_text(encoding="utf-8")
    found = re.search(r'data-jsonblob="([^"]*)"', text)
    assert found, text[:2000]
    blob = json.loads(html.unescape(found[1]))
    results = {name: sorted(entry["result"] for entry in entries) for name, entries in blob["tests"].items()}
    return results, text


def test_html(tmp_path: Path) -> None:
    """One report with every test, its output, its links, and what conftest's hooks add."""
    repo = Home(tmp_path, "html", "html_fixtures", "metadata")
    repo.files(conftest=HTML_CONFTEST, test_a=OUTCOMES, test_b=OUTCOMES)
    plain = repo.plain("--html=plain.html", "--self-contained-html")
    gates = repo.gates("--html=gates.html", "--self-contained-html")
    assert_same(plain, gates, code=1)
    expected, _ = html_report(repo.root / "plain.html")
    found, text = html_report(repo.root / "gates.html")
    assert found == expected
    assert len(found) >= 14
    for part in ("A title", "https://example.org/shown", "printed text", "10 tests took"):
        assert part in text
    assert gates.out.count("Generated html report: ") == 1


# --- syrupy -----------------------------------------------------------------------

SNAPSHOTS = """
import pytest
def test_one(snapshot): assert {"value": VALUE} == snapshot
@pytest.mark.parametrize("n", range(3))
def test_many(snapshot, n): assert n == snapshot(name="named")
"""


def snapshots(repo: Home) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((repo.root / "__snapshots__").iterdir())}


def test_syrupy(tmp_path: Path) -> None:
    """Snapshots are written, pass, fail and are updated as by plain pytest; none is lost."""
    plain, gates = Home(tmp_path / "plain", "syrupy"), Home(tmp_path / "gates", "syrupy")
    for repo in (plain, gates):
        repo.files(**{f"test_{name}": "VALUE = 1" + SNAPSHOTS for name in "abcd"})
    assert plain.plain("--snapshot-update").code == 0
    written = gates.gates("--snapshot-update")
    assert (written.code, written.counts) == (0, "16 passed"), written
    assert snapshots(gates) == snapshots(plain)

    for repo in (plain, gates):
        repo.write("test_a.py", "VALUE = 2" + SNAPSHOTS)
    expected, failed = plain.plain(), gates.gates()
    assert_same(expected, failed, code=1)
    assert "[- snapshot]" in failed.out
    assert snapshots(gates) == snapshots(plain)
    plain.plain("--snapshot-update")
    updated = gates.gates("--snapshot-update")
    assert updated.code == 0, updated
    assert snapshots(gates) == snapshots(plain)


def test_syrupy_unused(tmp_path: Path) -> None:
    """Unused snapshots: the same verdict, the same ones deleted, and never one of another worker's tests."""
    plain, gates = Home(tmp_path / "plain", "syrupy"), Home(tmp_path / "gates", "syrupy")
    for repo in (plain, gates):
        repo.files(**{f"test_{name}": "VALUE = 1" + SNAPSHOTS for name in "abcd"})
        repo.plain("--snapshot-update")
        repo.write("test_b.py", "VALUE = 1" + SNAPSHOTS.replace("range(3)", "range(2)"))
        (repo.root / "test_d.py").write_text("def test_d(snapshot): assert 1\n")
    expected, found = plain.plain(), gates.gates()
    assert (found.code, found.counts) == (expected.code, expected.counts), f"{expected}\n{found}"
    plain.plain("--snapshot-update")
    updated = gates.gates("--snapshot-update")
    assert snapshots(gates) == snapshots(plain), updated


# --- Hypothesis -------------------------------------------------------------------

PROPERTIES = """
from hypothesis import given, settings, strategies as st

def test_profile():
    assert settings.default.max_examples == 400

@given(st.integers())
def test_good(n):
    assert n == n

@given(st.integers(), st.text())
def test_wrong(n, text):
    assert n < 1000, "too large"
"""
PROFILE = """
from hypothesis import settings
settings.register_profile("many", max_examples=400)
"""


def test_hypothesis(tmp_path: Path) -> None:
    """Profile, seed, statistics, falsifying examples, and their database."""
    repo = Home(tmp_path, "hypothesispytest")
    repo.files(conftest=PROFILE, test_a=PROPERTIES)
    repo.files(
        test_b="from hypothesis import given, strategies as st\n@given(st.text())\ndef test_b(t): pass"
    )
    args = ["--hypothesis-profile=many", "--hypothesis-show-statistics", "--hypothesis-seed=3"]
    for ran in (repo.plain(*args), repo.gates(*args)):
        assert (ran.code, ran.counts) == (1, "1 failed, 3 passed"), ran
        assert re.search(r"(Falsifying example|Failing test case): test_wrong\(", ran.out)
        assert "n=1000," in ran.out
        assert ran.out.count("Stopped because settings.max_examples=") == 2
        assert len([line for line in ran.lines if re.match(r"test_\w\.py::\w+:$", line)]) == 3
    # The failing example is kept, and is the first to be tried by the next run.
    for args in ([], ["--hypothesis-profile=many", "--hypothesis-show-statistics", "test_a.py"]):
        again = repo.gates(*args)
        assert "n=1000," in again.out
    assert "during reuse phase" in again.out, again


# --- pytest-benchmark ---------------------------------------------------------------

BENCH = """
import pytest
calls = []
def test_bench(benchmark):
    assert benchmark(lambda: calls.append(1) or 7) == 7
def test_plain(): pass
"""


def test_benchmark(tmp_path: Path) -> None:
    """Beside other work nothing is measured, and a notice says so; a gate of its own does measure."""
    repo = Home(tmp_path, "benchmark")
    repo.files(test_a=BENCH, test_b=BENCH)
    command = "python -m pytest -p benchmark --benchmark-only --benchmark-json=found.json"
    repo.write(
        "batchgate.yaml", f"version: 1\ngates:\n  unit: {{tests: true}}\n  bench: {{run: {command}}}\n"
    )
    ran = repo.gates()
    assert (ran.code, ran.counts) == (0, "4 passed"), ran
    assert len(json.loads((repo.root / "found.json").read_text())["benchmarks"]) == 2
    assert "pytest-benchmark measures nothing here" in ran.out


@pytest.mark.parametrize("option", ["--benchmark-only", "--benchmark-json=x.json", "--benchmark-compare"])
def test_benchmark_that_is_asked_for(tmp_path: Path, option: str) -> None:
    """Exit 4 with the plain command."""
    repo = Home(tmp_path, "benchmark")
    repo.files(test_a=BENCH)
    ran = repo.gates(option)
    assert ran.code == 4, ran
    assert f"ERROR: {option.partition('=')[0]}: nothing is measured" in ran.err
    assert f" {option} " in ran.err.partition("plain pytest")[2]
