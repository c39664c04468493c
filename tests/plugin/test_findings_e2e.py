"""What tools complain about, as a run shows it; and that no parser changes what a command's end means."""

from __future__ import annotations

import sys

import pytest
from plugin_kit import Ran, Repo

pytestmark = pytest.mark.integration

PYTHON = sys.executable


def row(ran: Ran, gate: str) -> list[str]:
    """The gate's cells in the closing table, split at spaces."""
    rows = [line.split() for line in ran.lines if line.startswith(f"{gate} ") and "|" not in line]
    return rows[-1]


def configured(repo: Repo, gates: str) -> Repo:
    repo.write("batchgate.yaml", "version: 1\ngates:\n" + gates)
    return repo


def test_findings_of_real_tools_show_as_places(repo: Repo) -> None:
    repo.write("b.py", "import os\nimport sys\n")
    repo.write("a.py", 'x: int = "a"\n')
    configured(
        repo,
        f"  lint: {{run: '{PYTHON} -m ruff check --output-format=json .'}}\n"
        f"  typecheck: {{run: '{PYTHON} -m mypy a.py'}}\n",
    )
    ran = repo.gates()
    assert ran.code == 1, ran
    assert "  b.py:1:8 F401 `os` imported but unused" in ran.lines, ran
    assert "  b.py:2:8 F401 `sys` imported but unused" in ran.lines, ran
    assert any(line.startswith("  a.py:1:10 assignment Incompatible types") for line in ran.lines) or any(
        line.startswith("  a.py:1 assignment Incompatible types") for line in ran.lines
    ), ran
    assert row(ran, "lint")[1:4] == ["failed", "2", "findings"], ran
    assert row(ran, "typecheck")[1:4] == ["failed", "1", "finding"], ran
    # Findings take the log's place: the same thing is not told twice.
    assert not [line for line in ran.lines if line.startswith("lint |")], ran


def test_findings_of_a_passing_gate_are_counted(repo: Repo) -> None:
    repo.write("b.py", "import os\n")
    configured(repo, f"  lint: {{run: '{PYTHON} -m ruff check --exit-zero --output-format=concise .'}}\n")
    ran = repo.gates()
    assert ran.code == 0, ran
    assert row(ran, "lint")[1:4] == ["passed", "1", "finding"], ran


def test_what_no_parser_understands_shows_as_it_is(repo: Repo) -> None:
    configured(
        repo,
        "  lint: {run: {shell: 'echo something is wrong; exit 3'}, parser: ruff}\n"
        "  sarif: {run: {shell: 'echo {broken; exit 1'}, parser: sarif}\n"
        "  passes: {run: {shell: 'echo {broken'}, parser: sarif}\n",
    )
    ran = repo.gates()
    assert ran.code == 1, ran
    assert "lint | something is wrong" in ran.lines, ran
    assert "sarif | {broken" in ran.lines, ran
    assert row(ran, "passes")[1] == "passed", ran


def test_a_tool_that_breaks_down_after_warnings_shows_its_end(repo: Repo) -> None:
    warning = "::warning file=a.py,line=1::careful"
    configured(repo, f"  lint: {{run: {{shell: \"echo '{warning}'; echo boom; exit 2\"}}, parser: ruff}}\n")
    ran = repo.gates()
    assert "  a.py:1 careful" in ran.lines, ran
    assert "lint | boom" in ran.lines, ran


def test_a_report_is_read_for_findings(repo: Repo) -> None:
    repo.write(
        "write.py",
        """\
        open("out.xml", "w").write(
            '<testsuites><testsuite name="s" tests="1" failures="1">'
            '<testcase classname="k" name="t" file="t.py" line="4"><failure message="broke"/></testcase>'
            '</testsuite></testsuites>'
        )
        raise SystemExit(1)
        """,
    )
    configured(repo, f"  other: {{run: '{PYTHON} write.py', report: out.xml}}\n")
    ran = repo.gates()
    assert ran.code == 1, ran
    assert row(ran, "other")[1:4] == ["failed", "1", "finding"], ran
    assert [line for line in ran.lines if line.startswith("  t.py:4") and "broke" in line], ran


def test_a_verdict_of_a_parser_fails_a_gate_that_passed(repo: Repo) -> None:
    """pip-audit that skipped everything ends with exit code 0."""
    document = '{"dependencies": [{"name": "x", "skip_reason": "not on the index"}], "fixes": []}'
    repo.write("audit.json", document)
    configured(repo, "  security: {run: 'cat audit.json', parser: pip-audit}\n")
    ran = repo.gates()
    assert ran.code == 1, ran
    assert row(ran, "security")[1] == "failed", ran
    assert "nothing audited" in ran.out, ran


def test_an_unknown_parser_is_told_with_its_line_and_the_nearest_name(repo: Repo) -> None:
    configured(repo, "  lint:\n    run: ruff check .\n    parser: rufff\n")
    ran = repo.gates()
    assert ran.code == 4, ran
    assert ran.err.strip() == "ERROR: batchgate.yaml:5: there is no parser 'rufff'. Did you mean 'ruff'?", ran


def test_hundreds_of_findings_are_shown_in_part(repo: Repo) -> None:
    repo.write("many.py", "".join(f"import m{n}\n" for n in range(80)))
    configured(repo, f"  lint: {{run: '{PYTHON} -m ruff check --output-format=concise .'}}\n")
    ran = repo.gates()
    assert row(ran, "lint")[1:4] == ["failed", "80", "findings"], ran
    assert len([line for line in ran.lines if line.startswith("  many.py:")]) == 50, ran
    assert "  and 30 more" in ran.lines, ran


def test_a_failure_is_told_however_quiet_the_run(repo: Repo) -> None:
    """-qq prints nothing of gates; who reads the exit code alone still learns which one failed."""
    configured(repo, "  lint: {run: {shell: 'echo boom; exit 1'}}\n")
    for option in (("-qq",), ("-p", "no:terminal")):
        ran = repo.gates(*option)
        assert ran.code == 1, ran
        assert "failed (exit code 1): lint failed" in ran.err, ran


def test_a_hooks_parser_that_exits_is_a_note(repo: Repo) -> None:
    repo.write(
        "conftest.py",
        """\
        import sys
        from pytest_batchgate import ToolParser

        def pytest_batchgate_parser(name):
            return ToolParser("mine", lambda output, out: sys.exit(3)) if name == "mine" else None
        """,
    )
    configured(repo, "  lint: {run: echo hello, parser: mine}\n")
    ran = repo.gates()
    assert ran.code == 0, ran
    assert "the parser 'mine' failed on this output (SystemExit: 3)" in ran.out, ran
