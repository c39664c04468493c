"""From a checked and merged tree to the frozen values of `core.model`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_batchgate.config.kinds import NAME_PATTERN, is_name
from pytest_batchgate.config.records import GateKind, RunValue
from pytest_batchgate.config.schema import GATE_KEYS, KIND_KEYS, TOP_KEYS
from pytest_batchgate.config.tree import Place, shown
from pytest_batchgate.core.model import Command, Config, Gate, GateName, Tests
from pytest_batchgate.errors import ConfigError

_KIND_NAMES: Mapping[GateKind, str] = {
    "command": "a command",
    "service": "a service (a command with `ready`)",
    "tests": "a tests gate",
}
_FIELDS = {"timeout": "timeout_s", "grace": "grace_s", "memory-limit": "memory_limit_bytes"}
_COMMAND_KEYS = ("cwd", "weight", "ready", "parser", "report", "fail-on-flaky")
_TESTS_FIELDS = {
    "max-workers": "max_workers",
    "test-timeout": "test_timeout_s",
    "allow-empty": "allow_empty",
    "fail-on-flaky": "fail_on_flaky",
    "paths": "paths",
}


def build_config(top: Place, display: str) -> Config:
    """The configuration of a tree whose profile is merged.  Raises ConfigError for gates that are none."""
    entries = top.node.entries
    assert entries is not None
    if "gates" not in entries or not entries["gates"].node.entries:
        raise ConfigError(
            "there are no gates",
            where=top.node.where,
            todo="Add one under `gates`, or remove the file to have them detected",
        )
    values: dict[str, Any] = {}
    places: dict[tuple[str, ...], str] = {}
    for key in entries:
        if key in TOP_KEYS and key != "version":
            child = top.child(key)
            values[key.replace("-", "_")] = TOP_KEYS[key].kind.read(child)
            places[key,] = child.where
    defaults = top.child("defaults") if "defaults" in entries else None
    gates = tuple(_gate(gate, defaults, places) for gate in named(top.child("gates"), "gate"))
    return Config(**values, gates=gates, places=places, source=display)


def named(place: Place, what: str) -> tuple[Place, ...]:
    """The entries of a mapping whose keys are names.  Raises ConfigError for one that is not."""
    if place.node.entries is None:
        raise place.wrong("a mapping")
    for key, entry in place.node.entries.items():
        if not is_name(key):
            raise ConfigError(
                f"{shown(key)} cannot name a {what}",
                where=entry.where,
                todo=f"Names match {NAME_PATTERN[1:-1]}",
            )
    return tuple(place.child(key) for key in place.node.entries)


def _gate(place: Place, defaults: Place | None, places: dict[tuple[str, ...], str]) -> Gate:
    name = place.path.removeprefix("gates.")
    assert place.node.entries is not None
    given = {key: place.child(key) for key in place.node.entries}
    fallback = {key: defaults.child(key) for key in defaults.node.entries or ()} if defaults else {}
    kind = _kind(place, given, fallback)
    for key, child in given.items():
        if kind not in GATE_KEYS[key].on:
            raise child.error(f"is not for {_KIND_NAMES[kind]}", "Remove it")
    given |= {key: child for key, child in fallback.items() if key not in given and kind in GATE_KEYS[key].on}
    values = {key: GATE_KEYS[key].kind.read(child) for key, child in given.items()}
    places.update({("gates", name, key): child.where for key, child in given.items()})
    for index, need in enumerate(values.get("needs", ())):
        places["gates", name, "needs", need] = given["needs"].item(index).node.where
    work = _tests(values) if kind == "tests" else _command(values)
    rest = {_FIELDS.get(key, key.replace("-", "_")): value for key, value in values.items()}
    return Gate(name=GateName(name), work=work, where=place.where, **rest)


def _kind(place: Place, given: Mapping[str, Place], defaults: Mapping[str, Place]) -> GateKind:
    has = [key for key in KIND_KEYS if key in given]
    if not has:
        raise place.error("runs nothing", "Give it `run` for a command, or `tests` or `paths` for tests")
    if has[0] == "run":
        if len(has) > 1:
            raise given[has[1]].error("cannot stand beside `run`", "Make two gates of it")
        return "service" if "ready" in given or "ready" in defaults else "command"
    return "tests"


def _command(values: dict[str, Any]) -> Command:
    run: RunValue = values.pop("run")
    fields = {key.replace("-", "_"): values.pop(key) for key in _COMMAND_KEYS if key in values}
    return Command(argv=run.argv, shell=run.shell, **fields)  # nosec B604 (a value, not a call of a shell)


def _tests(values: dict[str, Any]) -> Tests:
    expression = values.pop("tests", None)
    fields = {field: values.pop(key) for key, field in _TESTS_FIELDS.items() if key in values}
    rest = expression is True
    return Tests(expression=None if rest else expression, rest=rest, **fields)
