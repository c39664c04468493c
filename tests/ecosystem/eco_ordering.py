"""Plugins that choose and order tests: the same share, the same order, or a notice that it is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from eco_kit import Home, Ran, assert_same

pytestmark = pytest.mark.integration

WHOLE = "every worker collects all tests (`collect: whole`): {} must see them at once"
NOTES = """
import os
import pytest

@pytest.fixture(autouse=True)
def note(request):
    with open("order", "a") as file:
        file.write(request.node.nodeid + "\\n")
"""


def order(repo: Home) -> list[str]:
    """In which order tests ran, all workers together; forgotten after that."""
    path = repo.root / "order"
    lines = path.read_text().split()
    path.unlink()
    return lines


def within_files(lines: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        found.setdefault(line.partition("::")[0], []).append(line)
    return found


MANY = "import pytest\n@pytest.mark.parametrize('n', range(12))\ndef test_{0}(n): pass\n"
RANDOM = """
import random
import pytest
@pytest.mark.parametrize("n", range(8))
def test_number(n):
    assert n == 9, random.randrange(10**9)
"""


@pytest.mark.parametrize("beside", [(), ("xdist",)], ids=["alone", "with xdist"])
def test_randomly(tmp_path: Path, beside: tuple[str, ...]) -> None:
    """One seed for all workers; within a file the order, and what tests draw, are those of plain pytest."""
    repo = Home(tmp_path, "randomly", *beside)
    repo.files(conftest=NOTES, test_a=MANY.format("a"), test_b=MANY.format("b"), test_r=RANDOM)
    gates = repo.gates()
    ran = within_files(order(repo))
    assert ran["test_a.py"] != sorted(ran["test_a.py"], key=lambda name: int(name[18:-1]))
    assert "collect: whole" not in gates.out
    plain = repo.plain(f"--randomly-seed={seed_of(gates)}")
    assert within_files(order(repo)) == ran
    assert_same(plain, gates, code=1)


def test_randomly_options(tmp_path: Path) -> None:
    """`--randomly-seed=last` is the seed of the run before; `-p no:randomly` leaves the order alone."""
    repo = Home(tmp_path, "randomly")
    repo.files(conftest=NOTES, test_a=MANY.format("a"), test_b=MANY.format("b"))
    first = repo.gates()
    order_of_first = within_files(order(repo))
    last = repo.gates("--randomly-seed=last")
    assert within_files(order(repo)) == order_of_first
    assert seed_of(first) == seed_of(last)
    repo.gates("-p", "no:randomly")
    listed = within_files(order(repo))["test_a.py"]
    assert listed == [f"test_a.py::test_a[{n}]" for n in range(12)]


def seed_of(ran: Ran) -> str:
    found = re.search(r"--randomly-seed=(\d+)", ran.out)
    assert found, ran
    return found[1]


ORDERED_A = """
import pytest
@pytest.mark.order(4)
def test_a4(): pass
@pytest.mark.order(3)
def test_a3(): pass
def test_free(): pass
@pytest.mark.order("last")
def test_last(): pass
"""
ORDERED_B = """
import pytest
@pytest.mark.order(2)
def test_b2(): pass
@pytest.mark.order(1)
def test_b1(): pass
@pytest.mark.order(before="test_b1")
def test_b0(): pass
"""


def test_order(tmp_path: Path) -> None:
    """pytest-order: within files as in plain pytest, and with `--batch-workers=0` across files."""
    repo = Home(tmp_path, "pytest_order")
    repo.files(conftest=NOTES, test_a=ORDERED_A, test_b=ORDERED_B)
    plain = repo.plain()
    expected = order(repo)
    assert expected[0] == "test_b.py::test_b0"
    gates = repo.gates()
    assert within_files(order(repo)) == within_files(expected)
    assert_same(plain, gates, code=0)
    assert WHOLE.format("pytest-order") in gates.out
    repo.gates(workers=0)
    assert order(repo) == expected


def test_split(tmp_path: Path) -> None:
    """pytest-split: each group has the tests that plain pytest gives it, by count and by duration."""
    repo = Home(tmp_path, "pytest-split")
    repo.files(test_a=MANY.format("a"), test_b=MANY.format("b"), test_c=MANY.format("c"))
    durations = {f"test_{name}.py::test_{name}[{n}]": 1.0 + n for name in "abc" for n in range(12)}
    seen = []
    for group in (1, 2):
        share = ["--splits=2", f"--group={group}", "--splitting-algorithm=least_duration"]
        repo.write(".test_durations", json.dumps(durations))
        gates = repo.gates(*share)
        if group == 2:
            assert_same(repo.plain(*share), gates, code=0)
        assert WHOLE.format("pytest-split") in gates.out
        seen += [case.name for case in gates.junit.cases]
    assert len(seen) == len(set(seen)) == 36


def test_split_stores_durations(tmp_path: Path) -> None:
    """`--store-durations` writes one file, with every test of all workers."""
    repo = Home(tmp_path, "pytest-split")
    repo.files(test_a=MANY.format("a"), test_b=MANY.format("b"))
    ran = repo.gates("--store-durations")
    assert ran.code == 0, ran
    stored = json.loads((repo.root / ".test_durations").read_text())
    assert len(stored) == 24
    assert ran.out.count("Stored test durations in") == 1
    assert "collect: whole" not in ran.out
