"""`collect: auto`: plugins that must see all tests of the run at once.

Workers collect file by file.  A plugin that orders, picks or counts over the whole run
would then order, pick or count within each file.  With one of these active every
worker collects everything, which costs time and keeps their meaning as far as tests on
several workers can have an order at all.

pytest-randomly is no such plugin: it shuffles within what it is given, with one seed for all
workers.  Neither are those that change single tests or repeat them (pytest-repeat,
pytest-rerunfailures, pytest-flakefinder).
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

# Distribution -> the options (by their attribute names) that make it act; none: it always does.
PLUGINS: Mapping[str, tuple[str, ...]] = {
    "pytest-chunks": ("number_of_chunks",),
    "pytest-dependency": ("automark_dependency",),
    "pytest-depends": (),
    "pytest-django": (),  # sets up the databases that the session's tests name, before the first of them
    "pytest-order": (),
    "pytest-ordering": (),
    "pytest-random-order": ("random_order_bucket", "random_order", "random_order_seed"),
    "pytest-reverse": ("reverse",),
    "pytest-shard": ("num_shards",),
    "pytest-split": ("splits",),
    "pytest-test-groups": ("test-group-count", "test_group_count"),
    "pytest-testmon": ("testmon",),
    "syrupy": (),  # looks for snapshots without a test among all that every worker collected
}
_INACTIVE = (None, False, 0, 1, "", "none")


def plugins_that_need_all(config: pytest.Config) -> list[str]:
    """Names of active plugins of the list, sorted."""
    manager = config.pluginmanager
    found = {_normal(dist.project_name) for _, dist in manager.list_plugin_distinfo()}
    # Loaded by ``-p module``, or found beside the tests: known by its module's name alone.
    found |= {_normal(name) for name, plugin in manager.list_name_plugin() if plugin is not None}
    return sorted(name for name in found & PLUGINS.keys() if _is_active(config, PLUGINS[name]))


def _is_active(config: pytest.Config, options: tuple[str, ...]) -> bool:
    known = [name for name in options if hasattr(config.option, name)]
    return not known or any(getattr(config.option, name) not in _INACTIVE for name in known)


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
