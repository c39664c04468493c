"""Our dataclasses do what those of the standard library do."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import pickle
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_batchgate.core import valuetypes


class Pair(NamedTuple):
    """The same class, made by the standard library and by us."""

    theirs: Callable[..., Any]
    ours: Callable[..., Any]


def pair(make: Callable[[Callable[..., Any]], type[Any]]) -> Pair:
    return Pair(make(dataclasses.dataclass), make(valuetypes.dataclass))


def frozen_slots(dataclass: Callable[..., Any]) -> type[Any]:
    @dataclass(frozen=True, slots=True)
    class Value:
        a: int
        b: str = "b"
        c: list[int] = dataclasses.field(default_factory=list, compare=False, repr=False)

    return Value


def keywords(dataclass: Callable[..., Any]) -> type[Any]:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Value:
        """With a docstring."""

        a: int = 1
        b: str

    return Value


def mutable(dataclass: Callable[..., Any]) -> type[Any]:
    @dataclass
    class Value:
        a: int
        late: int = dataclasses.field(init=False)
        fixed: int = dataclasses.field(default=7, init=False)
        made: dict[str, int] = dataclasses.field(default_factory=dict, init=False)

        def __post_init__(self) -> None:
            self.late = self.a + 1

    return Value


def by_identity(dataclass: Callable[..., Any]) -> type[Any]:
    @dataclass(slots=True, eq=False)
    class Value:
        a: int = 0

    return Value


def frozen_with_dict(dataclass: Callable[..., Any]) -> type[Any]:
    @dataclass(frozen=True)
    class Value:
        a: int
        b: tuple[int, ...] = ()

    return Value


def empty(dataclass: Callable[..., Any]) -> type[Any]:
    @dataclass(frozen=True, slots=True)
    class Value:
        pass

    return Value


ARGS: tuple[tuple[Any, ...], ...] = ((), (1,), (1, "x"), (1, "x", [3]), (1, "x", [3], 4))
KWARGS: tuple[dict[str, Any], ...] = ({}, {"a": 2}, {"b": "y"}, {"a": 2, "b": "y"}, {"z": 0})
ACTS: tuple[Callable[[Any], Any], ...] = (
    repr,
    lambda value: hash(value) if "__hash__" in vars(type(value)) else None,
    lambda value: value == copy.deepcopy(value),
    lambda value: value == 3,
    lambda value: value in {value: 1},
    dataclasses.replace,
    lambda value: dataclasses.replace(value, a=9),
    dataclasses.asdict,
    lambda value: setattr(value, "a", 5),
    lambda value: setattr(value, "other", 5),
    lambda value: delattr(value, "a"),
    lambda value: hasattr(value, "__dict__"),
    lambda value: value.__match_args__,
    lambda value: [(field.name, field.type) for field in dataclasses.fields(value)],
    repr,
)


def outcome(act: Callable[[], Any]) -> Any:
    """What came out, in words that do not tell the two apart.

    To set what is no field of a frozen class is a TypeError there, for a reason of its own.
    """
    try:
        value = act()
    except (TypeError, AttributeError):
        return "refused"
    return repr(value) if dataclasses.is_dataclass(value) else value


@pytest.mark.parametrize("make", [frozen_slots, keywords, mutable, by_identity, frozen_with_dict, empty])
def test_as_the_standard_librarys(make: Callable[[Callable[..., Any]], type[Any]]) -> None:
    for args, kwargs in itertools.product(ARGS, KWARGS):
        made = [partial(each, *args, **kwargs) for each in pair(make)]
        assert outcome(made[0]) == outcome(made[1])
        if outcome(made[0]) == "refused":
            continue
        for act in ACTS:
            assert outcome(partial(act, made[0]())) == outcome(partial(act, made[1]()))


def test_defaults_that_are_made_are_not_shared() -> None:
    _, ours = pair(frozen_slots)
    one, two = ours(1), ours(1)
    one.c.append(3)
    assert (one.c, two.c) == ([3], [])


@valuetypes.dataclass(frozen=True, slots=True)
class Kept:
    a: int
    b: str = "b"


def test_frozen_values_travel() -> None:
    value = Kept(1)
    for there in (pickle.loads(pickle.dumps(value)), copy.copy(value)):
        assert there == value
        assert hash(there) == hash(value)
        with pytest.raises(dataclasses.FrozenInstanceError, match="'a'"):
            there.a = 2  # type: ignore[misc]


def test_values_of_unlike_classes_differ() -> None:
    _, one = pair(frozen_slots)
    _, two = pair(frozen_slots)
    assert one(1) == one(1)
    assert one(1) != two(1)


def test_the_whole_package_defines_its_values_so() -> None:
    package = Path(valuetypes.__file__).parents[1]
    dear = [
        path.name
        for path in package.rglob("*.py")
        if re.search(r"^from dataclasses import .*\bdataclass\b", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert dear == []
