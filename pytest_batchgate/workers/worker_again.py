"""Inside a worker: what is asked of an attempt that failed, and what is put away before the next one."""

from __future__ import annotations

import re

import pytest

from pytest_batchgate.workers import wire
from pytest_batchgate.workers.worker_collect import failed_subtests_key

_HALF_TEXT = 32 * 1024


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


def is_tried_again(retries: tuple[int, str | None], attempt: int, text: str) -> bool:
    """As the controller will decide, which has the last word.  ``retries``: how often, and what to match."""
    count, match = retries
    return attempt <= count and (match is None or re.search(match, text) is not None)


def failure_text(reports: list[pytest.TestReport]) -> str:
    """What `match` is searched in: each failed phase's text, at most its first and last 32 Ki characters."""
    texts = []
    for report in reports:
        if report.failed:
            texts.append(report.longreprtext)
            crash = getattr(report.longrepr, "reprcrash", None)
            texts.append(str(getattr(crash, "message", "")))  # with --tb=no it is all there is
    text = "\n".join(texts)
    if len(text) > 2 * _HALF_TEXT:
        text = f"{text[:_HALF_TEXT]}\n...\n{text[-_HALF_TEXT:]}"
    plain: str = wire.plain(text)
    return plain
