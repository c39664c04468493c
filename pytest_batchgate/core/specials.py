"""Tests with traits, and what they wait for, as plain values and a shelf to find them on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_batchgate.core.ledger import FileRun, Realm, RealmKey
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.protocol import Traits


@dataclass(slots=True, eq=False)
class Target:
    """What one `depends_on` entry names: a gate, or tests that may not be known yet."""

    text: str
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


class Specials:
    """The tests with traits that wait, by environment and file; iterating gives all of them."""

    def __init__(self) -> None:
        self._shelves: dict[RealmKey, dict[str, dict[int, Special]]] = {}
        self.fresh: list[Special] = []  # whose targets have not been looked up
        self.bound: dict[tuple[RealmKey, str, int], Special] = {}  # those with targets

    def __bool__(self) -> bool:
        return any(self._shelves.values())

    def __iter__(self) -> Iterator[Special]:
        for shelf in self._shelves.values():
            for tests in shelf.values():
                yield from tests.values()

    def __contains__(self, special: Special) -> bool:
        return self.of(special.realm).get(special.file.name, {}).get(special.index) is special

    def of(self, realm: Realm) -> dict[str, dict[int, Special]]:
        """Those of one environment: file, then index."""
        return self._shelves.get(realm.key, {})

    def add(self, special: Special) -> None:
        shelf = self._shelves.setdefault(special.realm.key, {})
        shelf.setdefault(special.file.name, {})[special.index] = special
        if special.targets:
            self.bound[special.realm.key, special.file.name, special.index] = special
        elif special.traits.depends_on:
            self.fresh.append(special)

    def bind(self, special: Special, targets: list[Target]) -> None:
        special.targets = targets
        self.bound[special.realm.key, special.file.name, special.index] = special

    def remove(self, special: Special) -> None:
        shelf = self._shelves[special.realm.key]
        del shelf[special.file.name][special.index]
        if not shelf[special.file.name]:
            del shelf[special.file.name]
        self.bound.pop((special.realm.key, special.file.name, special.index), None)
