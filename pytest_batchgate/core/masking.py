"""Values that no output shows: they become ``***`` on every way out of a run.

What is hidden are the values of variables that the configuration names, and of those whose names say that
they hold a secret; as they are, and as programs write them: quoted by JSON, Python or a shell, in XML, in
URLs, in base64.  Names stay.  Of a value with several lines each one counts: outputs are read by line.

Nothing here knows where texts come from.  Whoever takes them in masks them at once, so that
reports, logs and history need not think of it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, AnyStr, Generic

SHOWN = "***"
NAMED_LEAST = 4
"""Characters that the value of a variable has, which the configuration names, to be masked."""
GUESSED_LEAST = 8
"""The same, of a variable that only sounds like a secret."""

_TELLING = ("TOKEN", "SECRET", "PASSWORD", "API_KEY")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_LEAST_ENCODED = 8  # bytes of a value whose base64 is looked for: that of less is found everywhere
_LEAST_LONG = (
    32  # characters of a value of which parts are hidden: pytest shows long texts without the middle
)
_LEAST_PART = 16
_URL_SAFE = str.maketrans("+/", "-_")


def sounds_secret(name: str) -> bool:
    """Whether a variable of this name is masked unasked."""
    upper = name.upper()
    return any(word in upper for word in _TELLING)


class Masks:
    """What is hidden so far.  It only grows; false while there is nothing.

    Any thread may ask while another one teaches: tables are replaced as a whole.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        """``named``: variables of the configuration."""
        self._named = frozenset(named)
        self._secrets: frozenset[str] = frozenset()  # values, whole
        self._text: _Table[str] | None = None
        self._data: _Table[bytes] | None = None

    def __bool__(self) -> bool:
        return self._text is not None

    def learn(self, variables: Mapping[str, str]) -> bool:
        """Hide the values of those variables that are to be hidden; whether one was new."""
        found = {
            value.strip()
            for name, value in variables.items()
            if name in self._named or (sounds_secret(name) and len(value.strip()) >= GUESSED_LEAST)
        }
        if found <= self._secrets:
            return False
        self._secrets |= found
        every = {form for secret in self._secrets for form in _forms(secret)}
        if not every:
            return False
        forms = sorted(every, key=lambda form: (-len(form), form))
        long = [line for secret in self._secrets for line in _lines(secret) if _may_be_shortened(line)]
        self._data = _Table([form.encode() for form in forms], [line.encode() for line in long], b"***", b"|")
        self._text = _Table(forms, long, SHOWN, "|")
        return True

    def text(self, text: str) -> str:
        """``text`` with every hidden value masked; itself if there is none in it."""
        return self._text.masked(text) if self._text is not None else text

    def data(self, data: bytes) -> bytes:
        """As `text`, of UTF-8."""
        return self._data.masked(data) if self._data is not None else data

    def deep(self, value: Any) -> Any:
        """Tuples, lists and mappings with every text in them masked; keys of mappings stay."""
        if self._text is None:
            return value
        kind = type(value)
        if kind is str:
            return self._text.masked(value)
        if kind is bytes:
            return self.data(value)
        if kind is dict:
            return {name: self.deep(entry) for name, entry in value.items()}
        if kind is list:
            return [self.deep(entry) for entry in value]
        if kind is tuple:
            return tuple([self.deep(entry) for entry in value])
        return value

    def settled(self, text: str) -> int:
        """How much of the beginning of ``text`` can be told: what follows may become a hidden value."""
        return self._text.settled(text) if self._text is not None else len(text)

    def text_stream(self) -> Stream[str]:
        """For texts that come in pieces."""
        return Stream("", self.text, self.settled)

    def data_stream(self) -> Stream[bytes]:
        """For UTF-8 that comes in pieces."""
        return Stream(
            b"", self.data, lambda data: self._data.settled(data) if self._data is not None else len(data)
        )


class Stream(Generic[AnyStr]):
    """Masks what comes in pieces: the end of each is held back as long as it may be a value's beginning."""

    def __init__(
        self, nothing: AnyStr, masked: Callable[[AnyStr], AnyStr], settled: Callable[[AnyStr], int]
    ) -> None:
        self._nothing: AnyStr = nothing
        self._masked: Callable[[AnyStr], AnyStr] = masked
        self._settled: Callable[[AnyStr], int] = settled
        self._held: AnyStr = nothing

    def feed(self, piece: AnyStr) -> AnyStr:
        """What can be told now."""
        piece = self._held + piece
        end = self._settled(piece)
        self._held = piece[end:]
        return self._masked(piece[:end])

    def finish(self) -> AnyStr:
        """What was held back, once nothing follows."""
        rest, self._held = self._held, self._nothing
        return self._masked(rest)


