"""The layers of the package: who may import whom, lazy and type-only imports included.

errors <- core <- {config, parsers, store, workers, report, bench} <- plugin, cli
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_batchgate

PACKAGE = "pytest_batchgate"
ROOT = Path(pytest_batchgate.__file__).parent
MIDDLE = frozenset({"config", "parsers", "store", "workers", "report", "bench"})
TOP = frozenset({"plugin", "cli", "commands", "doctor", "__main__"})

# Which modules may import what is not ours, by prefix of the module's name.
KEEPERS = {
    "execnet": ("workers.pool", "workers.gateway", "workers.pipes", "workers.remote"),
    "psutil": ("workers.process", "workers.services", "doctor"),
    "junitparser": ("report.junit",),
    "rich": ("report.painter",),
    "yaml": ("config",),
    "pytest": ("plugin", "workers.worker"),
    "_pytest": ("plugin", "workers.worker"),
    "pluggy": ("plugin",),
    "tomli": ("config",),
    "tomllib": ("config",),  # of the standard library from 3.11 on
}


def modules() -> dict[str, Path]:
    """Names without the package's own: "core.plan", "core" for its __init__, "" for the package's."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(name: str) -> Iterator[tuple[str, int]]:
    """Absolute names that the module imports, anywhere in its text, with their lines."""
    path = MODULES[name]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                inner = whole.removeprefix(f"{PACKAGE}.")
                yield (whole if inner in MODULES and whole != inner else node.module), node.lineno


def ours(name: str) -> set[str]:
    """Our own modules among the imports."""
    found = set()
    for target, line in imported(name):
        if target.partition(".")[0] == PACKAGE:
            inner = target.removeprefix(PACKAGE).removeprefix(".")
            assert inner in MODULES, f"{MODULES[name]}:{line}: no module {target}"
            found.add(inner)
    return found


def layer(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_the_layers_below_it(name: str) -> None:
    mine = layer(name)
    allowed = {"", "errors", mine}
    if mine in MIDDLE:
        allowed |= {"core"}
    elif mine in TOP:
        allowed |= {"core", *MIDDLE, *TOP}
    elif mine not in {"", "errors", "core"}:
        pytest.fail(f"{name} belongs to no layer")
    if mine == "errors":
        allowed = {"", "errors"}
    elif mine == "":  # shows what extensions need
        allowed = {"", "core", "parsers"}
    wrong = {other for other in ours(name) if layer(other) not in allowed}
    assert not wrong


@pytest.mark.parametrize("name", MODULES)
def test_a_library_is_imported_only_by_its_keepers(name: str) -> None:
    for target, line in imported(name):
        library = target.partition(".")[0]
        if library == PACKAGE or library in sys.stdlib_module_names:
            continue
        keepers = KEEPERS.get(library)
        assert keepers is not None, f"{MODULES[name]}:{line}: {library} is not a dependency"
        assert name.startswith(keepers), f"{MODULES[name]}:{line}: {library} belongs to {keepers}"


def test_the_core_is_pure() -> None:
    """No I/O, no clock, no threads: nothing is imported that could."""
    impure = {"io", "os", "pathlib", "socket", "subprocess", "threading", "time", "datetime", "random"}
    for name in MODULES:
        if layer(name) == "core":
            for target, line in imported(name):
                assert target.partition(".")[0] not in impure, f"{MODULES[name]}:{line}: {target}"


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {name: ours(name) - {"", name} for name in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, "a cycle: " + " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_files_and_functions_stay_small() -> None:
    """A file over 400 lines, or a function over 60, is asking to be split."""
    for path in MODULES.values():
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < 60, f"{path}:{node.lineno}: {node.name}"


def test_the_reader_of_imports_sees_lazy_and_type_only_ones() -> None:
    """The other tests would pass over anything the reader overlooks."""
    assert "shlex" in {target for target, _ in imported("core.model")}, "an import inside a method"
    assert "core.plan" in ours("core.dispatch")
    assert {"core.constraints", "core.gating"} <= ours("core.distribute")
