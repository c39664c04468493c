"""examples/monorepo: gates in different folders and environments, and needs across packages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from example_kit import copy_of, replace, run

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TESTS = ["money", "orders", "shop"]
GATES = [
    "lint",
    "format",
    "money",
    "money-types",
    "orders",
    "orders-types",
    "shop",
    "shop-types",
    "shop-receipt",
]


def test_every_gate_is_good(tmp_path: Path) -> None:
    """Each type check ran in its package, each tests gate saw its own environment."""
    example = copy_of("monorepo", tmp_path)
    done = run(example)
    done.expect(0, dict.fromkeys(GATES, "passed"))
    assert [" ".join(done.row(gate).split()[2:4]).rstrip(",") for gate in TESTS] == [
        "8 passed",
        "3 passed",
        "1 passed",
    ]
    for package in TESTS:
        assert (example / "packages" / package / ".mypy_cache").is_dir()
    assert not (example / ".mypy_cache").exists()
    assert not done.err


def test_a_broken_package_skips_those_that_use_it(tmp_path: Path) -> None:
    """And the culprit is named; the tags select one package with what it needs."""
    example = copy_of("monorepo", tmp_path)
    replace(example / "packages/money/src/money/__init__.py", "+ 50) // 100", "+ 50) // 1000")
    done = run(example, "--batch-select=shop-receipt,no:shop-types")
    done.expect(1, {"money": "failed", "orders": "skipped", "shop": "skipped", "shop-receipt": "skipped"})
    assert "needs money, which failed" in done.out
    plan = run(example, "--batch-select=tag:orders", "--batch-plan=json")
    assert [gate["name"] for gate in json.loads(plan.out)["gates"]] == ["money", "orders", "orders-types"]
