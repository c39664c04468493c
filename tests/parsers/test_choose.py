"""Which parser a command gets, what its faults do, and how findings look."""

from __future__ import annotations

from pathlib import Path

import pytest
from parser_kit import given

from pytest_batchgate.core.model import Finding, GateState
from pytest_batchgate.errors import ConfigError
from pytest_batchgate.parsers import (
    MAX_FINDINGS,
    PARSERS,
    Parsed,
    ParserInput,
    parse_output,
    parser_for,
    read_output,
)
from pytest_batchgate.report.findings import render


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ruff check .", "ruff"),
        ("/opt/venv/bin/ruff check .", "ruff"),
        (".venv/bin/python -m ruff check .", "ruff"),
        ("python3.12 -I -X dev -W error -m mypy src", "mypy"),
        ("python -Im mypy src", "mypy"),
        ("python -mflake8", "flake8"),
        ("python -m pip_audit", "pip-audit"),
        ("uv run ruff check", "ruff"),
        ("uv run --frozen --group lint python -m ruff check", "ruff"),
        ("uv --project sub run -- mypy", "mypy"),
        ("uv run -m bandit -r src", "bandit"),
        ("uvx ruff@0.9.1 check", "ruff"),
        ("uv tool run --from ty==0.1 ty check", "ty"),
        ("poetry run mypy .", "mypy"),
        ("poetry -C sub run mypy .", "mypy"),
        ("pdm run -p sub flake8", "flake8"),
        ("hatch run lint:ruff check .", "ruff"),
        ("hatch -e types run mypy", "mypy"),
        ("hatch run +py=3.12 lint:style", None),
        ("pipx run --spec bandit[toml] bandit -r .", "bandit"),
        ("env -u HOME A=1 ruff check", "ruff"),
        ("timeout -k 5 60 mypy", "mypy"),
        ("dmypy run src", "mypy"),
        ("pytest tests", None),
        ("python script.py -m ruff", None),
        ("python -c 'import ruff' -m ruff", None),
        ("uv pip install ruff", None),
        ("make lint", None),
        ("", None),
    ],
)
def test_the_program_chooses(line: str, name: str | None) -> None:
    import shlex

    parser = parser_for(shlex.split(line), None, None)
    assert (parser.name if parser is not None else None) == name
    in_shell = parser_for((), line, None)
    assert (in_shell.name if in_shell is not None else None) == name


@pytest.mark.parametrize(
    ("shell", "name"),
    [
        ("cd sub && ruff check . | tee log", "ruff"),
        ("FOO=1 ruff check . ; ruff format --check .", "ruff"),
        ("ruff check . && mypy src", "ruff+mypy"),
        ("echo 'ruff check' > out", None),
        ("(cd a; exec mypy .)", "mypy"),
        ("if true; then\nmypy .\nfi", "mypy"),
        ("echo 'no end", None),
    ],
)
def test_a_shell_line(shell: str, name: str | None) -> None:
    parser = parser_for((), shell, None)
    assert (parser.name if parser is not None else None) == name


def test_several_tools_of_a_shell_line_are_all_read() -> None:
    text = "a.py:1:8: F401 [*] `os` imported but unused\nb.py:3: error: wrong  [assignment]\n"
    parser = parser_for((), "ruff check .; mypy .", None)
    findings = parse_output(parser, given(text, "sh")).findings
    assert render(findings) == ["a.py:1:8 F401 `os` imported but unused", "b.py:3 assignment wrong"]


def test_an_explicit_name_rules() -> None:
    assert parser_for(["ruff"], None, "text") is PARSERS["text"]
    with pytest.raises(ConfigError, match=r"there is no parser 'muppy'\. Did you mean 'mypy'\?"):
        parser_for(["ruff"], None, "muppy")


class _Broken:
    name = "broken"

    def parse(self, output: ParserInput) -> Parsed:
        raise RuntimeError("oh")


class _Lenient:
    """Tries to turn outcomes to the good."""

    name = "lenient"

    def __init__(self, state: GateState) -> None:
        self.state = state

    def parse(self, output: ParserInput) -> Parsed:
        return Parsed(verdict=(self.state, "because"))


