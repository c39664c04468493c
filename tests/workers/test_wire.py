"""What travels between controller and workers: nothing a test makes can break it."""

from __future__ import annotations

import enum
import marshal
from collections import OrderedDict
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.workers import wire

BUILTINS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.binary(max_size=20)
    | st.text(max_size=20)  # without surrogates: Hypothesis leaves them out by default
)
TREES = st.recursive(
    BUILTINS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


class Number(int):
    pass


class Text(str):
    __slots__ = ()


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 3


class Unpresentable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Long:
    def __repr__(self) -> str:
        return "x" * 1_000_000


@given(TREES)
def test_builtins_arrive_as_they_left(value: Any) -> None:
    assert wire.decode(wire.encode([("kind", wire.plain(value))])) == [("kind", value)]


@given(st.text(st.characters(categories=["Cs", "L", "P", "Cc"]), max_size=30))
def test_any_text_becomes_text_that_can_be_encoded(text: str) -> None:
    plain = wire.plain(text)
    assert plain.encode().decode() == plain
    assert plain == wire.plain(plain)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        pytest.param(Number(3), 3, id="int"),
        pytest.param(Level.LOW, 3, id="int-enum"),
        pytest.param(Text("a\udc80"), "a\\udc80", id="str"),
        pytest.param(Colour.RED, "<Colour.RED: 1>", id="enum"),
        pytest.param(PurePosixPath("a/b"), "a/b", id="path"),
        pytest.param(bytearray(b"a"), b"a", id="bytearray"),
        pytest.param({3}, [3], id="set"),
        pytest.param(OrderedDict(a=Text("b")), {"a": "b"}, id="dict"),
        pytest.param({Colour.RED: 1, (1, 2): 2}, {"<Colour.RED: 1>": 1, "(1, 2)": 2}, id="keys"),
        pytest.param(Unpresentable(), "<unpresentable Unpresentable: RuntimeError>", id="no-repr"),
        pytest.param(Long(), "x" * 10_000, id="long-repr"),
    ],
)
def test_other_values_become_the_nearest_builtin(value: Any, plain: Any) -> None:
    found = wire.plain(value)
    assert found == plain
    assert type(found) is type(plain)
    marshal.dumps(found)


def test_what_contains_itself_ends_somewhere() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert "<nested too deeply>" in str(wire.plain(loop))


@pytest.mark.parametrize(
    "data", [b"", b"garbage", marshal.dumps("text"), marshal.dumps(3), wire.encode([("a",)])[:-1]]
)
def test_what_is_no_batch_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, EOFError, TypeError)):
        wire.decode(data)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (1, 1),
        (1.5, 1.5),
        (None, None),
        ("a\udc80\x00", "a#xDC80\x00"),
        ({1}, "{1}"),
        (Colour.RED, "Colour.RED"),
    ],
)
def test_properties_are_what_pytest_writes_into_its_report(value: Any, sent: Any) -> None:
    assert wire.property_value(value) == sent


def test_a_property_that_has_no_text_is_no_error() -> None:
    assert "unpresentable" in wire.property_value(Unpresentable())


@pytest.mark.parametrize(
    ("nodeid", "domain"),
    [("a.py::test", "test"), ("a.py::C::m[x::y]", "C.m[x::y]"), ("a.py::t[a[b]]", "t[a[b]]"), ("a.py", "")],
)
def test_the_dotted_name_follows_from_the_node_id(nodeid: str, domain: str) -> None:
    assert wire.derived_domain(nodeid) == domain
