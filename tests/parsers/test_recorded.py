"""Outputs of real tools, kept: what today's versions print must stay readable when the tools move on.

From ruff 0.17, mypy 2.4, ty 0.0.104, flake8 7.5, bandit 1.9 and pip-audit 2.10, run in /repo.
"""

from __future__ import annotations

import pytest
from parser_kit import DATA, Place, given, parse, places, recorded

from pytest_batchgate.core.model import GateState

NAMES = sorted(path.stem for path in DATA.glob("*.txt"))
TOOLS = ("pip-audit", "flake8", "bandit", "mypy", "ruff", "ty")

WANTED: dict[str, list[Place]] = {
    "ruff": [
        ("src/a.py", 1, 8, "F401"),
        ("src/bad.py", 1, 7, "invalid-syntax"),
        ("src/bad.py", 1, 8, "invalid-syntax"),
    ],
    "ty": [
        ("src/a.py", 8, 12, "invalid-explicit-return"),
        ("src/a.py", 11, 12, "invalid-argument-type"),
        ("src/bad.py", 1, 7, "invalid-syntax"),
        ("src/bad.py", 1, 8, "invalid-syntax"),
    ],
    "mypy": [("src/a.py", 8, 12, "return-value"), ("src/a.py", 11, 12, "arg-type")],
    "flake8": [("src/a.py", 1, 1, "F401"), ("src/bad.py", 1, 8, "E999")],
    "bandit": [
        ("src/a.py", 2, 1, "B404"),
        ("src/a.py", 6, 5, "B101"),
        ("src/a.py", 7, 5, "B607"),
        ("src/a.py", 7, 5, "B602"),
        ("src/bad.py", None, None, None),
    ],
    "pip-audit": [(None, None, None, "PYSEC-2018-28")],
}
NO_COLUMNS = {"mypy-plain", "mypy-colour", "flake8-pylint", "ruff-pylint", "bandit-custom"}


def tool_of(name: str) -> str:
    return next(tool for tool in TOOLS if name.startswith(tool))


@pytest.mark.parametrize("name", [name for name in NAMES if "skipped" not in name])
def test_every_format_of_a_tool_says_the_same(name: str) -> None:
    found = places(parse(recorded(name, tool_of(name))).findings)
    wanted = WANTED[tool_of(name)]
    if name in NO_COLUMNS:
        wanted = [(path, line, None, rule) for path, line, _, rule in wanted]
    if name == "ruff-preview":  # names instead of codes
        wanted = [
            (path, line, column, "unused-import" if rule == "F401" else rule)
            for path, line, column, rule in wanted
        ]
    if name == "bandit-custom":  # its template has no word for files that were not read
        wanted = wanted[:-1]
    assert found == wanted


@pytest.mark.parametrize("tool", ["ruff", "ty", "mypy", "bandit"])
def test_the_formats_agree_on_messages(tool: str) -> None:
    """Where one is shorter (GitLab's, ty's headline), it is the beginning of the other."""
    by_format = [
        [finding.message for finding in parse(recorded(name, tool)).findings]
        for name in NAMES
        if tool_of(name) == tool
    ]
    for other in by_format[1:]:
        for one, two in zip(by_format[0], other, strict=False):
            assert one.startswith(two[:20]), (one, two)


@pytest.mark.parametrize("style", ["columns", "json", "markdown"])
def test_pip_audit_that_skipped_everything_fails(
    style: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("repo")
    (folder / "req.txt").write_text("requests==2.19.0\nidna==3.0\n")
    text = (DATA / f"pip-audit-skipped-{style}.txt").read_text(encoding="utf-8")
    for returncode, wanted in [(0, (GateState.FAILED, "nothing audited")), (1, None)]:
        output = given(text, "pip-audit", "-r", str(folder / "req.txt"), returncode=returncode)
        assert parse(output).verdict == wanted


@pytest.mark.parametrize("requirements", ["requests==2.19.0\nidna==3.0\nrich==14\n", "-r other.txt\n", None])
def test_pip_audit_that_may_have_audited_something_passes(
    requirements: str | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its table shows what it skipped and not what it looked at."""
    folder = tmp_path_factory.mktemp("repo")
    if requirements is not None:
        (folder / "req.txt").write_text(requirements)
    text = (DATA / "pip-audit-skipped-columns.txt").read_text(encoding="utf-8")
    output = given(text, "pip-audit", f"--requirement={folder / 'req.txt'}", returncode=0)
    assert parse(output).verdict is None


def test_pip_audit_of_an_environment_is_judged_by_pip_audit_itself() -> None:
    head = "No known vulnerabilities found\nName      Skip Reason\n--------- -----------\n"
    for name, wanted in [("pip_audit", (GateState.FAILED, "nothing audited")), ("our-own", None)]:
        output = given(f"{head}{name} Dependency not found\n", "pip-audit", returncode=0)
        assert parse(output).verdict == wanted


@pytest.mark.parametrize(
    "table",
    [
        "Gate | ID\n--- | ---\nunit | 7\n",
        "Name and more | Skip Reason\n--- | ---\na | b\n",
        "Name ID\n-- ---\na b\n",
    ],
)
def test_tables_of_others_are_none_of_pip_audits(table: str) -> None:
    parsed = parse(given(table, "pip-audit", returncode=1))
    assert (parsed.findings, parsed.note) == ((), None)


@pytest.mark.parametrize("name", [name for name in NAMES if "skipped" not in name])
def test_output_around_and_before_changes_nothing(name: str) -> None:
    """Warnings of interpreters, banners of shells, progress."""
    output = recorded(name, tool_of(name))
    noisy = (
        "warning: `VIRTUAL_ENV` does not match\n+ some-shell -x\n\n"
        + output.text
        + "\nTook 3.1 s: done [ok]\n"
    )
    assert parse(given(noisy, tool_of(name))).findings == parse(output).findings


@pytest.mark.parametrize("name", ["ruff-json", "ruff-sarif", "ruff-gitlab", "bandit-json", "mypy-json"])
def test_a_document_that_is_cut_off_gives_what_is_whole(name: str) -> None:
    whole = parse(recorded(name, tool_of(name))).findings
    text = recorded(name, tool_of(name)).text
    # Before the second finding's last line.
    cut = text[: text.rindex('"B101"')] if "bandit" in name else text[: text.rindex("{")]
    found = parse(given(cut, tool_of(name))).findings
    assert found
    assert set(places(found)) <= set(places(whole)) | {("src/bad.py", None, None, None)}