class _Table(Generic[AnyStr]):
    """``forms``: longest first, or a value that another one begins with would show the other's rest.

    Of ``long`` ones a beginning or an end alone is hidden too.
    """

    def __init__(self, forms: list[AnyStr], long: list[AnyStr], shown: AnyStr, bar: AnyStr) -> None:
        self._forms: list[AnyStr] = forms
        self._long: list[AnyStr] = long
        self._shown: AnyStr = shown
        self._pattern: re.Pattern[AnyStr] = re.compile(bar.join([re.escape(form) for form in forms]))
        # By the last character of each beginning of a form: the form, and how long the beginning is.
        self._beginnings: dict[AnyStr, list[tuple[AnyStr, int]]] = {}
        for form in forms:
            for length in range(1, len(form)):
                self._beginnings.setdefault(form[length - 1 : length], []).append((form, length))
        for known in self._beginnings.values():
            known.sort(key=lambda beginning: -beginning[1])

    def masked(self, text: AnyStr) -> AnyStr:
        # Looking for one after the other is ten times as fast as the pattern, and mostly there is none.
        if any(form in text for form in self._forms):
            shown = self._shown
            text = self._pattern.sub(lambda _: shown, text)
        for form in self._long:
            if form[:_LEAST_PART] in text or form[-_LEAST_PART:] in text:
                text = self._without_parts(text, form)
        return text

    def _without_parts(self, text: AnyStr, form: AnyStr) -> AnyStr:
        """What is left of a value that was shortened: as far as the text agrees with it."""
        shown = self._shown
        while (begin := text.find(form[:_LEAST_PART])) >= 0:
            end = begin + _LEAST_PART
            while text[end : end + 1] == form[end - begin : end - begin + 1] != shown[:0]:
                end += 1
            text = text[:begin] + shown + text[end:]
        while (begin := text.find(form[-_LEAST_PART:])) >= 0:
            end = begin + _LEAST_PART
            while begin > 0 and form.endswith(text[begin - 1 : end]):
                begin -= 1
            text = text[:begin] + shown + text[end:]
        return text

    def settled(self, text: AnyStr) -> int:
        for form, length in self._beginnings.get(text[-1:], ()):
            if text.endswith(form[:length]):
                begin = len(text) - length
                break
        else:
            return len(text)
        for match in self._pattern.finditer(text):
            if match.start() < begin < match.end():  # nor may a whole value be cut in two
                return match.start()
        return begin


def _forms(secret: str) -> Iterator[str]:
    """A value as it is, and as it is written within other texts; by line, if it has several."""
    lines = _lines(secret)
    for line in lines:
        if len(line) >= NAMED_LEAST and line.strip("*"):
            yield from _written(line)
    if len(lines) > 1:
        yield from _encoded(secret.encode("utf-8", "backslashreplace"))


def _lines(secret: str) -> list[str]:
    """Lone surrogates stand for bytes that are no UTF-8, and are told as their codes."""
    told = secret.encode("utf-8", "backslashreplace").decode()
    return [line.strip() for line in told.splitlines()]


def _written(line: str) -> Iterator[str]:
    from json import dumps

    told = line.encode()
    yield line
    yield line.replace("\\", "\\\\").replace("'", "\\'")
    yield repr(line)[1:-1]
    yield repr(told)[2:-1]
    yield dumps(line)[1:-1]
    yield dumps(line, ensure_ascii=False)[1:-1]
    yield line.replace("'", "'\"'\"'")  # as shlex quotes it
    xml = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield xml
    yield xml.replace('"', "&quot;")
    yield xml.replace('"', "&quot;").replace("'", "&#x27;")
    url = "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in told)
    yield url
    yield url.replace("%2F", "/")
    yield url.replace("%20", "+")
    yield from _encoded(told)


def _may_be_shortened(line: str) -> bool:
    """Long enough that parts of it tell something; many paths and URLs begin alike."""
    return len(line) >= _LEAST_LONG and not (line.startswith(("/", "~", ".", "-----")) or "://" in line)


def _encoded(told: bytes) -> Iterator[str]:
    """What of its base64 does not depend on what stands before and after it."""
    if len(told) < _LEAST_ENCODED:
        return
    for shift, begin in ((0, 0), (1, 2), (2, 3)):
        end = (len(told) + shift) * 8 // 6
        form = binascii.b2a_base64(bytes(shift) + told, newline=False).decode()[begin:end]
        yield form
        yield form.translate(_URL_SAFE)
