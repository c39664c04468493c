"""examples/races: what is wrong with each test is found, and the lines that mend it are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from example_kit import copy_of, run

pytestmark = [pytest.mark.integration, pytest.mark.slow]

FILE = {f"tests/test_export_{kind}.py::test_export_as_{kind}" for kind in ("csv", "json")}
PORT = {"tests/test_server.py::test_server_listens", "tests/test_server_restart.py::test_server_restarts"}
PORT_FILES = {nodeid.partition("::")[0] for nodeid in PORT}
NEEDY, NEEDED = "tests/test_session.py::test_greeting", "tests/test_session.py::test_log_in"


def verified(tmp_path: Path, *args: str) -> tuple[dict[str, Any], str]:
    """The findings by test, and what was printed."""
    example = copy_of("races", tmp_path)
    done = run(example, "--batch-verify", "--batch-report-dir=out", *args)
    assert done.code == 1, str(done)
    assert not done.err
    told = json.loads((example / "out" / "verify.json").read_text())
    assert told["equal"] is False
    findings = {finding["nodeid"]: finding for finding in told["findings"]}
    for finding in findings.values():
        assert finding["tried"], str(done)
        assert f"to mend it: {finding['mend'][0]['line']} on " in done.out
    return findings, done.out


def mends(finding: dict[str, Any]) -> dict[str, set[str]]:
    return {mend["line"]: set(mend["on"]) for mend in finding["mend"]}


def test_a_port_that_tests_of_two_gates_listen_on(tmp_path: Path) -> None:
    """Which of the two loses is chance: at least one of them, and both are named."""
    findings, out = verified(tmp_path, *sorted(PORT_FILES))
    assert findings
    assert findings.keys() <= PORT
    for nodeid, finding in findings.items():
        assert (finding["kind"], {nodeid, *finding["partners"]}) == ("only in parallel", PORT)
        assert mends(finding) == {
            '@pytest.mark.serial("server")': PORT,
            "resources: [server]": {"unit", "integration"},
        }
    assert "Address already in use" in out
    assert "of 2 tests did not end alike in all runs (exit code 1)" in out


def test_each_race_is_told_with_its_mend(tmp_path: Path) -> None:
    findings, out = verified(tmp_path)
    needy = findings.pop(NEEDY)
    assert (needy["kind"], needy["partners"]) == ("only without another test", [NEEDED])
    assert mends(needy) == {
        '@pytest.mark.depends_on("test_log_in")': {NEEDY},
        '@pytest.mark.xdist_group(name="session")': {NEEDY, NEEDED},
    }
    assert {finding["kind"] for finding in findings.values()} == {"only in parallel"}
    assert findings.keys() <= FILE | PORT
    assert findings.keys() & PORT
    assert findings.keys() & FILE
    for nodeid in findings.keys() & FILE:
        assert mends(findings[nodeid]) == {'@pytest.mark.serial("export_csv")': FILE}
    assert "of 6 tests did not end alike in all runs (exit code 1)" in out
