"""Where the configuration is, and reading it into the tree."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from pytest_batchgate.config.tree import Node
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import ConfigError

MAX_BYTES = 1024 * 1024
"""The largest file that is read."""

YAML_NAMES = ("batchgate.yaml", "batchgate.yml")
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A configuration file; ``display`` is its name in messages, relative to the rootdir if inside."""

    path: Path
    display: str

    @property
    def is_toml(self) -> bool:
        return self.path.suffix == ".toml"


def find_source(rootdir: Path, explicit: Path | None) -> Source | None:
    """The first of ``explicit``, batchgate.yaml, batchgate.yml and [tool.batchgate] in pyproject.toml.

    None when there is none of them.  A relative ``explicit`` is relative to the
    working directory.  Raises ConfigError for an ``explicit`` that is no file, and
    for a pyproject.toml that speaks of batchgate and cannot be read.
    """
    if explicit is not None:
        if not os.path.lexists(explicit):
            raise ConfigError(f"there is no file {str(explicit)!r}", where="--batch-config")
        return Source(path=explicit, display=_display(explicit, rootdir))
    for name in YAML_NAMES:
        # lexists: a dangling link is a mistake to tell, not a reason to fall back to detection.
        if os.path.lexists(rootdir / name):
            return Source(path=rootdir / name, display=name)
    pyproject = Source(path=rootdir / "pyproject.toml", display="pyproject.toml")
    if not pyproject.path.is_file() or not _mentions_batchgate(pyproject):
        return None
    return pyproject if _tool_table(_parse_toml(pyproject)) is not None else None


def read_source(source: Source) -> Node:
    """The whole tree.  Raises ConfigError for a file that is not one readable mapping."""
    if source.is_toml:
        return _read_toml(source)
    from pytest_batchgate.config.yamltree import read_yaml

    tree = read_yaml(_text(source), source.display)
    if tree is None or tree.value is None:
        raise ConfigError(
            "the file is empty", where=f"{source.display}:1", todo="It needs `version: 1` and `gates`"
        )
    return tree


def _read_toml(source: Source) -> Node:
    from pytest_batchgate.config.tomltree import locate

    data = _parse_toml(source)
    table = _tool_table(data)
    if table is not None:
        return locate(table, source.display, ("tool", "batchgate"))
    if source.path.name == "pyproject.toml":
        raise ConfigError(
            "there is no [tool.batchgate] table", where=source.display, todo="Add it, with its gates"
        )
    return locate(data, source.display, ())


def _tool_table(data: Mapping[str, object]) -> object | None:
    tool = data.get("tool")
    return tool.get("batchgate") if isinstance(tool, Mapping) else None


def _parse_toml(source: Source) -> Mapping[str, object]:
    from pytest_batchgate.config.tomltree import read_toml

    return read_toml(_text(source), source.display)


def _mentions_batchgate(source: Source) -> bool:
    # Spares every project without our table the parsing of its pyproject.toml.
    try:
        return b"batchgate" in source.path.read_bytes()
    except OSError as error:
        raise _unreadable(source, error) from None


def _text(source: Source) -> str:
    data = _bytes(source)
    encoding = _BOMS.get(data[:2])
    if encoding is not None:
        raise ConfigError(f"the file is {encoding}, not UTF-8", where=source.display, todo="Save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"the byte {data[error.start]:#04x} is not UTF-8",
            where=f"{source.display}:{line}",
            todo="Save the file as UTF-8",
        ) from None
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise ConfigError(
            "a NUL character: this is not a text file in UTF-8", where=f"{source.display}:{line}"
        )
    return text


def _bytes(source: Source) -> bytes:
    try:
        # A named pipe would hang the read, so the kind is asked first.
        if not stat.S_ISREG(source.path.stat().st_mode):
            raise ConfigError("this is not a regular file", where=source.display)
        with source.path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(source, error) from None
    if len(data) > MAX_BYTES:
        raise ConfigError("the file is larger than 1 MiB", where=source.display, todo="Make it smaller")
    return data


def _unreadable(source: Source, error: OSError) -> ConfigError:
    return ConfigError(f"the file cannot be read: {error.strerror or error}", where=source.display)


def _display(path: Path, rootdir: Path) -> str:
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would show a link's target
    try:
        return absolute.relative_to(rootdir).as_posix()
    except ValueError:
        return str(path)
