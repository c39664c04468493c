"""Inside a worker: list the test files without importing one, then collect them one by one.

One ordinary `perform_collect` builds the tree (testpaths, ignores, conftest hooks,
other plugins' collectors), while every File node is answered with an empty report
and remembered.  Collecting a file later is `genitems` on its remembered nodes.
Calling `perform_collect` per file would not do: fixtures are bound to the nodes of
one tree, and are gone with the next.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_batchgate.workers import wire
from pytest_batchgate.workers.worker_claims import Claims


@dataclass(eq=False)
class Gathered:
    """The tests of one file as this worker sees them."""

    items: list[pytest.Item]
    gates: list[int]
    traits: dict[int, dict[str, Any]]
    deselected: list[str]
    reports: list[dict[str, Any]]
    errors: int
    duration_s: float
    keys: list[str] = field(default_factory=list)
    by_key: dict[str, pytest.Item] = field(default_factory=dict)


@dataclass(frozen=True)
class NameFilter:
    """One ``path::name`` argument: where it stands, its parts, and its text."""

    place: int
    parts: tuple[str, ...]
    text: str

    def matches(self, names: Sequence[str]) -> bool:
        if len(names) < len(self.parts):
            return False
        *heads, last = self.parts
        if list(names[: len(heads)]) != heads:
            return False
        name = names[len(heads)]
        return name == last or ("[" not in last and name.partition("[")[0] == last)


def split_argument(arg: str) -> tuple[str, tuple[str, ...]]:
    """``path::a::b[x::y]`` -> (path, (a, "b[x::y]"))."""
    base, bracket, parameters = arg.partition("[")
    path, *parts = base.split("::")
    if parts:
        parts[-1] += bracket + parameters
        return path, tuple(parts)
    return arg, ()


class FileCollector:
    """A pytest plugin: answers for File nodes while listing, and collects them on demand."""

    def __init__(self, config: pytest.Config, claims: Claims, setup: dict[str, Any]) -> None:
        self.config = config
        self.claims = claims
        self.whole: bool = setup["whole"]
        self.only_ids: dict[str, list[str]] | None = setup["only_ids"]
        self.first_ids: set[str] = set(setup["first_ids"])
        self.nodes: dict[str, list[pytest.Collector | pytest.Item]] = {}
        self.gathered: dict[str, Gathered] = {}
        self.filters: dict[str, list[NameFilter]] = {}  # by absolute path of the file
        self.loose_reports: list[dict[str, Any]] = []
        self._listing = False
        self._wanted: str | None = None
        self._reports: list[dict[str, Any]] = []
        self._errors = 0
        self._deselected: list[str] = []

    # --- listing ----------------------------------------------------------------

    def list_files(self, session: pytest.Session) -> list[str]:
        """Keys of the test files, in pytest's order.  Raises UsageError as pytest does."""
        args = self._without_names(session.config.args)
        self._listing = not self.whole
        try:
            session.perform_collect(args)
        finally:
            self._listing = False
        self.loose_reports, self._reports = self._reports, []
        if self.whole:
            self._gather_whole(session)
        else:
            for item in session.items:  # items that hang on a folder, not on a file
                self.nodes.setdefault(item.nodeid.partition("::")[0], []).append(item)
        session.items = []
        self._check_names(session)
        files = list(self.gathered if self.whole else self.nodes)
        if self.only_ids is not None:
            files = [name for name in files if name in self.only_ids]
        return files

    def _without_names(self, args: Sequence[str]) -> list[str]:
        """Arguments with ``::name`` cut off; the names filter their file's tests afterwards."""
        if self.whole:
            return list(args)
        paths: dict[str, None] = {}
        plain = {arg for arg in args if not split_argument(arg)[1]}
        base = self.config.invocation_params.dir
        for place, arg in enumerate(args):
            path, parts = split_argument(arg)
            paths[path] = None
            if parts and path not in plain:
                where = str(base / path)
                self.filters.setdefault(where, []).append(NameFilter(place, parts, arg))
        return list(paths)

    def _check_names(self, session: pytest.Session) -> None:
        """As pytest: a name that is not found is a usage error, before any test runs."""
        for where, filters in self.filters.items():
            names = [
                name for name, nodes in self.nodes.items() if any(str(node.path) == where for node in nodes)
            ]
            found = [filter_ for name in names for filter_ in self._matched(session, name, filters)]
            missing = [filter_ for filter_ in filters if filter_ not in found]
            broken = any(self.gathered[name].errors for name in names if name in self.gathered)
            if missing and not broken:
                raise pytest.UsageError(
                    *(
                        f"not found: {where}::{'::'.join(f.parts)}\n(no match in any of {names})"
                        for f in missing
                    )
                )

    def _matched(self, session: pytest.Session, name: str, filters: list[NameFilter]) -> list[NameFilter]:
        gathered = self.gather(session, name)
        return [f for f in filters if any(f.matches(_names_in_file(item)) for item in gathered.items)]

    def marked_files(self, names: Sequence[str]) -> list[str]:
        """Files whose tests may belong to a gate that their path does not tell, by a marker.

        Judged by their text, so that no gate ends before such a file was collected.  Hooks of a
        conftest may add markers too, to any test below it.
        """
        if len(self.claims.claims) == 1 and not self.claims.claims[0].paths:
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
        begin = time.perf_counter()
        try:
            session.config.hook.pytest_collection(session=session)
        finally:
            self._wanted = None
        items = session.items
        session.items = []
        gathered = self._judge(items, time.perf_counter() - begin)
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
        items = self._filter_names(items)
        session.items = items
        self.config.hook.pytest_collection_modifyitems(session=session, config=self.config, items=items)
        if self.only_ids is not None or self.first_ids:
            self._last_failed(items)
        session.items = items
        self.config.hook.pytest_collection_finish(session=session)
        session.testscollected += len(items)
        return True

    def _filter_names(self, items: list[pytest.Item]) -> list[pytest.Item]:
        if not self.filters or not items:
            return items
        filters = self.filters.get(str(items[0].path))
        if filters is None:
            return items
        places = {}
        for item in items:
            names = _names_in_file(item)
            place = next((f.place for f in filters if f.matches(names)), None)
            if place is not None:
                places[item] = place
        return sorted(places, key=places.__getitem__)

    def _last_failed(self, items: list[pytest.Item]) -> None:
        """``--lf`` and ``--ff`` within one file; the controller chose the files."""
        name = self._wanted or ""
        if self.only_ids is not None:
            keep = set(self.only_ids.get(name, ()))
            gone = [item for item in items if item.nodeid not in keep]
            if gone:
                items[:] = [item for item in items if item.nodeid in keep]
                self.config.hook.pytest_deselected(items=gone)
        if self.first_ids:
            items.sort(key=lambda item: item.nodeid not in self.first_ids)

    def _gather_whole(self, session: pytest.Session) -> None:
        """Every test at once; each file's share is then treated like a file collected alone."""
        by_file: dict[str, list[pytest.Item]] = {}
        for item in session.items:
            by_file.setdefault(item.nodeid.partition("::")[0], []).append(item)
        for name, items in by_file.items():
            self.gathered[name] = self._judge(items, 0.0)
            self._deselected = []
        session.testscollected = len(session.items)

    def _judge(self, items: list[pytest.Item], duration_s: float) -> Gathered:
        gates: list[int] = []
        traits: dict[int, dict[str, Any]] = {}
        kept: list[pytest.Item] = []
        held_back: list[pytest.Item] = []
        for item in items:
            claimed = self.claims.claim(item)
            if claimed.deselected:
                held_back.append(item)
                continue
            if claimed.traits:
                traits[len(kept)] = claimed.traits
            kept.append(item)
            gates.append(claimed.gate)
        if held_back:
            self.config.hook.pytest_deselected(items=held_back)
        gathered = Gathered(
            items=kept,
            gates=gates,
            traits=traits,
            deselected=self._deselected,
            reports=self._reports,
            errors=self._errors,
            duration_s=duration_s,
        )
        self._reports, self._errors, self._deselected = [], 0, []
        _name(gathered)
        return gathered

    # --- hooks ------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> pytest.CollectReport | None:
        if not self._listing or not isinstance(collector, pytest.File):
            return None
        self.nodes.setdefault(collector.nodeid, []).append(collector)
        return pytest.CollectReport(collector.nodeid, "passed", None, [])

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.passed:
            return
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self._reports.append(wire.plain(data))
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


def _names_in_file(item: pytest.Item) -> list[str]:
    """Names below the File node: classes, then the test's own."""
    chain = item.listchain()
    start = max((number for number, node in enumerate(chain) if isinstance(node, pytest.File)), default=-1)
    return [node.name for node in chain[start + 1 :]]


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
