"""examples/waiting: gates that wait run side by side, more of them than there are CPUs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from example_kit import copy_of, run

pytestmark = pytest.mark.integration


@pytest.mark.slow
def test_it_is_measured_in_turn_and_on_eight_workers(tmp_path: Path) -> None:
    """No timing is asserted beyond what holds on any machine: no run beats its bound."""
    example = copy_of("waiting", tmp_path)
    done = run(example, "--batch-benchmark=8", "--batch-rounds=1", "--batch-report-dir=out", workers=8)
    assert done.code == 0, str(done)
    told = json.loads((example / "out" / "benchmark.json").read_text(encoding="utf-8"))
    assert told["outcomes_equal"] is True
    assert [level["workers"] for level in told["levels"]] == [1, 8]
    assert all(level["wall_s"] >= level["lower_bound_s"] >= 1.0 for level in told["levels"])
    report = json.loads((example / "out" / "report.json").read_text(encoding="utf-8"))
    assert len(report["gates"]) == 14
    assert {gate["state"] for gate in report["gates"]} == {"passed"}
