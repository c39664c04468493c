"""One `<testcase>`: how a test or a gate looks in `junit.xml`.

The schema that most readers share (junit-10.xsd) knows neither files nor lines nor properties of a
case, so that these are lines ``[[PROPERTY|name=value]]`` in its output, as several readers know them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from junitparser import Error, Failure, Skipped, SystemOut
from junitparser.xunit2 import FlakyError, FlakyFailure, RerunError, RerunFailure, TestCase

from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.report.told import NOTHING, Told

_PLAIN = re.compile("[ !#-%'-;=?-~]*")  # the same in an attribute and in a text
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
_FINAL = {"failed": Failure, "error": Error, "skipped": Skipped, "xfailed": Skipped}
_TYPES = {"failed": "failed", "error": "error", "skipped": "pytest.skip", "xfailed": "pytest.xfail"}
_AMONG_PASSED = {"failed": FlakyFailure, "error": FlakyError}
_AMONG_FAILED = {"failed": RerunFailure, "error": RerunError}


@dataclass(slots=True, eq=False)
class Case:
    """One test so far.  ``ends`` of its latest attempt, most often one; ``earlier``: failed attempts."""

    name: str
    classname: str
    properties: Mapping[str, object]
    duration_s: float = 0.0
    attempt: int = 1
    ends: list[tuple[str, Told]] = field(default_factory=list)
    earlier: list[tuple[str, Told]] = field(default_factory=list)
    types: Mapping[str, str] = field(default_factory=lambda: _TYPES)

    @property
    def outcome(self) -> str:
        """The worst of the latest attempt."""
        outcomes = [outcome for outcome, _ in self.ends]
        return next((bad for bad in ("failed", "error") if bad in outcomes), outcomes[-1])

    def count(self, *outcomes: str) -> int:
        return sum(outcome in outcomes for outcome, _ in self.ends)


def clean(text: str) -> str:
    """``text`` without what XML cannot hold: that shows as ``#x1B``."""
    return _NOT_XML.sub(lambda found: f"#x{ord(found.group()):02X}", text)


def names(nodeid: str) -> tuple[str, str]:
    """Class name and name of a test, as pytest's own JUnit report has them."""
    head, bracket, parameters = nodeid.partition("[")
    path, *scopes = head.split("::")
    module = path.removesuffix(".py").replace("/", ".")
    *scopes, name = [module, *scopes]
    return ".".join(scopes), name + bracket + parameters


def escaped(text: str) -> str:
    """For an attribute or a text."""
    if _PLAIN.fullmatch(text):
        return text
    return clean(" ".join(text.splitlines())).translate(_MARKUP)


def property_lines(properties: Iterable[tuple[str, object]]) -> str:
    """A line for each that is known; one value cannot pose as another."""
    lines = []
    for name, value in properties:
        if value is not None:
            shown = " ".join(f"{value}".splitlines()).replace("]]", "] ]")
            lines.append(f"[[PROPERTY|{' '.join(name.splitlines()).replace('=', '-')}={shown}]]")
    return "\n".join(lines)


class PassedCases:
    """What `case_xml` gives for plain passes, without building trees: most tests are such."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}  # class names, by what stands before a test's own name

    def render(self, nodeid: str, duration_s: float, said: str) -> bytes:
        """``said``: its property lines, escaped."""
        head, bracket, parameters = nodeid.partition("[")
        scope, colons, name = head.rpartition("::")
        if not colons:  # a file that is one test
            name = names(nodeid)[1]
        classname = self._classes.get(scope)
        if classname is None:
            classname = self._classes[scope] = escaped(names(nodeid)[0]) if colons else ""
        name = escaped(name + bracket + parameters if colons else name)
        return (
            f'<testcase name="{name}" classname="{classname}" time="{duration_s:.3f}">'
            f"<system-out>{said}</system-out></testcase>"
        ).encode()


def case_xml(case: Case) -> bytes:
    """Any case, by junitparser."""
    element: Any = TestCase(clean(case.name), clean(case.classname))  # its methods have no types
    element._elem.set("time", f"{case.duration_s:.3f}")  # noqa: SLF001 (its own attribute shows 1e-05)
    for outcome, told in case.ends:
        if outcome in _FINAL:
            result: Any = _FINAL[outcome](_message(told) or None, case.types[outcome])
            if told.text:
                result.text = clean(told.text)
            element.append(result)
    among = _AMONG_FAILED if case.outcome in _AMONG_FAILED else _AMONG_PASSED
    for outcome, told in case.earlier:
        result = among[outcome](_message(told) or None, case.types[outcome])
        result.text = clean(told.text)
        element.append(result)
    element.append(SystemOut(clean(_said(case))))
    xml: bytes = element.tostring()
    return xml


def _message(told: Told) -> str:
    return " ".join(clean(told.message).splitlines())


def _said(case: Case) -> str:
    told = case.ends[-1][1] if case.ends else NOTHING
    own = [*case.properties.items(), ("attempt", case.attempt), *told.properties]
    parts = [property_lines(own)]
    parts += [f"--- {heading} ---\n{text}" for heading, text in told.output]
    return "\n".join(parts)
