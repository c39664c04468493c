"""Hidden values are found in every form and however a text is cut; nothing else is touched."""

from __future__ import annotations

import base64
import html
import json
import shlex
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batchgate.core.masking import Masks

ODD = "pa'ss\\w\"ör/d <&> 50%+ü"


def masks(**variables: str) -> Masks:
    found = Masks(named=["DEPLOY", "OTHER"])
    found.learn(variables)
    return found


@pytest.mark.parametrize(
    ("variables", "hidden"),
    [
        ({"DEPLOY": "abcd"}, ["abcd"]),
        ({"DEPLOY": "abc"}, []),
        ({"DEPLOY": "  abcd\n"}, ["abcd"]),
        ({"DEPLOY": "********"}, []),
        ({"HOME": "abcdefgh"}, []),
        ({"MY_TOKEN_2": "abcdefgh"}, ["abcdefgh"]),
        ({"my_token": "abcdefgh"}, ["abcdefgh"]),
        ({"A_SECRET": "abcdefg"}, []),
        ({"DB_PASSWORD_FILE": "abcdefgh", "X_API_KEY": "ijklmnop"}, ["abcdefgh", "ijklmnop"]),
        ({"DEPLOY": "first\nab\r\nthird"}, ["first", "third"]),
    ],
)
def test_which_values_are_hidden(variables: dict[str, str], hidden: list[str]) -> None:
    found = masks(**variables)
    assert bool(found) == bool(hidden)
    for value in hidden:
        assert found.text(f"a {value}.") == "a ***."
        assert found.data(f"ä {value}.".encode()) == "ä ***.".encode()
    other = "DEPLOY TOKEN abc ab bcdefg ********"
    assert found.text(other) == other


@pytest.mark.parametrize(
    "write",
    [
        str,
        repr,
        json.dumps,
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: repr([value + '"']),
        lambda value: repr(value.encode()),
        shlex.quote,
        html.escape,
        lambda value: html.escape(value, quote=False),
        urllib.parse.quote,
        lambda value: urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus,
        lambda value: base64.b64encode(f"user:{value}@".encode()).decode(),
        lambda value: base64.b64encode(f"a:{value}".encode()).decode(),
        lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    ],
)
@pytest.mark.parametrize("value", [ODD, "plain-0123", 'it\'s "ok"'])
def test_every_way_to_write_a_value(value: str, write: Callable[[str], str]) -> None:
    """Of what remains no part of three characters is in the whole."""
    shown = masks(DEPLOY=value).text(write(value))
    assert "***" in shown
    assert len(shown.replace("***", "")) <= 12, shown
    for begin in range(len(value) - 2):
        assert value[begin : begin + 3] not in shown


def test_a_value_within_another_one() -> None:
    """The longer one goes whole: what follows the shorter one is a secret too."""
    found = masks(DEPLOY="abcd", OTHER="abcdefgh")
    assert found.text("abcdefgh abcd abcdef") == "*** *** ***ef"


def test_what_is_left_of_a_long_value() -> None:
    """pytest shows long texts without the middle: that must not tell the rest."""
    value = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.ZRrHA1JJJW8opsbCGfG"
    found = masks(DEPLOY=value)
    assert found.text(f"'{value[:30]}...{value[-20:]}'") == "'***...***'"
    assert found.data(f"{value[:16]} {value[-16:]}".encode()) == b"*** ***"
    assert found.text(f"{value} {value[20:30]} {value[:15]}") == f"*** {value[20:30]} {value[:15]}"
    path = "/home/somebody/secrets/of/mine/key.pem"
    assert masks(DEPLOY=path).text(f"{path} /home/somebody/secrets/of") == "*** /home/somebody/secrets/of"


def test_values_learned_later() -> None:
    found = Masks()
    assert not found
    assert found.text("abcdefgh") == "abcdefgh"
    assert found.learn({"NEW_TOKEN": "abcdefgh", "PORT": "5433"})
    assert not found.learn({"NEW_TOKEN": "abcdefgh"})
    assert found.text("5433 abcdefgh") == "5433 ***"


def test_in_depth() -> None:
    """Keys stay, and so does what is no text."""
    found = masks(DEPLOY="abcd")
    value = {"abcd": ["abcd", ("x abcd", 1, None)], "data": b"abcd", "odd": {"a": 1.5}}
    shown = {"abcd": ["***", ("x ***", 1, None)], "data": b"***", "odd": {"a": 1.5}}
    assert found.deep(value) == shown
    assert Masks().deep(value) is value


def test_bytes_that_are_no_utf8() -> None:
    found = masks(DEPLOY="ab\udcffcd")
    assert found.data(b"x ab\xff abcd") == b"x ab\xff abcd"
    assert found.text("ab\\udcffcd") == "***"


SECRETS = st.lists(st.text("ab\n:", min_size=4, max_size=9), min_size=1, max_size=3)


@given(SECRETS, st.lists(st.text("ab\n:", max_size=12), max_size=8))
def test_pieces_are_masked_as_the_whole(secrets: list[str], pieces: list[str]) -> None:
    """Wherever a text is cut, what comes out of a stream is what the whole text gives."""
    names = [f"S{number}" for number in range(len(secrets))]
    found = Masks(names)
    found.learn(dict(zip(names, secrets, strict=True)))
    whole = "".join(pieces)
    stream = found.text_stream()
    assert "".join([*map(stream.feed, pieces), stream.finish()]) == found.text(whole)
    data = found.data_stream()
    told = b"".join([*(data.feed(piece.encode()) for piece in pieces), data.finish()])
    assert told == found.text(whole).encode()


@given(SECRETS, st.text("ab\n:", max_size=30))
def test_what_is_told_early_is_right(secrets: list[str], text: str) -> None:
    """A newline settles everything before it, and the beginning of nothing is held back."""
    found = Masks(["S"])
    found.learn({"S": secrets[0]})
    end = found.settled(text)
    assert text.rpartition("\n")[0] in text[:end] or end == len(text)
    assert found.text(text[:end]) + found.text(text[end:]) == found.text(text)
