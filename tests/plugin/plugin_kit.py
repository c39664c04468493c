"""Small repositories, run for real by plain pytest and by `--batch-gates`, and what to compare of both."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 60.0  # only ever waited out by a failure

ALL_TESTS = """\
version: 1
gates:
  unit: {tests: true}
"""

# What must not leak from the run that tests us into the runs that are tested.
_HIDDEN = re.compile(r"^(BATCHGATE|PYTEST|GITHUB|ACTIONS|COV_|CI$|FORCE_COLOR|NO_COLOR|COLUMNS|TERM)")
_REPORTED = re.compile(r"^-+ generated xml file: .*\n", re.MULTILINE)
_MACHINE = re.compile(r"0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class Case:
    """One `<testcase>`: everything but times and the order of its attributes."""

    name: str
    classname: str
    attributes: tuple[tuple[str, str], ...]
    children: tuple[tuple[str, tuple[tuple[str, str], ...], str], ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(tag for tag, _, _ in self.children if tag in {"failure", "error", "skipped"})


@dataclass(frozen=True)
class Junit:
    """A JUnit file: its cases, counted, and the suite's own numbers and properties."""

    cases: Counter[Case]
    totals: Mapping[str, str]
    properties: tuple[tuple[str, str], ...]

    def named(self, name: str) -> list[Case]:
        return [case for case in self.cases.elements() if case.name == name]

    @property
    def outcomes(self) -> Counter[tuple[str, str, tuple[str, ...]]]:
        return Counter((case.classname, case.name, case.kinds) for case in self.cases.elements())


@dataclass(frozen=True)
class Ran:
    """A finished run.  ``out`` and ``err`` are whole but for the JUnit file's line; addresses show as 0x."""

    args: tuple[str, ...]
    code: int
    out: str
    err: str
    junit_path: Path

    @property
    def junit(self) -> Junit:
        return read_junit(self.junit_path)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def counts(self) -> str:
        """pytest's closing line without its time and its rule: ``1 failed, 2 passed``."""
        found = re.findall(r"^=* ?((?:no tests|\d+ [a-z]+).*?) in [\d.]+s.*$", self.out, re.MULTILINE)
        return found[-1] if found else ""

    @property
    def short_summary(self) -> list[str]:
        """The lines of "short test summary info", sorted: workers have an order of their own."""
        _, _, rest = self.out.partition("short test summary info")
        lines = []
        for line in rest.splitlines()[1:]:
            if not re.match(r"^(FAILED|ERROR|SKIPPED|XFAIL|XPASS|PASSED|SUBFAILED|SUBPASSED)", line):
                break
            lines.append(line)
        return sorted(lines)

    def section(self, title: str) -> str:
        """The text between the rule with ``title`` and the next such rule."""
        found = re.search(
            rf"^=+ {re.escape(title)}.*? =+$(.*?)(?=^=+ .* =+$|\Z)", self.out, re.MULTILINE | re.DOTALL
        )
        return found.group(1).strip("\n") if found else ""

    def __str__(self) -> str:
        return f"$ pytest {' '.join(self.args)}\n-> {self.code}\n{self.out}\n--- stderr\n{self.err}"


