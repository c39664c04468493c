"""How a repository's tests fall into unit and integration, for detection.

Nothing is imported or collected: test files are listed as pytest would look for
them, and searched for the marks that they use.
"""

from __future__ import annotations

import ast
import fnmatch
import itertools
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from pytest_batchgate.config.project import Project, glob, read_text, table
from pytest_batchgate.core.valuetypes import dataclass

MAX_TEST_FILES = 5_000
"""Test files that are looked at; a repository with more is taken to use every mark it registers."""

_MARKS = ("integration", "e2e")
_FOLDERS = ("tests/integration", "test/integration", "tests/e2e", "test/e2e")
_SKIPPED = ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}", "__pycache__")
_MAX_FOLDERS = 20_000
_MAX_NAMES = 10  # of an expression whose every truth table row is tried


@dataclass(frozen=True, slots=True, kw_only=True)
class PytestSettings:
    """pytest's own configuration, as far as it decides which tests there are.  Defaults are pytest's."""

    markers: tuple[str, ...] = ()  # "name: description", as registered
    addopts: tuple[str, ...] = ()
    testpaths: tuple[str, ...] = ()
    python_files: tuple[str, ...] = ("test_*.py", "*_test.py")
    norecursedirs: tuple[str, ...] = _SKIPPED

    @property
    def marker_names(self) -> frozenset[str]:
        return frozenset(re.split(r"[:(\s]", marker, maxsplit=1)[0] for marker in self.markers)

    def valued(self, *options: str) -> list[tuple[str, str]]:
        """(option, value) of long options in addopts, in order."""
        found = []
        for index, word in enumerate(self.addopts):
            option, equals, value = word.partition("=")
            if option in options and (equals or index + 1 < len(self.addopts)):
                found.append((option, value if equals else self.addopts[index + 1]))
        return found

    def last(self, option: str) -> str | None:
        """The value of ``-m`` or ``-k`` in addopts; the last one counts."""
        value = None
        for index, word in enumerate(self.addopts):
            if word == option and index + 1 < len(self.addopts):
                value = self.addopts[index + 1]
            elif word.startswith(option) and not word.startswith("--") and len(word) > 2:
                value = word[2:].removeprefix("=")
        return value or None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestLayout:
    """``unit`` is whether tests beside the integration tests exist, ``expression``/``paths`` choose those.

    Both are empty where there is no second gate.  ``found`` and ``left_out`` tell why.
    """

    __test__ = False

    unit: bool
    expression: str | None = None
    paths: tuple[str, ...] = ()
    found: str = ""
    left_out: tuple[tuple[str, str], ...] = field(default=())


def read_settings(project: Project) -> PytestSettings:
    """From the file that pytest would take: the first that is for it."""
    for values in _candidates(project):
        if values is not None:
            given = {key: _words(values.get(key), key) for key in PytestSettings.__dataclass_fields__}
            return PytestSettings(**{key: words for key, words in given.items() if words})
    return PytestSettings()


def _candidates(project: Project) -> list[Mapping[str, Any] | None]:
    native = {name: table(project.read_toml(name), "pytest") for name in ("pytest.toml", ".pytest.toml")}
    return [
        *(values or None for values in native.values()),
        *(
            project.section(name, "pytest") if name in project.ini else None
            for name in ("pytest.ini", ".pytest.ini")
        ),
        project.tool("pytest", "ini_options") or project.tool("pytest") or None,
        project.section("tox.ini", "pytest") or None,
        project.section("setup.cfg", "tool:pytest") or None,
    ]


def _words(value: object, key: str) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(item for item in value if isinstance(item, str))
    if not isinstance(value, str):
        return ()
    if key == "markers":
        return tuple(line.strip() for line in value.splitlines() if line.strip())
    try:
        return tuple(shlex.split(value))
    except ValueError:
        return tuple(value.split())


