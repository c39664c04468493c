"""What this repository adds to its gates.

`optionalhook`: plain pytest runs here too where pytest-batchgate is not installed.
"""

import json
import os
import queue
import re
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

# --- a parser for another linter ------------------------------------------------

PLACE = re.compile(
    r"^(?P<path>[^:\n]+):(?P<line>\d+):(?P<column>\d+): (?P<rule>[EW]\d+) (?P<message>.+)$", re.MULTILINE
)


def read_pycodestyle(output, findings):
    for found in PLACE.finditer(output.text):
        findings.add(**found.groupdict())


@pytest.hookimpl(optionalhook=True)
def pytest_batchgate_parser(name):
    from pytest_batchgate import ToolParser

    return ToolParser(name, read_pycodestyle) if name == "pycodestyle" else None


# --- gates made from a folder of notebooks --------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_batchgate_gates(config):
    from pytest_batchgate import Command, Gate

    for notebook in sorted(Path(config.rootpath, "notebooks").glob("*.ipynb")):
        run = Command(argv=(sys.executable, "tools/run_notebook.py", f"notebooks/{notebook.name}"))
        yield Gate(
            name=f"notebook-{notebook.stem}",
            work=run,
            needs=("unit",),
            tags=("notebooks",),
            env={"PYTHONPATH": "src"},
            timeout_s=60,
        )


# --- another plan -----------------------------------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_batchgate_modify_plan(plan):
    if "CI" in os.environ:
        return None  # as it is
    return plan.with_gates(gate for gate in plan.gates if "slow" not in gate.tags)


# --- a subscriber that posts to a server ----------------------------------------


class Poster:
    """Posts from a thread of its own: the run waits while an event is handled."""

    name = "the poster of results"

    def __init__(self, url):
        self.url = url
        self.problem = None
        self.messages = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.post_all, daemon=True)
        self.thread.start()

    def handle(self, event):
        from pytest_batchgate import GateFinished, RunFinished

        if isinstance(event, GateFinished):
            report = event.report
            self.messages.put({"gate": report.name, "state": report.state.value, "wall_s": report.wall_s})
        elif isinstance(event, RunFinished):
            self.messages.put({"verdict": event.result.verdict, "exit_code": event.result.exit_code})
            self.messages.put(None)
            self.thread.join(timeout=10)
        if self.problem is not None:
            raise self.problem  # names this subscriber, and switches it off

    def post_all(self):
        try:
            while (message := self.messages.get()) is not None:
                body = json.dumps(message).encode()
                request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
                urllib.request.urlopen(request, timeout=2).close()
        except OSError as problem:
            self.problem = problem


@pytest.hookimpl(optionalhook=True)
def pytest_batchgate_subscribers():
    url = os.environ.get("GATE_RESULTS_URL")
    return [Poster(url)] if url else None
