"""Inside a worker: which gate takes a collected test, and what its markers ask for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import pytest
from _pytest.mark import KeywordMatcher, MarkMatcher
from _pytest.mark.expression import Expression

from pytest_batchgate.core.agreed import NO_GATE, path_matches
from pytest_batchgate.core.valuetypes import dataclass

DEFAULT_GROUP = "default"  # xdist's name for a group without one
TRAIT_MARKS = frozenset({"gate", "depends_on", "serial", "xdist_group"})
TIMEOUT_MARK = "timeout"  # pytest-timeout's


@dataclass(frozen=True, slots=True)
class Claim:
    """One tests gate as the worker needs it."""

    name: str
    expression: Expression | None
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """The outcome for one item: its gate, and its traits as a plain dict (None: it has none).

    ``timeout_s``: the limit that its marker gives it, 0 being none; None without such a marker.
    """

    gate: int
    traits: dict[str, Any] | None
    deselected: bool = False
    timeout_s: float | None = None


def match_marks(item: pytest.Item, expression: Expression) -> bool:
    if hasattr(MarkMatcher, "from_markers"):
        return expression.evaluate(MarkMatcher.from_markers(item.iter_markers()))
    return expression.evaluate(MarkMatcher.from_item(item))  # type: ignore[attr-defined]  # pytest < 8.3


def compile_expression(text: str | None) -> Expression | None:
    return Expression.compile(text) if text and text.strip() else None


class Claims:
    """Assigns items to gates, in claim order (interface: a marker, else the first match)."""

    def __init__(
        self,
        gates: Iterable[tuple[str, str | None, tuple[str, ...]]],
        all_gates: Iterable[str],
        ini_markexpr: str,
        ini_keyword: str,
        *,
        func_only: bool = False,
    ) -> None:
        """``func_only``: limits hold for test functions alone, unless a marker says otherwise."""
        self.claims = [Claim(name, compile_expression(text), tuple(paths)) for name, text, paths in gates]
        self.index = {claim.name: number for number, claim in enumerate(self.claims)}
        self.all_gates = tuple(all_gates)
        self.ini_markexpr = compile_expression(ini_markexpr)
        self.ini_keyword = compile_expression(ini_keyword)
        self.func_only = func_only

    def claim(self, item: pytest.Item) -> Claimed:
        names = {mark.name for mark in item.iter_markers()}
        timeout_s = marked_limit(item, func_only=self.func_only) if TIMEOUT_MARK in names else None
        if not (names & TRAIT_MARKS):
            gate = self._match(item)
            return Claimed(gate, None, gate == NO_GATE and self._held_back_by_ini(item), timeout_s)
        traits: dict[str, Any] = {}
        marked = self._by_marker(item, traits) if "gate" in names else None
        gate = self._match(item) if marked is None else marked
        _read_traits(item, traits)
        return Claimed(gate, traits or None, gate == NO_GATE and self._held_back_by_ini(item), timeout_s)

    def _match(self, item: pytest.Item) -> int:
        path = ""
        for number, claim in enumerate(self.claims):
            if claim.paths:
                path = path or item.nodeid.partition("::")[0]
                if not path_matches(path, claim.paths):
                    continue
            if claim.expression is not None:
                if match_marks(item, claim.expression):
                    return number
            elif not self._held_back_by_ini(item):
                return number
        return NO_GATE

    def _held_back_by_ini(self, item: pytest.Item) -> bool:
        """-m and -k of ini ``addopts`` hold for gates that choose by path, or take the rest."""
        if self.ini_markexpr is not None and not match_marks(item, self.ini_markexpr):
            return True
        if self.ini_keyword is not None:
            return not self.ini_keyword.evaluate(KeywordMatcher.from_item(item))
        return False

    def _by_marker(self, item: pytest.Item, traits: dict[str, Any]) -> int | None:
        """The nearest marker decides; its mistakes are errors of the test."""
        for mark in item.iter_markers("gate"):
            given = mark.kwargs.get("needs") or ()
            if not isinstance(given, (str, list, tuple, set, frozenset)):
                traits["problem"] = f"gate marker: needs must be a list of gates, not {given!r}"
                given = ()
            needs = [given] if isinstance(given, str) else [str(need) for need in given]
            unknown = [need for need in needs if need not in self.all_gates]
            if unknown:
                traits["problem"] = (
                    f"gate marker: needs {unknown[0]!r}, which is no gate{self._near(unknown[0])}"
                )
            traits["depends_on"] = [f"gate:{need}" for need in needs]
            if not mark.args and "name" not in mark.kwargs:
                return None
            name = str(mark.args[0] if mark.args else mark.kwargs["name"])
            if name in self.index:
                return self.index[name]
            if name in self.all_gates:
                traits["problem"] = f"gate marker: {name!r} is a command, and takes no tests"
            else:
                traits["problem"] = f"gate marker: unknown gate {name!r}{self._near(name)}"
            return None
        return None

    def _near(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.all_gates, n=1, cutoff=0.5)
        return f"; did you mean {near[0]!r}?" if near else ""


def marked_limit(item: pytest.Item, *, func_only: bool) -> float | None:
    """Seconds that the nearest ``timeout`` marker allows, 0 being no limit; None where it gives none.

    Limits of test functions alone are left to pytest-timeout: from here one sees no more than when
    the test began, its fixtures included.
    """
    mark = item.get_closest_marker(TIMEOUT_MARK)
    assert mark is not None
    given = mark.args[0] if mark.args else mark.kwargs.get("timeout")
    own = mark.args[2] if len(mark.args) > 2 else mark.kwargs.get("func_only")
    if func_only if own is None else own:
        return 0.0
    try:
        return None if given is None else max(0.0, float(given))
    except (TypeError, ValueError):  # pytest-timeout says so itself
        return None


def _read_traits(item: pytest.Item, traits: dict[str, Any]) -> None:
    depends = list(traits.get("depends_on", ()))
    for mark in item.iter_markers("depends_on"):
        depends += [str(target) for target in mark.args]
    if depends:
        traits["depends_on"] = list(dict.fromkeys(depends))
    else:
        traits.pop("depends_on", None)
    serial = []
    for mark in item.iter_markers("serial"):
        named = mark.args or ([mark.kwargs["name"]] if "name" in mark.kwargs else [""])
        serial += [str(name) for name in named]
    if serial:
        traits["serial"] = sorted(set(serial))
    groups = [
        str(mark.args[0] if mark.args else mark.kwargs.get("name", DEFAULT_GROUP))
        for mark in item.iter_markers("xdist_group")
    ]
    if groups:
        traits["group"] = "_".join(sorted(set(groups)))