def lay_out(project: Project, settings: PytestSettings) -> TestLayout:
    """Which gates the tests make."""
    files = _test_files(project.root, settings)
    if not files and "--doctest-modules" not in settings.addopts:
        where = " ".join(settings.testpaths) or "the repository"
        return TestLayout(unit=False, left_out=(("unit", f"there is no test file in {where}"),))
    conftests = _conftests(project.root, files)
    registered = settings.marker_names
    marks = [m for m in _MARKS if m in registered or _is_registered(project.root, conftests, m)]
    left_out = [
        (f"tests outside {option} {value!r}", "addopts deselects them")
        for option in ("-m", "-k")
        if (value := settings.last(option)) is not None
    ]
    if marks:
        layout = _by_mark(project.root, files, marks, settings, left_out)
        if layout is not None:
            return layout
    folders = [folder for folder in _FOLDERS if any(file.startswith(f"{folder}/") for file in files)]
    if folders:
        inside = tuple(f"{folder}/" for folder in folders)
        doctests = any(word.startswith(("--doctest-modules", "--doctest-glob")) for word in settings.addopts)
        outside = doctests or any(not file.startswith(inside) for file in files)
        if not outside:
            left_out.append(("unit", f"every test file is in {' and '.join(folders)}"))
        return TestLayout(
            unit=outside,
            paths=tuple(folders),
            found=f"the tests in {' and '.join(folders)}",
            left_out=tuple(left_out),
        )
    if not marks:
        why = "no marker `integration` or `e2e` is registered, and there is no folder tests/integration"
        left_out.append(("integration", why))
    return TestLayout(unit=True, left_out=tuple(left_out))


def _by_mark(
    root: Path,
    files: Sequence[str],
    marks: Sequence[str],
    settings: PytestSettings,
    left_out: list[tuple[str, str]],
) -> TestLayout | None:
    """The layout if the registered marks make a gate; else why not is added to ``left_out``."""
    if settings.last("-k") is not None:
        # A gate with an expression of its own sets aside what addopts selects.
        left_out.append(
            ("integration", "`-k` in addopts selects tests, which only a gate of all tests keeps to")
        )
        return None
    used = [mark for mark in marks if _is_used(root, files, mark)]
    if not used:
        named = " or ".join(f"`{mark}`" for mark in marks)
        left_out.append(("integration", f"the marker {named} is registered, but no test file uses it"))
        return None
    chosen = settings.last("-m")
    wanted = [mark for mark in used if chosen is None or can_hold(f"({mark}) and ({chosen})")]
    left_out += [
        (f"tests marked `{mark}`", f"addopts deselects them: -m {chosen!r}")
        for mark in used
        if mark not in wanted
    ]
    if not wanted:
        return TestLayout(unit=True, left_out=tuple(left_out))
    expression = " or ".join(wanted)
    if chosen is not None:
        expression = f"({expression}) and ({chosen})"
    folders = [folder for folder in _FOLDERS if any(file.startswith(f"{folder}/") for file in files)]
    left_out += [(folder, "the marker tells integration tests apart, not the folder") for folder in folders]
    return TestLayout(
        unit=True,
        expression=expression,
        found=f"the marker {' and '.join(f'`{mark}`' for mark in wanted)} is registered and used",
        left_out=tuple(left_out),
    )


def can_hold(expression: str) -> bool:
    """Whether any marks of a test fulfil ``expression``; True where that cannot be told."""
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})
    if len(names) > _MAX_NAMES:
        return True
    rows = itertools.product([True, False], repeat=len(names))
    return any(_holds(tree, dict(zip(names, row, strict=True))) for row in rows)


def _holds(node: ast.expr, values: Mapping[str, bool]) -> bool:
    match node:
        case ast.BoolOp(op=ast.And()):
            return all(_holds(value, values) for value in node.values)
        case ast.BoolOp():
            return any(_holds(value, values) for value in node.values)
        case ast.UnaryOp(op=ast.Not()) if not _unknown(node.operand):
            return not _holds(node.operand, values)
        case ast.Name():
            return values[node.id]
        case _:  # mark(argument=1) and the like
            return True


