"""Inside the workers of a run that `--batch-verify` started: order, lanes and markers as scripted."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pytest_batchgate.bench.script import Script, from_json, lane_group

MEET_S = 10.0  # then the other test is taken not to come: its worker may have died
_POLL_S = 0.002


def register(config: pytest.Config, path: str) -> None:
    script = from_json(Path(path).read_text(encoding="utf-8"))
    config.pluginmanager.register(Lanes(script), "batchgate-lanes")


class Lanes:
    """A pytest plugin."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._places = {nodeid: place for place, nodeid in enumerate(script.order)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        last = len(self._places)
        items.sort(key=lambda item: self._places.get(item.nodeid, last))
        for item in items:
            lane = self._script.lanes.get(item.nodeid)
            if lane is not None:
                _leave_groups(item)
                item.add_marker(pytest.mark.xdist_group(lane_group(lane)))
            for nodeid, marker, argument in self._script.marks:
                if nodeid == item.nodeid:
                    item.add_marker(getattr(pytest.mark, marker)(argument))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Tests that are to overlap begin together."""
        wait_s = self._script.meet_s.get(item.nodeid)
        if wait_s is None:
            return
        folder = Path(self._script.folder)
        (folder / f"here-{self._script.lanes[item.nodeid]}").touch()
        others = [folder / f"here-{self._script.lanes[name]}" for name in self._script.meet_s]
        until = time.monotonic() + MEET_S
        while time.monotonic() < until and not all(path.exists() for path in others):
            time.sleep(_POLL_S)
        time.sleep(wait_s)


def _leave_groups(item: pytest.Item) -> None:
    """Groups of the user's would be joined to the lane's: two lanes could become one."""
    for node in item.listchain():
        node.own_markers[:] = [mark for mark in node.own_markers if mark.name != "xdist_group"]
