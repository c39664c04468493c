"""What a person at a terminal sees: the tree while a run lasts, and a clean screen after it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_kit import Repo
from pty_kit import Pty

pytestmark = pytest.mark.integration

GATES = """\
version: 1
stages: [static, test]
gates:
  lint: {run: "false", stage: static, required: false}
  slow: {run: {shell: "while [ ! -e go ]; do sleep 0.05; done"}, stage: static}
  first: {paths: [test_first.py]}
  unit: {tests: not late, stage: test}
  late: {tests: late, needs: [unit], stage: test}
"""

FIRST = """\
import time
from pathlib import Path

def test_that_waits_for_us():
    while not Path("go").exists():
        time.sleep(0.02)

def test_that_fails():
    assert 1 == 2
"""

OTHERS = """\
import pytest

@pytest.mark.late
def test_late():
    pass

@pytest.mark.parametrize("n", range(30))
def test_unit(n):
    pass
"""

SGR = re.compile(rb"\x1b\[[0-9;]*m")
DRAWN = re.compile("[\u251c\u2514\u25cf\u25cb]")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "repo")
    repo.write("batchgate.yaml", GATES)
    repo.write("pytest.ini", "[pytest]\nmarkers = late\n")
    repo.write("conftest.py", 'def pytest_runtest_logreport(report):\n    report.failed and print("HEARD")\n')
    repo.files(test_first=FIRST, test_others=OTHERS)
    return repo


@pytest.fixture
def terminal() -> Iterator[Pty]:
    pty = Pty(columns=90, rows=24)
    yield pty
    pty.close()


def test_a_run_at_a_terminal(repo: Repo, terminal: Pty) -> None:
    """The tree while tests wait; cut when the terminal shrinks; at the end gone, the table in its place."""
    run = terminal.pytest(repo.root, "--batch-gates", "--batch-workers=2")
    terminal.until(lambda: "test_that_waits_for_us" in terminal.text and "for stage static" in terminal.text)
    tree = terminal.lines[-9:]
    assert re.match(r"\d+s · 1 of 5 gates · 0 of \d+\+? tests · 1 gate not good$", tree[0])
    assert (tree[1], tree[4]) == ("├─ static", "├─ test")
    assert re.search(r"├─ ✗ lint +failed +[\d.]+m?s +not required, exit code 1$", tree[2])
    assert re.search(r"└─ ● slow +running +\d+s +gw\d$", tree[3])
    assert re.search(r"○ late +waiting +for unit, stage static$", tree[6])
    assert re.search(r"● first +running +\d+s +0 of 2\+?$", tree[7])
    assert re.search(r"└─ gw\d +\d+s  test_first.py::test_that_waits_for_us$", tree[8])
    assert any(re.match(r"\[ +[\d.]+s\] lint +failed .*exit code 1", line) for line in terminal.lines[:-9])
    assert terminal.screen.cursor.hidden
    assert SGR.search(terminal.raw)

    terminal.resize(40, 8)
    terminal.until(lambda: any("not shown" in line for line in terminal.lines))
    assert len(terminal.lines) <= 8
    terminal.resize(90, 24)
    terminal.until(lambda: "test_that_waits_for_us" in terminal.text)

    (repo.root / "go").touch()
    assert terminal.ended(run) == 1
    assert not terminal.screen.cursor.hidden
    assert not DRAWN.search(terminal.text)
    shown = SGR.sub(b"", terminal.raw).decode()
    assert "collecting" not in shown
    end = shown.rpartition("\x1b[?25h")[2]
    assert "HEARD" in shown
    assert "1 failed, 32 passed" in end
    assert re.search(r"first +failed +1 passed, 1 failed", end)
    assert "failed (exit code 1): first failed" in end


def test_ctrl_c_leaves_the_terminal_as_it_was(repo: Repo, terminal: Pty) -> None:
    """Without colours, too: NO_COLOR leaves the tree, in black and white."""
    run = terminal.pytest(repo.root, "--batch-gates", "--batch-workers=2", "-q", env={"NO_COLOR": "1"})
    terminal.until(lambda: "test_that_waits_for_us" in terminal.text)
    terminal.type(b"\x03")
    assert terminal.ended(run) == 2
    assert not terminal.screen.cursor.hidden
    assert not DRAWN.search(terminal.text)
    assert not SGR.search(terminal.raw)
    assert terminal.raw.count(b"\x1b[?25l") == terminal.raw.count(b"\x1b[?25h") == 1
    assert "interrupted (exit code 2)" in terminal.text


@pytest.mark.parametrize(
    ("args", "env", "line"),
    [
        (["-v"], {}, r"\[gw\d\] PASSED test_others.py::test_late"),
        ([], {"CI": "true"}, r"\[ +[\d.]+s\] late +started"),
        (["--color=yes"], {"TERM": "dumb"}, r"\[ +[\d.]+s\] late +started"),
    ],
)
def test_no_tree_is_drawn_where_lines_are_wanted(
    repo: Repo, terminal: Pty, args: list[str], env: dict[str, str], line: str
) -> None:
    (repo.root / "go").touch()
    run = terminal.pytest(repo.root, "--batch-gates", "--batch-workers=1", *args, env=env)
    assert terminal.ended(run) == 1
    shown = SGR.sub(b"", terminal.raw).decode()
    assert "\x1b" not in shown
    assert not DRAWN.search(shown)
    assert "collecting" not in shown
    assert re.search(f"^{line}", shown, re.MULTILINE)


def test_a_pipe_gets_lines_without_any_escape_code(repo: Repo) -> None:
    (repo.root / "go").touch()
    ran = repo.gates("-v", env={"TERM": "xterm-256color"})
    assert ran.code == 1
    assert "\x1b" not in ran.out + ran.err
    assert "[gw0] PASSED test_others.py::test_late" in ran.out.replace("[gw1]", "[gw0]")
