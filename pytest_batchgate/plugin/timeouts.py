"""The time limits of pytest-timeout: given more time where it is installed, honoured where it is not.

Installed, it ends most tests itself; only one that it cannot end (it holds the GIL, was stopped,
is deaf to signals) is still there some seconds later.  Absent, its ini value and marker are ours.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from pytest_batchgate.core.valuetypes import dataclass

NAME = "timeout"
# For pytest-timeout to end a test, and for the test's fixtures to be torn down then.
SPARE_S = 5.0
_MARKER = "timeout(seconds): the test fails, and its worker is replaced, once it has run for that long"

_ours_key = pytest.StashKey[bool]()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds for tests without a marker, and how much later we step in.

    ``func_only``: limits are for test functions without their fixtures, which only pytest-timeout can tell.
    """

    test_limit_s: float | None = None
    test_spare_s: float = 0.0
    func_only: bool = False


def declare_ini(config: pytest.Config) -> None:
    """Once all plugins and first conftests are known: the ini key, if nobody else has it."""
    parser: Any = config._parser
    if _is_installed(config) or config.pluginmanager.is_blocked(NAME) or NAME in parser._inidict:
        return
    parser.addini(NAME, "seconds after which a test fails and its worker is replaced (with --batch-gates)")
    config.stash[_ours_key] = True


def declare_marker(config: pytest.Config) -> None:
    """The marker, where the ini key is ours."""
    if config.stash.get(_ours_key, False):
        known = {line.partition(":")[0].partition("(")[0].strip() for line in config.getini("markers")}
        if NAME not in known:
            config.addinivalue_line("markers", _MARKER)


def read_limits(config: pytest.Config) -> Limits:
    """Raises UsageError for what is no number of seconds."""
    if _is_installed(config):
        func_only = bool(_ini(config, "timeout_func_only"))
        limit_s = None if func_only else _given(config)
        return Limits(test_limit_s=limit_s, test_spare_s=SPARE_S, func_only=func_only)
    if config.stash.get(_ours_key, False):
        return Limits(test_limit_s=_seconds(_ini(config, NAME)))
    return Limits()


def _is_installed(config: pytest.Config) -> bool:
    return any(config.pluginmanager.hasplugin(name) for name in (NAME, f"pytest_{NAME}"))


def _given(config: pytest.Config) -> float | None:
    """The first of option, variable and ini value, as pytest-timeout takes them."""
    for value in (config.getoption(NAME, None), os.environ.get("PYTEST_TIMEOUT"), _ini(config, NAME)):
        limit_s = _seconds(value)
        if limit_s is not None:
            return limit_s
    return None


def _ini(config: pytest.Config, name: str) -> Any:
    try:
        return config.getini(name)
    except (KeyError, ValueError):  # an older pytest-timeout does not know it
        return None


def _seconds(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        raise pytest.UsageError(f"timeout: {value!r} is no number of seconds") from None
