"""Where a run keeps what outlives it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from pytest_batchgate.core.agreed import STATE_DIR
from pytest_batchgate.core.lognames import folder_of_run


def given_state_dir(config: pytest.Config) -> Path | None:
    """What ``BATCHGATE_STATE_DIR`` names: a CI service keeps it apart from pytest's cache."""
    given = os.environ.get(STATE_DIR)
    return config.invocation_params.dir / given if given else None


def state_dir(config: pytest.Config) -> Path | None:
    """``batchgate/`` in pytest's cache folder, or what is given; None where the cache is switched off."""
    given = given_state_dir(config)
    if given is not None:
        return given
    cache = getattr(config, "cache", None)
    return Path(cache._cachedir) / "batchgate" if cache is not None else None


def log_dir(config: pytest.Config, run_dir: Path, run_id: str) -> Path:
    """For the logs of commands, made with the first of them.

    It is ``run_dir``, which goes with the run, where there is no other.
    """
    folder = state_dir(config)
    if folder is not None:
        logs = folder / "logs"
        with contextlib.suppress(OSError):
            logs.mkdir(parents=True, exist_ok=True)
            return logs / folder_of_run(run_id)
    with contextlib.suppress(OSError):
        run_dir.mkdir(mode=0o700, exist_ok=True)
    return run_dir
