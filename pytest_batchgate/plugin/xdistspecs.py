"""The hooks that pytest-xdist declares, for plugins and conftests that implement them.

Added where xdist is not there to do it: pytest refuses hooks that nobody declares.
Those about workers are called (`nodes`); the others only exist.
"""

from __future__ import annotations

from typing import Any

import pytest


def pytest_xdist_setupnodes(config: Any, specs: Any) -> None:
    """Called before any worker is started."""


def pytest_xdist_newgateway(gateway: Any) -> None:
    """Called for each worker, before it is configured."""


def pytest_xdist_rsyncstart(source: Any, gateways: Any) -> None:
    """Never called: nothing is copied."""


def pytest_xdist_rsyncfinish(source: Any, gateways: Any) -> None:
    """Never called: nothing is copied."""


@pytest.hookspec(firstresult=True)
def pytest_xdist_getremotemodule() -> Any:
    """Never called: what runs in a worker is ours."""


def pytest_configure_node(node: Any) -> None:
    """Called before a worker gets its set-up; additions to ``node.workerinput`` reach it."""


def pytest_testnodeready(node: Any) -> None:
    """Called when a worker has listed the test files."""


def pytest_testnodedown(node: Any, error: Any) -> None:
    """Called when a worker is gone; ``error`` says why, or is None if it ended as told."""


def pytest_xdist_node_collection_finished(node: Any, ids: Any) -> None:
    """Never called: no worker collects everything."""


@pytest.hookspec(firstresult=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Never called: the dispatcher schedules."""


@pytest.hookspec(firstresult=True)
def pytest_xdist_auto_num_workers(config: Any) -> Any:
    """Never called: `--batch-workers` decides."""


@pytest.hookspec(firstresult=True)
def pytest_handlecrashitem(crashitem: Any, report: Any, sched: Any) -> Any:
    """Never called: a test that took its worker down has failed."""
