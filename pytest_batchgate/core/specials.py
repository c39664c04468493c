"""Tests with traits, and what they wait for, as plain values and a shelf to find them on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from pytest_batchgate.core.ledger import FileRun, Realm, RealmKey
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.protocol import Traits
from pytest_batchgate.core.valuetypes import dataclass


@dataclass(slots=True, eq=False)
class Target:
    """What one `depends_on` entry names: a gate, or tests that may not be known yet."""

    text: str
    file: str = ""  # that holds what it names
    gate: GateName | None = None
    resolved: bool = False
    pending: int = 0  # its tests that have not ended
    culprit: str | None = None  # why it can no longer be met
    missing: bool = False  # the culprit is that no such test exists: an error, not a skip
    tests: list[tuple[str, int, int]] = field(default_factory=list)  # file, index, gate of each

    @property
    def met(self) -> bool:
        return self.resolved and not self.pending and self.culprit is None


@dataclass(slots=True, eq=False)
class Special:
    """A test with traits, held back until they allow it."""

    realm: Realm
    file: FileRun
    index: int
    gate: int
    traits: Traits
    targets: list[Target] = field(default_factory=list)

    @property
    def nodeid(self) -> str:
        assert self.file.collected is not None
        return self.file.collected.nodeid(self.index)


Shelf = dict[str | None, dict[str, dict[int, Special]]]  # group, file, index


class Specials:
    """The tests with traits that wait.

    On one shelf per environment, by group first: whose group belongs to another
    worker need not be looked at, and there may be thousands of them.
    """

    def __init__(self) -> None:
        self._shelves: dict[RealmKey, Shelf] = {}
        self._counts: dict[RealmKey, int] = {}
        self.fresh: list[Special] = []  # whose targets have not been looked up
        self.bound: dict[tuple[RealmKey, str, int], Special] = {}  # those with targets

    def __bool__(self) -> bool:
        return any(self._counts.values())

    def __iter__(self) -> Iterator[Special]:
        for key in self._shelves:
            yield from self._on(key)

    def __contains__(self, special: Special) -> bool:
        tests = self._shelves.get(special.realm.key, {}).get(special.traits.group, {})
        return tests.get(special.file.name, {}).get(special.index) is special

    def _on(self, key: RealmKey) -> Iterator[Special]:
        for files in self._shelves.get(key, {}).values():
            for tests in files.values():
                yield from tests.values()

    def of(self, realm: Realm) -> Iterator[Special]:
        """Those of one environment.  Not to be changed meanwhile."""
        return self._on(realm.key)

    def count(self, realm: Realm) -> int:
        return self._counts.get(realm.key, 0)

    def shelf(self, realm: Realm) -> Shelf:
        return self._shelves.get(realm.key, {})

    def add(self, special: Special) -> None:
        key = special.realm.key
        files = self._shelves.setdefault(key, {}).setdefault(special.traits.group, {})
        files.setdefault(special.file.name, {})[special.index] = special
        self._counts[key] = self._counts.get(key, 0) + 1
        if special.targets:
            self.bound[key, special.file.name, special.index] = special
        elif special.traits.depends_on:
            self.fresh.append(special)

    def bind(self, special: Special, targets: list[Target]) -> None:
        special.targets = targets
        self.bound[special.realm.key, special.file.name, special.index] = special

    def remove(self, special: Special) -> None:
        key, group, name = special.realm.key, special.traits.group, special.file.name
        shelf = self._shelves[key]
        del shelf[group][name][special.index]
        if not shelf[group][name]:
            del shelf[group][name]
        if not shelf[group]:
            del shelf[group]
        self._counts[key] -= 1
        self.bound.pop((key, name, special.index), None)
