"""Configuration: one schema, read from YAML or pyproject.toml."""

from __future__ import annotations

from pytest_batchgate.config.load import load_config, profile_names
from pytest_batchgate.config.notyet import not_yet
from pytest_batchgate.config.source import Source, find_source

__all__ = ["Source", "find_source", "load_config", "not_yet", "profile_names"]
