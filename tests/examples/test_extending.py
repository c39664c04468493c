"""The example of docs/extending.md: its parser, its gates and its subscriber, each at work."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "extending"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns(".*cache", "__pycache__")
    return shutil.copytree(EXAMPLE, tmp_path / "extending", ignore=ignored)


def run(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    ours = ("PYTEST_", "BATCHGATE", "GITHUB_", "CI")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--batch-gates", "--batch-workers=2", *args],
        cwd=folder,
        env={**clean, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A local HTTP server: its address, and what was posted to it."""
    posted: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}/results", posted
        finally:
            http.shutdown()
            thread.join()


@pytest.mark.integration
def test_gates_of_notebooks_run_and_a_server_hears_of_every_gate(example: Path) -> None:
    with server() as (url, posted):
        done = run(example, GATE_RESULTS_URL=url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "batchgate: conftest.py added notebook-discount, notebook-tax" in done.stdout
    assert "passed: 4 of 4 gates good" in done.stdout
    states = {message["gate"]: message["state"] for message in posted if "gate" in message}
    assert states == dict.fromkeys(["style", "unit", "notebook-discount", "notebook-tax"], "passed")
    assert posted[-1] == {"verdict": "passed", "exit_code": 0}
    assert [message["gate"] for message in posted[:-1]].index("unit") < 2, "the notebooks need it"


@pytest.mark.integration
def test_what_is_wrong_shows_and_a_server_that_is_not_there_harms_nothing(example: Path) -> None:
    code = example / "src" / "prices" / "__init__.py"
    code.write_text(code.read_text(encoding="utf-8") + "x=1\n", encoding="utf-8")
    notebook = example / "notebooks" / "tax.ipynb"
    notebook.write_text(notebook.read_text(encoding="utf-8").replace("1199", "1198"), encoding="utf-8")
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        done = run(example, GATE_RESULTS_URL=f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    # the finding is shown as a place: read by the parser, not copied from the log
    assert any(line.startswith("  src/prices/__init__.py:7:1 E305 expected 2 blank lines") for line in lines)
    assert "  src/prices/__init__.py:7:2 E225 missing whitespace around operator" in lines
    assert not any(line.startswith("style |") for line in lines)
    assert "AssertionError" in done.stdout
    assert _states(lines) == {
        "style": "failed",
        "unit": "passed",
        "notebook-discount": "passed",
        "notebook-tax": "failed",
    }, done.stdout
    assert "the poster of results failed and was switched off: URLError" in done.stdout
    assert not done.stderr


def _states(lines: list[str]) -> dict[str, str]:
    start = next(number for number, line in enumerate(lines) if line.split()[:2] == ["gate", "state"])
    rows = [line.split() for line in lines[start + 1 : lines.index("", start)]]
    return {row[0]: row[1] for row in rows}


def test_the_documentation_shows_the_code_that_is_run() -> None:
    """Every block that implements a hook with `optionalhook` is the example's, word for word."""
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    example = (EXAMPLE / "conftest.py").read_text(encoding="utf-8")
    blocks = [
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "optionalhook" in block
    ]
    assert len(blocks) == 4
    for block in blocks:
        assert block in example
