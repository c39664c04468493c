"""Commands that are tried again: real processes, their pauses short."""

from __future__ import annotations

import pytest
from plugin_kit import Ran, Repo

pytestmark = pytest.mark.integration

# Fails until it has run as often as its second word says.
FLAKY = """\
import pathlib, sys
name, needed = sys.argv[1], int(sys.argv[2])
log = pathlib.Path(name + ".runs")
runs = (log.read_text() if log.exists() else "") + "x"
log.write_text(runs)
print("Connection refused" if name == "network" else "wrong by one")
sys.exit(0 if len(runs) >= needed else 7)
"""


def row(ran: Ran, gate: str) -> list[str]:
    return [line.split() for line in ran.lines if line.startswith(f"{gate} ") and "|" not in line][-1]


def runs(repo: Repo, name: str) -> int:
    return len((repo.root / f"{name}.runs").read_text())


def test_a_command_is_tried_again_until_it_passes(repo: Repo) -> None:
    repo.write("flaky.py", FLAKY)
    repo.write(
        "batchgate.yaml",
        """\
        version: 1
        defaults: {retries: {count: 2, delay: 50ms}}
        gates:
          heals: {run: python flaky.py heals 3}
          sick: {run: python flaky.py sick 9, required: false}
          strict: {run: python flaky.py strict 2, fail-on-flaky: true, required: false}
          after: {run: python flaky.py after 1, needs: [heals]}
        """,
    )
    ran = repo.gates()
    assert ran.code == 0, ran
    assert row(ran, "heals")[1] == "flaky", ran
    assert row(ran, "sick")[1] == "failed", ran
    assert row(ran, "strict")[1] == "failed", ran
    assert row(ran, "after")[1] == "passed", ran
    assert [runs(repo, name) for name in ("heals", "sick", "strict", "after")] == [3, 3, 2, 1]
    told = [line for line in ran.lines if "heals" in line and "again in" in line]
    assert len(told) == 2, ran
    assert "attempt 1 of 3: exit code 7" in told[0], ran
    assert "passed on attempt 2 only (fail-on-flaky)" in ran.out, ran


def test_only_what_matches_is_tried_again(repo: Repo) -> None:
    repo.write("flaky.py", FLAKY)
    repo.write(
        "batchgate.yaml",
        """\
        version: 1
        defaults: {retries: {count: 1, delay: 0s, match: "Connection (refused|reset)"}}
        gates:
          network: {run: python flaky.py network 2}
          logic: {run: python flaky.py logic 2}
          crashed: {run: {shell: "echo Connection refused; kill -9 $$"}, retries: {count: 1, on: [failed]}}
        """,
    )
    ran = repo.gates()
    assert ran.code == 1, ran
    assert row(ran, "network")[1] == "flaky", ran
    assert row(ran, "logic")[1] == "failed", ran
    assert row(ran, "crashed")[1] == "crashed", ran
    assert runs(repo, "network") == 2
    assert runs(repo, "logic") == 1


def test_a_time_limit_is_for_each_attempt_and_each_has_a_log(repo: Repo) -> None:
    repo.write(
        "slow_once.py",
        """\
        import os, pathlib, time
        print("attempt", os.environ["BATCHGATE_ATTEMPT"], flush=True)
        if not pathlib.Path("was-here").exists():
            pathlib.Path("was-here").touch()
            time.sleep(60)
        """,
    )
    repo.write(
        "batchgate.yaml",
        """\
        version: 1
        gates:
          slow: {run: python slow_once.py, timeout: 1s, grace: 100ms, retries: {count: 1, delay: 0s}}
        """,
    )
    ran = repo.gates()
    assert ran.code == 0, ran
    assert row(ran, "slow")[1] == "flaky", ran
    (logs,) = (repo.root / ".pytest_cache" / "batchgate" / "logs").iterdir()
    assert [(logs / name).read_text().strip() for name in ("slow.log", "slow~2.log")] == [
        "attempt 1",
        "attempt 2",
    ]
