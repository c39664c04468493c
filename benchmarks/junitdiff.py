"""Two JUnit files compared case by case: ``python -m benchmarks.junitdiff PLAIN OURS``.

Compared are how often each (class, name) stands there with which outcome, its
file and line where both give one, and the text of failures and skips.  Times,
hosts, the order and the names of suites are not.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree as ET

# Addresses of objects, temporary folders and durations differ from run to run.
_UNSTABLE = (
    (re.compile(r"0x[0-9a-fA-F]{6,}"), "0x"),
    (re.compile(r"pytest-of-[^/\s]+/pytest-\d+(?:/popen-gw\d+)?"), "pytest-tmp"),
    (re.compile(r"\[gw\d+\] [^\n]*\n"), ""),
    (re.compile(r"\b\d+\.\d+ ?s(?:econds)?\b"), "0s"),
)
# Two runs of one suite that take "now" for a parameter differ in their ids, under every runner.
_CLOCK = re.compile(r"\b\d\d:\d\d:\d\d\b")


class JunitError(Exception):
    """A JUnit file that cannot be read; the message names it."""


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One test case as a JUnit file tells it.  ``text`` is the message and body of what is not a pass."""

    classname: str
    name: str
    outcome: str
    file: str
    line: str
    text: str

    @property
    def label(self) -> str:
        return f"{self.classname}::{self.name}"


def read_cases(path: Path) -> list[Case]:
    """Every case of every suite of ``path``.  Raises JunitError."""
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise JunitError(f"{path}: {error}") from error
    return [_case(element) for element in root.iter("testcase")]


def _case(element: ET.Element) -> Case:
    outcomes, texts = [], []
    for child in element:
        if child.tag in {"failure", "error", "skipped", "rerun"}:
            kind = child.get("type", "")
            outcomes.append("xfail" if kind == "pytest.xfail" else child.tag)
            texts.append(f"{child.get('message', '')}\n{child.text or ''}")
    return Case(
        classname=element.get("classname", ""),
        name=_CLOCK.sub("HH:MM:SS", element.get("name", "")),
        outcome="+".join(sorted(outcomes)) or "passed",
        file=element.get("file", ""),
        line=element.get("line", ""),
        text=_stable("\n".join(sorted(texts))),
    )


def _stable(text: str) -> str:
    for pattern, replacement in _UNSTABLE:
        text = pattern.sub(replacement, text)
    return text.strip()


def differences(left: Iterable[Case], right: Iterable[Case], *, racy: Sequence[str] = ()) -> list[str]:
    """One line per way in which the cases differ, sorted; empty when they do not.

    ``racy`` are patterns of labels (``*`` and ``?``) whose outcome may differ;
    they must still be there as often.
    """
    lefts, rights = _by_label(left), _by_label(right)
    lines: list[str] = []
    for label in sorted({*lefts, *rights}):
        ours, theirs = rights.get(label, []), lefts.get(label, [])
        if len(ours) != len(theirs):
            lines.append(f"{label}: {len(theirs)} times on the left, {len(ours)} on the right")
        elif not any(matches(label, pattern) for pattern in racy):
            lines.extend(f"{label}: {what}" for what in _unlike(theirs, ours))
    return lines


def _by_label(cases: Iterable[Case]) -> Mapping[str, list[Case]]:
    found: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases:
        found[case.label].append(case)
    return found


def matches(label: str, pattern: str) -> bool:
    """Whether ``label`` fits ``pattern``, in which only ``*`` and ``?`` are special."""
    # The brackets of a parameter are literal here, unlike in fnmatch.
    return fnmatchcase(label, pattern.replace("[", "[[]"))


def _unlike(left: list[Case], right: list[Case]) -> list[str]:
    """How the same number of cases of one label differ: outcomes first, then places, then texts."""
    outcomes = Counter(case.outcome for case in left), Counter(case.outcome for case in right)
    if outcomes[0] != outcomes[1]:
        return [f"{_listed(outcomes[0])} on the left, {_listed(outcomes[1])} on the right"]
    for field in ("file", "line"):
        values = (
            Counter(getattr(case, field) for case in left),
            Counter(getattr(case, field) for case in right),
        )
        if values[0] != values[1] and "" not in {*values[0], *values[1]}:
            return [f"{field} {_listed(values[0])} on the left, {_listed(values[1])} on the right"]
    texts = sorted(case.text for case in left), sorted(case.text for case in right)
    return [
        f"text differs: {_first_difference(first, second)}"
        for first, second in zip(*texts, strict=True)
        if first != second
    ]


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{count} x {name}" if count > 1 else name for name, count in sorted(counter.items()))


def _first_difference(left: str, right: str) -> str:
    for first, second in zip(left.splitlines(), right.splitlines(), strict=False):
        if first != second:
            return f"{first.strip()!r} on the left, {second.strip()!r} on the right"
    return f"{len(left.splitlines())} lines on the left, {len(right.splitlines())} on the right"


def nodeid_pattern(nodeid: str) -> str:
    """The label pattern of a node id pattern: ``tests/a.py::T::x*`` is ``tests.a.T::x*``."""
    file, *names = nodeid.split("::")
    return "::".join((".".join([file.removesuffix(".py").replace("/", "."), *names[:-1]]), names[-1]))


def file_patterns(path: str) -> tuple[str, str]:
    """The label patterns of a file's tests, in classes or not."""
    module = path.removesuffix(".py").replace("/", ".")
    return f"{module}::*", f"{module}.*"


def compare_files(
    left: Path, right: Path, *, racy: Sequence[str] = (), left_out: Sequence[str] = ()
) -> list[str]:
    """The differences of two files.  Two files without a case differ: nothing was compared.

    ``left_out`` are patterns of labels that the right one was told to leave out.
    """
    lefts, rights = read_cases(left), read_cases(right)
    if left_out:
        lefts = [case for case in lefts if not any(matches(case.label, each) for each in left_out)]
    if not lefts and not rights:
        return ["neither file holds a test case"]
    return differences(lefts, rights, racy=racy)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when equal, 1 when not, 2 when a file cannot be read."""
    parser = argparse.ArgumentParser(prog="junitdiff", description="Compare two JUnit files case by case.")
    parser.add_argument("left", type=Path, help="usually plain pytest's")
    parser.add_argument("right", type=Path, help="usually ours")
    parser.add_argument(
        "--racy", action="append", default=[], metavar="PATTERN", help="cases whose outcome may differ"
    )
    parser.add_argument("--limit", type=int, default=50, help="differences to print (50)")
    options = parser.parse_args(arguments)
    try:
        lines = compare_files(options.left, options.right, racy=options.racy)
    except JunitError as error:
        print(error, file=sys.stderr)
        return 2
    for line in lines[: options.limit]:
        print(line)
    print(f"{len(lines)} differences" if lines else "equal")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
