"""What is asked of the machine while a test is examined, and what is then known of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

from pytest_batchgate.bench.compare import Case
from pytest_batchgate.core.valuetypes import dataclass

Mark: TypeAlias = tuple[str, str, str]  # node id, marker, its argument
Outcomes: TypeAlias = Mapping[str, str]  # of one trial, by node id


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One re-run.  ``lanes``: for each worker the tests it gets, in order.

    ``meet_s``: the last tests of all lanes wait for one another, then as many seconds each;
    None: nobody waits.  ``marks`` are put on tests.  ``again``: instead of all this, the
    label of a whole run that is to be repeated.
    """

    lanes: tuple[tuple[str, ...], ...] = ()
    meet_s: tuple[float, ...] | None = None
    marks: tuple[Mark, ...] = ()
    again: str | None = None
    why: str = ""


class Kind(enum.Enum):
    """When a test ends otherwise than it should."""

    IN_PARALLEL = "only in parallel"
    AFTER = "only after another test"
    WITHOUT = "only without another test"
    NOW_AND_THEN = "now and then"
    FOLLOWS = "follows another test"
    NOT_ALWAYS_THERE = "not in every run"
    UNEXAMINED = "not examined"


class Mend(enum.Enum):
    """What would help: markers on the test and on its partners."""

    SERIAL = "serial"  # both, with one name
    ALONE = "serial alone"  # the test, without a name
    GROUP = "xdist_group"  # both, with one name
    DEPENDS_ON = "depends_on"  # the test names the partners
    DEPENDS_ON_IN_GROUP = "depends_on and xdist_group"
    COMES_LATER = "depends_on of the other"  # the partners name the test


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is known of a test that differs.

    ``alone``, ``together``: its outcomes by itself, and beside or after the ``partners``.
    ``tried``: whether the mend was seen to help.  ``spent``: the re-runs were used up before all was known.
    """

    case: Case
    kind: Kind
    partners: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    mend: Mend | None = None
    tried: bool = False
    spent: bool = False


@dataclass(slots=True, kw_only=True)
class Notes:
    """What examinations learn for one another.  ``differing``: all tests that are to be examined."""

    differing: frozenset[str] = frozenset()

    pairs: dict[frozenset[str], list[Outcomes]] = field(default_factory=dict)  # of two tests side by side
    apart: dict[frozenset[str], Outcomes] = field(default_factory=dict)  # of the same two, marked serial
    again: dict[str, list[Outcomes]] = field(default_factory=dict)  # of repeated runs, by label
