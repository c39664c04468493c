"""Inside a worker: what pytest keeps of a test's attempt, put away before the next one."""

from __future__ import annotations

import pytest

from pytest_batchgate.workers.worker_collect import failed_subtests_key


def make_fresh(item: pytest.Item) -> None:
    """Let the item, which may have run in this process, run as if for the first time."""
    _forget_failed_fixtures(item)
    getattr(item, "_report_sections", []).clear()  # the output that was captured
    if failed_subtests_key is not None:
        item.config.stash[failed_subtests_key].pop(getattr(item, "id", item.nodeid), None)


def _forget_failed_fixtures(item: pytest.Item) -> None:
    """pytest keeps the exception of a fixture of wide scope for all who ask: another attempt asks anew."""
    info = getattr(item, "_fixtureinfo", None)
    for definitions in getattr(info, "name2fixturedefs", {}).values():
        for definition in definitions:
            cached = getattr(definition, "cached_result", None)
            if cached is not None and cached[2] is not None:
                definition.cached_result = None
