"""What commands and tests see of their share of the CPUs."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit import Repo

from pytest_batchgate.plugin.cpus import usable_cpus

pytestmark = pytest.mark.integration

CONFIG = """
workers: 3
gates:
  one: {run: "PY tool.py note one $OMP_NUM_THREADS $RAYON_NUM_THREADS $POLARS_MAX_THREADS"}
  all: {weight: 9, run: "PY tool.py note all $OMP_NUM_THREADS"}
  own: {env: {OMP_NUM_THREADS: "7"}, run: "PY tool.py note own $OMP_NUM_THREADS $MKL_NUM_THREADS"}
  unit: {tests: true}
"""
TEST = """
import os, tool
def test_share(): tool.note("test", os.environ.get("OMP_NUM_THREADS", "-"), os.environ["POLARS_MAX_THREADS"])
"""


def test_each_gets_its_share_of_the_cpus_but_for_what_is_set(tmp_path: Path) -> None:
    repo = Repo(tmp_path, CONFIG, test_a=TEST)
    share = max(1, usable_cpus() // 3)
    result = repo.run(POLARS_MAX_THREADS="5")
    assert result.code == 0, result.out
    assert set(result.notes) == {
        f"one {share} {share} 5",
        f"all {usable_cpus()}",
        "own 7 -",
        f"test {share} 5",
    }


def test_nothing_is_set_in_turn_or_where_that_is_configured(tmp_path: Path) -> None:
    repo = Repo(tmp_path, CONFIG, test_a=TEST)
    seen = {"one - - 5", "all -", "own 7 -", "test - 5"}
    given = {"POLARS_MAX_THREADS": "5"}
    assert set(repo.run("--batch-workers=0", **given).notes) == seen
    repo.config(f"nested-threads: leave{CONFIG}")
    assert set(repo.run(**given).notes) == seen