class Repo:
    """A small repository in a folder of its own."""

    # Plugins that happen to be installed where the tests run, and cost a tenth of a second each.
    always: tuple[str, ...] = ("-p", "no:hypothesispytest", "-p", "no:pytest_cov")

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self._runs = 0

    def write(self, name: str, text: str = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8", errors="surrogatepass")
        return path

    def files(self, **files: str) -> None:
        """``test_a="..."``: modules by their names."""
        for name, text in files.items():
            self.write(f"{name}.py", text)

    # --- runs ---------------------------------------------------------------------

    def plain(self, *args: str, env: Mapping[str, str] | None = None, cwd: str = ".") -> Ran:
        """Plain pytest: without our plugin, and with a cache of its own."""
        return self._run(["-p", "no:batchgate", "-o", "cache_dir=.plain_cache", *args], args, env, cwd)

    def gates(
        self, *args: str, env: Mapping[str, str] | None = None, cwd: str = ".", workers: int = 2
    ) -> Ran:
        """`--batch-gates`; `batchgate.yaml` takes every test unless one was written."""
        if not any((self.root / name).exists() for name in ("batchgate.yaml", "pyproject.toml")):
            self.write("batchgate.yaml", ALL_TESTS)
        given = ["--batch-gates", f"--batch-workers={workers}"]
        return self._run([*given, *args], args, env, cwd)

    def both(self, *args: str, env: Mapping[str, str] | None = None, cwd: str = ".") -> tuple[Ran, Ran]:
        """(plain, gates), started at the same time."""
        with ThreadPoolExecutor(2) as threads:
            plain = threads.submit(self.plain, *args, env=env, cwd=cwd)
            gates = threads.submit(self.gates, *args, env=env, cwd=cwd)
            return plain.result(), gates.result()

    def raw(self, *args: str, env: Mapping[str, str] | None = None, cwd: str = ".") -> Ran:
        """`python -m pytest` with these arguments alone."""
        return self._run(list(args), args, env, cwd)

    def _run(self, argv: Sequence[str], shown: Sequence[str], env: Mapping[str, str] | None, cwd: str) -> Ran:
        self._runs += 1
        junit = self.root.parent / f"{self.root.name}-{self._runs}-{abs(hash(tuple(argv)))}.xml"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *argv, f"--junitxml={junit}", *self.always],
            cwd=self.root / cwd,
            env=clean_environment(env),
            capture_output=True,
            timeout=PATIENCE_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        out = _MACHINE.sub("0x", _REPORTED.sub("", done.stdout.decode("utf-8", "replace")))
        err = _MACHINE.sub("0x", done.stderr.decode("utf-8", "replace"))
        return Ran(tuple(shown), done.returncode, out, err, junit)


def clean_environment(env: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _HIDDEN.match(name)}
    return {**kept, "COLUMNS": "120", "PYTHONPATH": "", **(env or {})}


def read_junit(path: Path) -> Junit:
    suite = ET.parse(path).getroot().find("testsuite")
    assert suite is not None
    cases: Counter[Case] = Counter()
    for element in suite.iter("testcase"):
        attributes = {name: value for name, value in element.attrib.items() if name != "time"}
        children = [
            (
                child.tag,
                tuple(sorted((name, _MACHINE.sub("0x", value)) for name, value in child.attrib.items())),
                _MACHINE.sub("0x", _text(child)),
            )
            for child in element
        ]
        name, classname = attributes.pop("name", ""), attributes.pop("classname", "")
        cases[Case(name, classname, tuple(sorted(attributes.items())), tuple(children))] += 1
    totals = {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")}
    own = suite.find("properties")
    properties = tuple((p.attrib["name"], p.attrib["value"]) for p in own) if own is not None else ()
    return Junit(cases, totals, properties)


def _text(element: ET.Element) -> str:
    if element.tag == "properties":
        return repr(sorted((p.attrib["name"], p.attrib["value"]) for p in element))
    return element.text or ""


def assert_same(plain: Ran, gates: Ran, *, code: int | None = None) -> None:
    """The same exit code, closing line, short summary and JUnit cases."""
    about = f"\n===== plain\n{plain}\n===== gates\n{gates}"
    assert plain.code == gates.code, about
    assert code is None or gates.code == code, about
    assert plain.junit.totals == gates.junit.totals, about
    missing, extra = plain.junit.cases - gates.junit.cases, gates.junit.cases - plain.junit.cases
    assert (missing, extra) == (Counter(), Counter()), f"missing {missing}\nextra {extra}{about}"
    assert plain.junit.properties == gates.junit.properties, about
    assert plain.counts == gates.counts, about
    assert plain.short_summary == gates.short_summary, about
