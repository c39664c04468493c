"""Which program a command runs in the end: `uv run --frozen python -m ruff check .` runs ruff."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath

_PYTHON = re.compile(r"^(?:python|pypy)[0-9.]*w?$")
_ASSIGNMENT = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*=")
_OPERATORS = frozenset({"&&", "||", ";", "|", "|&", "&", "(", ")", "\n", "{", "}", "!"})
_DEEPEST = 10  # wrappers within wrappers

# Options of the wrappers that take the next word; all others are one word.
_TAKES_VALUE: Mapping[str, frozenset[str]] = {
    "uv": frozenset(
        [
            "--with",
            "--with-editable",
            "--with-requirements",
            "--extra",
            "--no-extra",
            "--group",
            "--no-group",
            "--only-group",
            "-p",
            "--python",
            "--project",
            "--directory",
            "--package",
            "--env-file",
            "--index",
            "--default-index",
            "--cache-dir",
            "--from",
            "--python-platform",
            "--color",
            "--config-file",
            "--config-setting",
            "--index-url",
            "--find-links",
            "-w",
        ]
    ),
    "poetry": frozenset(["-C", "--directory", "-P", "--project"]),
    "pdm": frozenset(["-p", "--project", "--venv", "--site-packages"]),
    "hatch": frozenset(["-e", "--env", "-p", "--project"]),
    "pipx": frozenset(["--spec", "--python", "--pip-args", "--with", "--index-url"]),
    "env": frozenset(["-u", "--unset", "-C", "--chdir"]),
    "timeout": frozenset(["-s", "--signal", "-k", "--kill-after"]),
    "nice": frozenset(["-n", "--adjustment"]),
    "ionice": frozenset(["-c", "-n"]),
    "python": frozenset(["-W", "-X", "--check-hash-based-pycs"]),
    "coverage": frozenset(["--rcfile", "--source", "--omit", "--include", "--data-file", "--context"]),
}


def programs(argv: Sequence[str], shell: str | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each program with its words, in the order of the command: one of ``argv``, any number of ``shell``."""
    for words in _commands(shell) if shell is not None else [tuple(argv)]:
        found = _program(words)
        if found is not None:
            yield found


def _commands(shell: str) -> list[tuple[str, ...]]:
    lexer = shlex.shlex(shell.replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    try:
        for word in lexer:
            if word in _OPERATORS or (set(word) <= set("();<>|&") and not set(word) & set("<>")):
                commands.append([])
            else:
                commands[-1].append(word)
    except ValueError:  # a quote without its end: the shell will say so
        pass
    return [tuple(words) for words in commands if words]


def _program(words: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
    for _ in range(_DEEPEST):
        words = words[next((n for n, word in enumerate(words) if not _ASSIGNMENT.match(word)), len(words)) :]
        if not words:
            return None
        name = PurePath(words[0]).name.removesuffix(".exe")
        inner = _inside(name, words[1:])
        if inner is None:
            return name, words
        words = inner
    return None


def _inside(name: str, rest: tuple[str, ...]) -> tuple[str, ...] | None:
    """The words that a wrapper runs; None for a program that is no wrapper."""
    if _PYTHON.match(name):
        return _module(rest)
    reader = _WRAPPERS.get(name)
    return reader(rest) if reader is not None else None


def _module(rest: tuple[str, ...]) -> tuple[str, ...] | None:
    index = 0
    while index < len(rest) and rest[index].startswith("-"):
        word = rest[index]
        if word == "-m":
            return _named(rest[index + 1 :])
        if word.startswith("-m") or word in {"-", "-c"}:
            return _named((word[2:], *rest[index + 1 :])) if len(word) > 2 else None
        if re.match(r"^-[bBdEhiIOPqsSuvVx]+m$", word):
            return _named(rest[index + 1 :])
        index += 2 if word in _TAKES_VALUE["python"] else 1
    return None


def _named(words: tuple[str, ...]) -> tuple[str, ...] | None:
    # `python -m pip_audit` is the program pip-audit; `python -m ruff.__main__` nobody writes.
    return (words[0].replace("_", "-"), *words[1:]) if words else None


def _plain(name: str, skip: int = 0) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """After options, and ``skip`` words of the wrapper's own."""

    def read(rest: tuple[str, ...]) -> tuple[str, ...]:
        rest = _after_options(rest, name)
        return _after_options(rest[skip:], name) if skip else rest

    return read


def _sub(name: str, *subcommands: str) -> Callable[[tuple[str, ...]], tuple[str, ...] | None]:
    """``uv run PROGRAM``: after one of the subcommands; any other is the wrapper's own work."""

    def read(rest: tuple[str, ...]) -> tuple[str, ...] | None:
        rest = _after_options(rest, name)
        if not rest or rest[0] not in subcommands:
            return None
        rest = rest[1:]
        module = next((n for n, word in enumerate(rest) if not word.startswith("-")), len(rest))
        if name == "uv" and any(word in {"-m", "--module"} for word in rest[:module]):
            return _named(_after_options(rest, name))
        return _versionless(_after_options(rest, name))

    return read


def _uv(rest: tuple[str, ...]) -> tuple[str, ...] | None:
    bare = _after_options(rest, "uv")
    if bare[:1] == ("tool",):
        return _sub("uv", "run")(bare[1:])
    return _sub("uv", "run")(bare)


def _hatch(rest: tuple[str, ...]) -> tuple[str, ...] | None:
    inner = _sub("hatch", "run")(rest)
    if inner and ":" in inner[0]:  # hatch run ENVIRONMENT:PROGRAM
        inner = (inner[0].partition(":")[2], *inner[1:])
    return inner


def _versionless(words: tuple[str, ...]) -> tuple[str, ...]:
    # uvx ruff@0.9 check, pipx run ruff==0.9
    return (re.split(r"[@=]", words[0], maxsplit=1)[0], *words[1:]) if words else words


def _after_options(rest: tuple[str, ...], name: str) -> tuple[str, ...]:
    index = 0
    while index < len(rest) and rest[index].startswith("-"):
        word = rest[index]
        index += 1
        if word == "--":
            break
        if word in _TAKES_VALUE.get(name, ()):
            index += 1
    return rest[index:]


_WRAPPERS: Mapping[str, Callable[[tuple[str, ...]], tuple[str, ...] | None]] = {
    "uv": _uv,
    "uvx": lambda rest: _versionless(_after_options(rest, "uv")),
    "poetry": _sub("poetry", "run"),
    "pdm": _sub("pdm", "run"),
    "hatch": _hatch,
    "pipx": _sub("pipx", "run"),
    "pipenv": _sub("pipenv", "run"),
    "rye": _sub("rye", "run"),
    "env": _plain("env"),
    "nice": _plain("nice"),
    "ionice": _plain("ionice"),
    "nohup": _plain("nohup"),
    "time": _plain("time"),
    "exec": _plain("exec"),
    "command": _plain("command"),
    "timeout": _plain("timeout", skip=1),
}
