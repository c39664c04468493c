"""The fixtures of the plugin's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_kit import Repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """An empty repository; `gates` gives it one gate for all tests unless it has a configuration."""
    return Repo(tmp_path / "repo")
