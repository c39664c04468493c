"""Inside a worker: list the test files without importing one, then collect them one by one.

One ordinary `perform_collect` builds the tree (testpaths, ignores, conftest hooks,
other plugins' collectors), while every File node is remembered instead of being
expanded.  Collecting a file later is `genitems` on its remembered nodes.
Calling `perform_collect` per file would not do: fixtures are bound to the nodes of
one tree, and are gone with the next.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from time import perf_counter  # now: tests may patch the module
from typing import Any

import pytest
from _pytest._code.code import TerminalRepr

from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.workers import wire
from pytest_batchgate.workers.worker_claims import Claims

failed_subtests_key: Any
try:
    from _pytest.subtests import failed_subtests_key
except ImportError:  # before pytest 9
    failed_subtests_key = None


@dataclass(eq=False)
class Gathered:
    """The tests of one file as this worker sees them."""

    items: list[pytest.Item]
    gates: list[int]
    traits: dict[int, dict[str, Any]]
    timeouts: dict[int, float]
    deselected: list[str]
    reports: list[dict[str, Any]]
    errors: int
    duration_s: float
    keys: list[str] = field(default_factory=list)
    by_key: dict[str, pytest.Item] = field(default_factory=dict)


class FileCollector:
    """A pytest plugin: remembers what would be collected while listing, and collects it on demand."""

    def __init__(self, config: pytest.Config, claims: Claims, setup: dict[str, Any]) -> None:
        self.config = config
        self.claims = claims
        self.whole: bool = setup["whole"]
        self.only_ids: dict[str, list[str]] | None = setup["only_ids"]
        self.first_ids: set[str] = set(setup["first_ids"])
        self.nodes: dict[str, list[pytest.Collector | pytest.Item]] = {}
        self.gathered: dict[str, Gathered] = {}
        # What plugins and fixtures find in ``session.items``: all tests collected so far.
        self.items: list[pytest.Item] = []
        self._wanted: str | None = None
        self._reports: list[dict[str, Any]] = []
        self._errors = 0
        self._deselected: list[str] = []

    # --- listing ----------------------------------------------------------------

    def list_files(self, session: pytest.Session) -> list[str]:
        """Keys of the test files, in pytest's order.  Raises UsageError as pytest does.

        What could not be collected (a folder whose conftest is broken) counts as a file, with
        its error and no tests.
        """
        if self.whole:
            items = session.perform_collect()
            session.testscollected = 0
            self._share_out(items)
        else:
            genitems = session.genitems
            # pytest itself walks the arguments and folders, and finds ``path::name``; only what it would
            # expand then, importing the file, is put off.
            session.genitems = functools.partial(self._remember, session)  # type: ignore[method-assign]
            try:
                session.perform_collect()
            finally:
                session.genitems = genitems  # type: ignore[method-assign]
            self._share_out(())
        session.items = self.items
        files = list(dict.fromkeys([*self.nodes, *self.gathered]))
        if self.only_ids is not None:
            files = [name for name in files if name in self.only_ids or self._is_broken(name)]
        return files

    def pending_reports(self) -> list[dict[str, Any]]:
        """What went wrong in a collection that never came to its end."""
        return self._reports

    def _is_broken(self, name: str) -> bool:
        return name in self.gathered and self.gathered[name].errors > 0

    def _remember(
        self, session: pytest.Session, node: pytest.Item | pytest.Collector
    ) -> Iterator[pytest.Item]:
        if isinstance(node, (pytest.Session, pytest.Directory)):
            yield from pytest.Session.genitems(session, node)
        else:
            self.nodes.setdefault(file_of(node.nodeid), []).append(node)

    def marked_files(self, names: Sequence[str]) -> list[str]:
        """Files whose tests may belong to a gate that their path does not tell, by a marker.

        Judged by their text, so that no gate ends before such a file was collected.  Hooks of a
        conftest may add markers too, to any test below it.
        """
        if len(self.claims.all_gates) == 1 and not self.claims.claims[0].paths:
            return []
        plugins = self.config.pluginmanager.get_plugins()
        conftests = [
            Path(path)
            for plugin in plugins
            if (path := getattr(plugin, "__file__", None) or "").endswith("conftest.py")
        ]
        folders = {path.parent for path in conftests if _names_gate(path)}
        marked = []
        for name in names:
            path = self._path_of(name)
            if path is not None and (not folders.isdisjoint(path.parents) or _names_gate(path)):
                marked.append(name)
        return marked

    def _path_of(self, name: str) -> Path | None:
        known = self.gathered.get(name)
        nodes = self.nodes.get(name) or (known.items if known else [])
        return nodes[0].path if nodes else None

    # --- collecting -------------------------------------------------------------

    def gather(self, session: pytest.Session, name: str) -> Gathered:
        """Collect one file (once).  KeyError for a file this worker did not list."""
        known = self.gathered.get(name)
        if known is not None:
            return known
        if name not in self.nodes:
            raise KeyError(name)
        self._wanted = name
        self._reports, self._errors, self._deselected = [], 0, []
        begin = perf_counter()
        try:
            session.config.hook.pytest_collection(session=session)
        finally:
            self._wanted = None
        items = session.items
        session.items = self.items
        gathered = self._judge(items, perf_counter() - begin)
        self.gathered[name] = gathered
        return gathered

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool | None:
        """Through the hook, so that the wrappers for warnings, assertions and logs apply."""
        if self._wanted is None:
            return None
        items: list[pytest.Item] = []
        for node in self.nodes[self._wanted]:
            items.extend(session.genitems(node))
        items = self._without_passed(items)
        session.items = items
        self.config.hook.pytest_collection_modifyitems(session=session, config=self.config, items=items)
        if self.only_ids is not None or self.first_ids:
            self._last_failed(items)
        session.items = items
        self.config.hook.pytest_collection_finish(session=session)
        session.testscollected += len(items)
        return True

    def _without_passed(self, items: list[pytest.Item]) -> list[pytest.Item]:
        """As pytest with ``--lf``: of a file that was not named, other functions are not even collected."""
        if self.only_ids is None or not items or items[0].session.isinitpath(items[0].path):
            return items
        failed = set(self.only_ids.get(self._wanted or "", ()))
        return [item for item in items if item.nodeid in failed or not isinstance(item.parent, pytest.File)]

    def _last_failed(self, items: list[pytest.Item]) -> None:
        """``--lf`` and ``--ff`` within one file; the controller chose the files."""
        if self.only_ids is not None:
            failed = {nodeid for nodeids in self.only_ids.values() for nodeid in nodeids}
            gone = [item for item in items if item.nodeid not in failed]
            if gone:
                items[:] = [item for item in items if item.nodeid in failed]
                self.config.hook.pytest_deselected(items=gone)
        if self.first_ids:
            items.sort(key=lambda item: item.nodeid not in self.first_ids)

    def _share_out(self, items: Sequence[pytest.Item]) -> None:
        """What was collected in one go, as if each file had been collected alone."""
        by_file: dict[str, list[pytest.Item]] = {}
        kept = list(items)
        if self.whole:
            self._last_failed(kept)
        for item in kept:
            by_file.setdefault(file_of(item.nodeid), []).append(item)
        reports, deselected = self._reports, self._deselected
        for name in dict.fromkeys(
            [*by_file, *(file_of(report["nodeid"]) for report in reports), *map(file_of, deselected)]
        ):
            self._reports = [report for report in reports if file_of(report["nodeid"]) == name]
            self._errors = sum(report["outcome"] == "failed" for report in self._reports)
            self._deselected = [nodeid for nodeid in deselected if file_of(nodeid) == name]
            self.gathered[name] = self._judge(by_file.get(name, []), 0.0)
        self._reports, self._errors, self._deselected = [], 0, []

    def _judge(self, items: list[pytest.Item], duration_s: float) -> Gathered:
        gates: list[int] = []
        traits: dict[int, dict[str, Any]] = {}
        timeouts: dict[int, float] = {}
        kept: list[pytest.Item] = []
        held_back: list[pytest.Item] = []
        for item in items:
            claimed = self.claims.claim(item)
            if claimed.deselected:
                held_back.append(item)
                continue
            if claimed.traits:
                traits[len(kept)] = claimed.traits
            if claimed.timeout_s is not None:
                timeouts[len(kept)] = claimed.timeout_s
            kept.append(item)
            gates.append(claimed.gate)
        self.items += kept
        if held_back:
            self.config.hook.pytest_deselected(items=held_back)
        gathered = Gathered(
            items=kept,
            gates=gates,
            traits=traits,
            timeouts=timeouts,
            deselected=self._deselected,
            reports=self._reports,
            errors=self._errors,
            duration_s=duration_s,
        )
        self._reports, self._errors, self._deselected = [], 0, []
        _name(gathered)
        return gathered

    # --- hooks ------------------------------------------------------------------

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.passed:
            return
        self._reports.append(serialized(self.config, report))
        self._errors += report.failed

    @pytest.hookimpl
    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._deselected += [wire.plain(item.nodeid) for item in items]


_GATE_MARKER = re.compile(rb"\.gate\b|\bgate\(")


def _names_gate(path: Path) -> bool:
    try:
        return _GATE_MARKER.search(path.read_bytes()) is not None
    except OSError:
        return False


def serialized(config: pytest.Config, report: pytest.CollectReport | pytest.TestReport) -> dict[str, Any]:
    """A report as builtins; may raise what plugins raise.

    pytest turns what shows itself (an error of collection, a missing fixture) into text, which
    it then takes for the failure's message; `wire.SHOWN` tells them apart.
    """
    data = config.hook.pytest_report_to_serializable(config=config, report=report)
    if isinstance(data.get("longrepr"), str) and isinstance(report.longrepr, TerminalRepr):
        data[wire.SHOWN] = True
    if report.when == "call" and failed_subtests_key is not None:
        data[wire.SUBTESTS] = config.stash[failed_subtests_key].get(getattr(report, "id", report.nodeid), 0)
    if data.get("user_properties"):
        data["user_properties"] = [
            (name, wire.property_value(value)) for name, value in data["user_properties"]
        ]
    if data.get("longrepr") or data.get("sections"):
        from pytest_batchgate.workers.clipping import clip_report

        data = clip_report(data)
    plain: dict[str, Any] = wire.plain(data)
    return plain


def file_of(nodeid: str) -> str:
    """The file of a test's, class's or file's node id; the rootdir's own is "."."""
    name: str = wire.plain(nodeid.partition("::")[0])
    return name or "."


def _name(gathered: Gathered) -> None:
    """Keys: node ids, made unique where pytest repeats one."""
    for item in gathered.items:
        key = wire.plain(item.nodeid)
        if key in gathered.by_key:
            number = 1
            while f"{key}\0{number}" in gathered.by_key:
                number += 1
            key = f"{key}\0{number}"
        gathered.keys.append(key)
        gathered.by_key[key] = item


def locations(file: str, gathered: Gathered) -> tuple[tuple[int | None, ...], dict[int, tuple[str, str]]]:
    """Line numbers, and (path, domain) where they do not follow from the node id."""
    lines: list[int | None] = []
    odd: dict[int, tuple[str, str]] = {}
    for index, item in enumerate(gathered.items):
        path, line, domain = item.location
        lines.append(line)
        if path != file or domain != wire.derived_domain(item.nodeid):
            odd[index] = (wire.plain(path), wire.plain(domain))
    return tuple(lines), odd


def freeze() -> None:
    """Collect first, or leaked cycles would hide their warnings; then never look at imports again."""
    import gc

    gc.collect()
    gc.freeze()
    gc.enable()
