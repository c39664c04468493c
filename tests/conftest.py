"""What all tests share: no deadlines, the variations that a submission leaves to the nightly run, `repo`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from plugin_kit import Repo

# The helpers of the GitHub Action, imported as its steps import them.
sys.path.append(str(Path(__file__).resolve().parents[1] / "action"))

with contextlib.suppress(ImportError):  # one environment of CI has pytest-cov alone
    from hypothesis import settings

    # A timing is nothing to fail for: machines differ by ten times.
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """With a seed the same examples each time.

    Hypothesis also draws numbers that it finds in the source of loaded modules, and which are loaded
    depends on what else the worker has run.
    """
    if config.getoption("hypothesis_seed", None) is not None:
        from hypothesis.internal.conjecture import providers

        nothing = type(providers.GLOBAL_CONSTANTS)()
        providers._get_local_constants = lambda: nothing


_LISTED = Path(__file__).with_name("thorough.txt").read_text(encoding="utf-8").splitlines()
THOROUGH = frozenset(line for line in _LISTED if not line.startswith("#"))


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.nodeid in THOROUGH or item.nodeid.partition("[")[0] in THOROUGH:
        item.add_marker("thorough")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """An empty repository; `gates` gives it one gate for all tests unless it has a configuration."""
    from plugin_kit import Repo

    return Repo(tmp_path / "repo")
