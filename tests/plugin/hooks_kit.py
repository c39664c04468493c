"""Asking hooks in-process, through pytest's own plugin manager."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from _pytest.config import get_config

from pytest_batchgate import Command, Config, Gate, GateName, Tests
from pytest_batchgate.core.plan import build_plan
from pytest_batchgate.plugin import hookspecs

LS = Command(argv=("ls",))


def gate(name: str, **fields: Any) -> Gate:
    return Gate(name=GateName(name), **{"work": LS, **fields})


SETTINGS = Config(gates=(gate("lint", where="batchgate.yaml:3"), gate("unit", work=Tests(rest=True))))
PLAN = build_plan(SETTINGS)


@contextmanager
def bare_config(rootdir: Path) -> Iterator[pytest.Config]:
    """A configuration of pytest's own in which nobody implements a hook yet."""
    config = get_config()
    config._rootpath = rootdir
    config.pluginmanager.add_hookspecs(hookspecs)
    try:
        yield config
    finally:
        config._ensure_unconfigure()


def register(config: pytest.Config, name: str, **functions: Any) -> None:
    config.pluginmanager.register(_Plugin(functions), name)


class _Plugin:
    """A plugin with these hooks."""

    def __init__(self, functions: dict[str, Any]) -> None:
        for hook, function in functions.items():
            setattr(self, f"pytest_batchgate_{hook}", function)
