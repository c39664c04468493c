"""Each parser against its tool, run here and now."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from parser_kit import BROKEN, FAULTY, Place, parse, places, run

from pytest_batchgate.core.model import GateState

pytestmark = [pytest.mark.integration, pytest.mark.slow]

RUFF: list[Place] = [
    ("src/a.py", 1, 8, "F401"),
    ("src/bad.py", 1, 7, "invalid-syntax"),
    ("src/bad.py", 1, 8, "invalid-syntax"),
]
BANDIT: list[Place] = [
    ("src/a.py", 2, 1, "B404"),
    ("src/a.py", 6, 5, "B101"),
    ("src/a.py", 7, 5, "B607"),
    ("src/a.py", 7, 5, "B602"),
    ("src/bad.py", None, None, None),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    source = tmp_path / "src"
    source.mkdir()
    (source / "a.py").write_text(FAULTY, encoding="utf-8")
    (source / "bad.py").write_text(BROKEN, encoding="utf-8")
    return tmp_path


def without_columns(found: list[Place]) -> list[Place]:
    return [(path, line, None, rule) for path, line, _, rule in found]


@pytest.mark.parametrize(
    "style",
    ["full", "concise", "grouped", "json", "json-lines", "sarif", "github", "gitlab", "junit", "pylint"],
)
def test_ruff(project: Path, style: str) -> None:
    output = run(project, "ruff", "check", "--isolated", "--no-cache", "--output-format", style, "src")
    wanted = without_columns(RUFF) if style == "pylint" else RUFF
    assert output.returncode == 1
    assert places(parse(output).findings) == wanted
    if style != "sarif":
        assert parse(output).findings[0].message == "`os` imported but unused"


def test_ruff_in_colours(project: Path) -> None:
    output = run(project, "ruff", "check", "--isolated", "--no-cache", "src", env={"FORCE_COLOR": "1"})
    assert "\x1b" in output.text
    assert places(parse(output).findings) == RUFF


def test_ruff_format(tmp_path: Path) -> None:
    (tmp_path / "loose.py").write_text("x = {  'a':1 }\n")
    output = run(tmp_path, "ruff", "format", "--isolated", "--no-cache", "--check", ".")
    (finding,) = parse(output).findings
    assert (finding.path, finding.rule) == ("loose.py", "unformatted")


@pytest.mark.parametrize("style", ["full", "concise", "github", "gitlab", "junit"])
def test_ty(project: Path, style: str) -> None:
    """Which rules ty has still changes; where it finds what does not."""
    output = run(project, "ty", "check", "--output-format", style, "src")
    found = parse(output).findings
    assert [place[:3] for place in places(found)] == [
        ("src/a.py", 8, 12),
        ("src/a.py", 11, 12),
        ("src/bad.py", 1, 7),
        ("src/bad.py", 1, 8),
    ]
    assert all(finding.rule and finding.severity == "error" for finding in found)


@pytest.mark.parametrize("options", [[], ["--show-column-numbers"], ["--pretty"], ["-O", "json"]])
def test_mypy(project: Path, options: list[str]) -> None:
    output = run(project, "mypy", "--config-file=", "--cache-dir=/dev/null", *options, "src/a.py")
    found = parse(output).findings
    columns: list[int | None] = [None, None]
    if options == ["-O", "json"] or "--show-column-numbers" in options:
        columns = [12, 12]
    assert places(found) == [
        ("src/a.py", 8, columns[0], "return-value"),
        ("src/a.py", 11, columns[1], "arg-type"),
    ]
    assert found[0].message == 'Incompatible return value type (got "int", expected "str")'


@pytest.mark.parametrize("options", [[], ["-O", "json"]])
def test_mypy_on_a_syntax_error(project: Path, options: list[str]) -> None:
    output = run(project, "mypy", "--config-file=", "--cache-dir=/dev/null", *options, "src/bad.py")
    assert output.returncode == 2
    found = parse(output).findings
    assert found
    assert {(finding.path, finding.line, finding.rule) for finding in found} == {("src/bad.py", 1, "syntax")}


@pytest.mark.parametrize("options", [[], ["--show-source"], ["--color=always"], ["--format=pylint"]])
def test_flake8(project: Path, options: list[str]) -> None:
    output = run(project, "flake8", "--isolated", *options, "src")
    found = places(parse(output).findings)
    assert [(path, line, rule) for path, line, _, rule in found] == [
        ("src/a.py", 1, "F401"),
        ("src/bad.py", 1, "E999"),
    ]
    assert (found[0][2] == 1) is ("--format=pylint" not in options)


@pytest.mark.parametrize("style", ["txt", "screen", "json"])
def test_bandit(project: Path, style: str) -> None:
    output = run(project, "bandit", "-r", "src", "-f", style)
    found = parse(output).findings
    assert places(found) == BANDIT
    assert found[0].severity == "note"  # bandit's Low
    assert found[-1].message.startswith("not scanned: syntax error")


def test_bandit_passes_over_a_file_that_is_no_python(tmp_path: Path) -> None:
    """It exits 0; the finding says what was not looked at."""
    (tmp_path / "bad.py").write_text(BROKEN)
    output = run(tmp_path, "bandit", "-q", "-r", ".")
    parsed = parse(output)
    assert parsed.verdict is None
    assert [(finding.path, finding.severity) for finding in parsed.findings] in (
        [],  # -q says nothing at all without a finding
        [("bad.py", "warning")],
    )


@pytest.mark.parametrize(
    "argv",
    [
        ["ruff", "check", "--isolated", "--no-cache", "."],
        ["ruff", "check", "--isolated", "--no-cache", "--output-format=json", "."],
        ["ruff", "check", "--isolated", "--no-cache", "--output-format=sarif", "."],
        ["ruff", "check", "--isolated", "--no-cache", "--output-format=junit", "."],
        ["ruff", "format", "--isolated", "--no-cache", "--check", "."],
        ["ty", "check", "."],
        ["mypy", "--config-file=", "--cache-dir=/dev/null", "."],
        ["mypy", "--config-file=", "--cache-dir=/dev/null", "-O", "json", "."],
        ["flake8", "--isolated", "."],
        ["bandit", "-r", "."],
        ["bandit", "-r", ".", "-f", "json"],
    ],
    ids=" ".join,
)
def test_clean_code_has_no_findings(tmp_path: Path, argv: list[str]) -> None:
    (tmp_path / "fine.py").write_text("x = 1\n")
    output = run(tmp_path, *argv)
    assert output.returncode == 0, output.text
    parsed = parse(output)
    assert (parsed.findings, parsed.verdict, parsed.more) == ((), None, 0)


@pytest.mark.parametrize("program", ["ruff", "ty", "mypy", "flake8", "bandit", "pip-audit"])
def test_an_option_that_the_tool_does_not_know_is_no_finding(tmp_path: Path, program: str) -> None:
    words = [program, "check"] if program in {"ruff", "ty"} else [program]
    output = run(tmp_path, *words, "--no-such-option")
    assert output.returncode == 2
    parsed = parse(output)
    assert (parsed.findings, parsed.verdict) == ((), None)


class _Vulnerabilities(http.server.BaseHTTPRequestHandler):
    """Answers as osv.dev does: `requests` is known to be bad."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        affected = {
            "package": {"name": asked, "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.20.0"}]}],
        }
        known = {"id": "PYSEC-2018-28", "summary": "leaks", "affected": [affected]}
        body = json.dumps({"vulns": [known]} if asked == "requests" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def service() -> Iterator[list[str]]:
    """The words that make pip-audit ask a server of our own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Vulnerabilities)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield ["-s", "osv", "--osv-url", f"http://127.0.0.1:{server.server_address[1]}/"]
    server.shutdown()
    thread.join()
    server.server_close()


def audit(folder: Path, requirements: str, *words: str) -> tuple[str, ...]:
    (folder / "requirements.txt").write_text(requirements)
    cache = str(folder / "cache")
    fixed = ("--no-deps", "--disable-pip", "--cache-dir", cache, "--progress-spinner", "off")
    return ("pip-audit", "-r", "requirements.txt", *fixed, *words)


@pytest.mark.parametrize("style", ["columns", "json", "markdown"])
def test_pip_audit(tmp_path: Path, service: list[str], style: str) -> None:
    words = audit(tmp_path, "requests==2.19.0\nidna==3.0\n", *service, "-f", style)
    output = run(tmp_path, *words)
    assert output.returncode == 1
    parsed = parse(output)
    assert places(parsed.findings) == [(None, None, None, "PYSEC-2018-28")]
    assert parsed.findings[0].message == "requests 2.19.0 has a known vulnerability, fixed in 2.20.0"


@pytest.mark.parametrize("style", ["columns", "json", "markdown"])
def test_pip_audit_that_finds_nothing_passes(tmp_path: Path, service: list[str], style: str) -> None:
    output = run(tmp_path, *audit(tmp_path, "idna==3.0\n", *service, "-f", style))
    assert output.returncode == 0
    assert parse(output).verdict is None


@pytest.mark.parametrize("style", ["columns", "json", "markdown"])
def test_pip_audit_without_anything_to_audit_fails(tmp_path: Path, service: list[str], style: str) -> None:
    output = run(tmp_path, *audit(tmp_path, "# none\n", *service, "-f", style))
    assert output.returncode == 0
    assert parse(output).verdict == (GateState.FAILED, "nothing audited")


def test_a_dry_run_of_pip_audit_fails(tmp_path: Path, service: list[str]) -> None:
    output = run(tmp_path, *audit(tmp_path, "idna==3.0\n", *service, "--dry-run"))
    assert output.returncode == 0
    assert parse(output).verdict == (GateState.FAILED, "nothing audited")