def _unknown(node: ast.expr) -> bool:
    return any(
        not isinstance(part, (ast.BoolOp, ast.UnaryOp, ast.Name, ast.boolop, ast.unaryop, ast.Load))
        for part in ast.walk(node)
    )


def _is_used(root: Path, files: Sequence[str], mark: str) -> bool:
    if len(files) >= MAX_TEST_FILES:
        return True
    # `pytest.mark.NAME`, or `add_marker("NAME")` in a conftest.py.
    use = re.compile(rf"\bmark\.{mark}\b|add_marker\(\s*[\"']{mark}[\"']")
    return any(
        use.search(text) is not None
        for file in [*files, *_conftests(root, files)]
        if (text := read_text(root / file)) is not None
    )


def _is_registered(root: Path, conftests: Sequence[str], mark: str) -> bool:
    """Whether a conftest.py registers the mark: pytest's settings know nothing of it yet."""
    line = re.compile(rf"addinivalue_line\(\s{{0,50}}[\"']markers[\"'],\s{{0,50}}[\"']{mark}\b")
    texts = (read_text(root / file) for file in conftests)
    return any(text is not None and line.search(text) is not None for text in texts)


def _conftests(root: Path, files: Sequence[str]) -> list[str]:
    found = {f"{parent}/conftest.py" for file in files for parent in _parents(file)}
    return sorted(name for name in found if (root / name).is_file())


def _parents(file: str) -> list[str]:
    parts = file.split("/")[:-1]
    return [".", *("/".join(parts[: count + 1]) for count in range(len(parts)))]


def _test_files(root: Path, settings: PytestSettings) -> list[str]:
    """Test files relative to the root, "/"-separated, at most MAX_TEST_FILES."""
    found: dict[str, None] = {}
    entered = 0
    for top in _starts(root, settings):
        if top.is_file():
            found[top.relative_to(root).as_posix()] = None
        for folder, folders, names in os.walk(top):
            folders[:] = sorted(name for name in folders if _enters(Path(folder), name, settings, root))
            for name in sorted(names):
                whole = (Path(folder) / name).relative_to(root).as_posix()
                if _matches(name, settings.python_files) and not _is_ignored(whole, settings):
                    found[whole] = None
            entered += 1
            if len(found) >= MAX_TEST_FILES or entered >= _MAX_FOLDERS:
                return list(found)[:MAX_TEST_FILES]
    return list(found)


def _starts(root: Path, settings: PytestSettings) -> list[Path]:
    starts: list[Path] = []
    for path in settings.testpaths or (".",):
        starts += glob(root, path) if any(sign in path for sign in "*?[") else [root / path]
    # Resolved for ".." and doubled slashes; what lies outside belongs to no gate of this repository.
    whole = [Path(os.path.normpath(start)) for start in starts]
    return [start for start in whole if start == root or root in start.parents]


def _enters(folder: Path, name: str, settings: PytestSettings, root: Path) -> bool:
    whole = (folder / name).relative_to(root).as_posix()
    for pattern in settings.norecursedirs:
        if fnmatch.fnmatch(whole if "/" in pattern else name, pattern):
            return False
    if _is_ignored(whole, settings):
        return False
    # A virtual environment, whatever its name.
    return not (folder / name / "pyvenv.cfg").exists() and name != "__pycache__"


def _is_ignored(whole: str, settings: PytestSettings) -> bool:
    """Whether `--ignore` or `--ignore-glob` in addopts leaves the path out."""
    for option, value in settings.valued("--ignore", "--ignore-glob"):
        path = os.path.normpath(value)
        if fnmatch.fnmatch(whole, path) if option == "--ignore-glob" else whole == path:
            return True
    return False


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
