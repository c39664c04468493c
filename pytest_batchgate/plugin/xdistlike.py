"""What plugins and tests written for pytest-xdist find in a configuration, with or without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_batchgate.plugin import xdistspecs

# xdist's options as they are where nobody asked for workers of its own.
_OPTIONS: Mapping[str, Any] = {"numprocesses": None, "maxprocesses": None, "dist": "no", "tx": []}


class Stand:
    """Nothing but a name."""


class Fixtures:
    """xdist's two fixtures, for workers where it is not there to provide them."""

    @pytest.fixture(scope="session")
    def worker_id(self, request: pytest.FixtureRequest) -> str:
        """The worker's name: ``gw0`` and so on."""
        return str(request.config.workerinput["workerid"])  # type: ignore[attr-defined]

    @pytest.fixture(scope="session")
    def testrun_uid(self, request: pytest.FixtureRequest) -> str:
        """The same text in all workers of a run, and in no other run."""
        return str(request.config.workerinput["testrunuid"])  # type: ignore[attr-defined]


def declare_hooks(config: pytest.Config) -> None:
    """Declare xdist's hooks unless xdist has done it: twice is an error."""
    hook = getattr(config.hook, "pytest_configure_node", None)
    if hook is None or getattr(hook, "spec", None) is None:
        config.pluginmanager.add_hookspecs(xdistspecs)


def prepare_controller(config: pytest.Config) -> None:
    """Before plugins are asked: pytest-cov looks here to find out that others run the tests."""
    config.known_args_namespace.dist = "load"
    _stand_in(config, Stand())


def prepare_worker(config: pytest.Config) -> None:
    """The same for a worker's own configuration."""
    declare_hooks(config)
    _stand_in(config, Fixtures())
    if hasattr(config.known_args_namespace, "cov_append"):
        # pytest-cov begins by erasing what is there, which a late worker must not do to the others.
        config.known_args_namespace.cov_append = True


def _stand_in(config: pytest.Config, plugin: object) -> None:
    """Where xdist is absent, ``plugin`` takes its name: others ask for it before they speak to workers.

    pytest-randomly and syrupy do.  With the name go the options that they read then.
    """
    manager = config.pluginmanager
    if manager.hasplugin("xdist"):
        return
    if manager.is_blocked("xdist"):
        manager.register(plugin, "batchgate-xdist")
        return
    manager.register(plugin, "xdist")
    for name, value in _OPTIONS.items():
        if not hasattr(config.option, name):
            setattr(config.option, name, value)
