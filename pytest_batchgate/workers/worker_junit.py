"""Inside a worker: what tests add to the JUnit report themselves goes to the one who writes it."""

from __future__ import annotations

from typing import Any

import pytest
from _pytest.junitxml import xml_key

from pytest_batchgate.workers import wire
from pytest_batchgate.workers.outbox import Outbox


class JunitRelay:
    """Stands in for pytest's ``LogXML``, as far as its fixtures and plugins use it in a test.

    ``record_testsuite_property``, ``record_xml_attribute`` and the warnings about families
    that lack them work as in a process of its own.
    """

    def __init__(self, family: str, outbox: Outbox) -> None:
        self.family = family
        self._outbox = outbox

    def add_global_property(self, name: str, value: object) -> None:
        self._tell(None, name, value)

    def node_reporter(self, report: Any) -> _NodeRelay:
        return _NodeRelay(self, str(getattr(report, "nodeid", report)))

    def _tell(self, nodeid: str | None, name: str, value: object) -> None:
        self._outbox.put(wire.JUNIT, wire.plain(nodeid), wire.plain(str(name)), wire.plain(str(value)))


class _NodeRelay:
    def __init__(self, relay: JunitRelay, nodeid: str) -> None:
        self._relay = relay
        self._nodeid = nodeid

    def add_attribute(self, name: str, value: object) -> None:
        self._relay._tell(self._nodeid, name, value)


def relay_junit(config: pytest.Config, outbox: Outbox) -> None:
    """Where `--junitxml` was given: pytest leaves workers without a report of their own."""
    if getattr(config.option, "xmlpath", None) and config.stash.get(xml_key, None) is None:
        relay: Any = JunitRelay(str(config.getini("junit_family")), outbox)
        config.stash[xml_key] = relay
        config.pluginmanager.register(
            relay, "batchgate-junit"
        )  # pytest unregisters what it finds in the stash
