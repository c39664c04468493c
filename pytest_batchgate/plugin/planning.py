"""`--batch-plan`: print what would run, and stop."""

from __future__ import annotations

import sys

import pytest

from pytest_batchgate.core.model import Estimates
from pytest_batchgate.errors import BatchGateError
from pytest_batchgate.plugin.folders import given_state_dir
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.report.planview import render
from pytest_batchgate.store.history import History


def show_plan(config: pytest.Config, launch: Launch) -> int:
    """Print the plan in the chosen format; the exit code, 0."""
    assert launch.options.plan is not None
    estimates, notices = recorded_estimates(config)
    for notice in notices:
        sys.stderr.write(f"note: {notice}\n")
    # Beside a plan that people read; apart from one that programs read.
    stream = sys.stdout if launch.options.plan == "text" else sys.stderr
    for line in (*launch.added, *launch.remarks):
        stream.write(f"{line}\n")
    if launch.detected is not None:
        from pytest_batchgate.plugin.detection import told

        stream.write("\n".join(told(launch.detected)) + "\n\n")
    if launch.options.plan == "matrix":
        text = _matrix(config, launch, estimates)
    else:
        text = render(launch.plan, estimates, launch.slots, launch.options.plan)
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    return 0


def _matrix(config: pytest.Config, launch: Launch, estimates: Estimates) -> str:
    from pytest_batchgate.plugin.matrix import write_matrix

    try:
        return write_matrix(config, launch, estimates)
    except BatchGateError as exc:
        raise pytest.UsageError(str(exc)) from None


def recorded_estimates(config: pytest.Config) -> tuple[Estimates, list[str]]:
    """From the history, with what is to be said of it.

    Nothing is created: the cache plugin is not configured yet.
    """
    if not config.pluginmanager.has_plugin("cacheprovider"):
        return Estimates(), []
    folder = given_state_dir(config) or config.rootpath / str(config.getini("cache_dir")) / "batchgate"
    history = History.open(folder)
    try:
        return history.estimates(), history.warnings
    finally:
        history.close()
