"""examples/quickstart: every gate is detected, and what is left out is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from example_kit import copy_of, replace, run

pytestmark = pytest.mark.integration

GATES = ["lint", "typecheck", "security", "unit", "integration"]


@pytest.mark.slow
def test_every_gate_is_found_told_and_good(tmp_path: Path) -> None:
    """The header names each gate with its reason, and the tests that addopts deselects."""
    example = copy_of("quickstart", tmp_path)
    done = run(example)
    done.expect(0, dict.fromkeys(GATES, "passed"))
    assert "passed: 5 of 5 gates good" in done.out
    header = done.out[done.out.index("no configuration") : done.out.index("left out:")]
    found = [line.strip().partition(": ")[0] for line in header.splitlines()[1:] if line.strip()]
    assert found == GATES
    assert "lint: ruff check . (configured by [tool.ruff] in pyproject.toml)" in done.out
    assert "mypy src (a dependency in the dependency group 'dev' in pyproject.toml)" in done.out
    assert "tests outside -m 'not slow': addopts deselects them" in done.out
    assert "16 passed" in done.row("unit")
    assert not done.err
    assert not (example / "batchgate.yaml").exists()


def test_what_is_written_down_is_what_was_detected(tmp_path: Path) -> None:
    example = copy_of("quickstart", tmp_path)
    assert run(example, "--batch-init").code == 0
    replace(example / "tests" / "test_numerals.py", '"MMXXVI"', '"MMXXVII"')
    done = run(example, "--batch-select=no:typecheck,no:security")
    done.expect(1, {"lint": "passed", "unit": "failed", "integration": "passed"})
    assert "no configuration" not in done.out
    assert "test_both_ways[2026-MMXXVII]" in done.out