def test_a_parser_from_a_hook_goes_first() -> None:
    broken = _Broken()
    assert parser_for(["broken"], None, None, more={"broken": broken}) is broken
    assert parser_for(["x"], None, "broken", more={"broken": broken}) is broken
    mine = _Lenient(GateState.FAILED)
    assert parser_for(["ruff"], None, None, more={"ruff": mine}) is mine


def test_a_parser_that_crashes_leaves_a_note() -> None:
    assert parse_output(_Broken(), given("x", "broken")) == Parsed(
        note="the parser 'broken' failed on this output (RuntimeError: oh)"
    )


@pytest.mark.parametrize(
    ("state", "returncode", "counts"),
    [
        (GateState.FAILED, 0, True),
        (GateState.FAILED, 1, False),
        (GateState.PASSED, 0, False),
        (GateState.PASSED, 1, False),
    ],
)
def test_a_verdict_only_turns_a_pass_into_a_failure(state: GateState, returncode: int, counts: bool) -> None:
    parsed = parse_output(_Lenient(state), given("", "lenient", returncode=returncode))
    assert (parsed.verdict is not None) is counts


def test_no_parser_says_nothing() -> None:
    assert parse_output(None, given("a.py:1:1: F401 x", "prog")) == Parsed()


def test_the_same_finding_once_and_a_bounded_number() -> None:
    many = MAX_FINDINGS + 7
    text = "".join(f"a.py:{line}:1: F401 x\n" for line in range(1, many + 1)) * 2
    parsed = parse_output(PARSERS["ruff"], given(text, "ruff"))
    assert (len(parsed.findings), parsed.more) == (MAX_FINDINGS, 7)


def finding(path: str | None, line: int | None, column: int | None, rule: str | None) -> Finding:
    return Finding(path=path, line=line, column=column, rule=rule, severity="error", message="m")


def test_findings_are_grouped_by_path() -> None:
    found = [
        finding("b.py", 9, 1, "R"),
        finding("a.py", 1, None, "R"),
        finding("b.py", 2, 3, None),
        finding(None, None, None, "PYSEC-1"),
        finding("b.py", None, None, "R"),
    ]
    assert render(found) == ["b.py R m", "b.py:2:3 m", "b.py:9:1 R m", "a.py:1 R m", "- PYSEC-1 m"]


@pytest.mark.parametrize(
    ("cwd", "path", "wanted"),
    [
        (None, "a.py", "a.py"),
        ("/repo/sub", "a.py", "sub/a.py"),
        ("/repo/sub", "../a.py", "a.py"),
        (None, "/repo/x/../a.py", "a.py"),
        (None, "/repository/a.py", "/repository/a.py"),
        (None, "../a.py", "/a.py"),
        (None, "/repo", "."),
        (None, "::error", "./::error"),
    ],
)
def test_paths_are_relative_to_the_rootdir(cwd: str | None, path: str, wanted: str) -> None:
    text = f"{path}:1:1: F401 x\n" if not path.startswith("::") else ""
    if text:
        output = ParserInput(argv=("ruff",), text=text, returncode=1, rootdir="/repo", cwd=cwd)
        assert [f.path for f in PARSERS["ruff"].parse(output).findings] == [wanted]
    from pytest_batchgate.parsers.base import relative_path

    output = ParserInput(argv=(), text="", returncode=1, rootdir="/repo", cwd=cwd)
    assert relative_path(path, output) == wanted


def test_a_rootdir_that_is_a_link(tmp_path: Path) -> None:
    """Tools print the place that it leads to."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    text = f"{tmp_path / 'real' / 'a.py'}:1:1: F401 x\n{tmp_path / 'link' / 'b.py'}:1:1: F401 x\n"
    output = ParserInput(argv=("ruff",), text=text, returncode=1, rootdir=str(tmp_path / "link"))
    assert [f.path for f in PARSERS["ruff"].parse(output).findings] == ["a.py", "b.py"]


def test_a_long_log_is_read_at_both_ends(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first\n" + b"\xff\x00middle line\n" * 10_000 + b"last\n")
    text = read_output(log, limit=1_000)
    assert len(text.encode("utf-8", "replace")) < 4_000
    rows = text.splitlines()
    assert (rows[0], rows[-1]) == ("first", "last")
    assert set(rows[1:-1]) == {"\ufffd\x00middle line", ""}
    assert read_output(log, limit=10**6).count("middle line") == 10_000
