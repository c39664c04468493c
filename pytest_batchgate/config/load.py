"""From a file to a `Config`: the order in which it is checked is the order of this module."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_batchgate.config.build import build_config, named
from pytest_batchgate.config.records import Key, check_keys
from pytest_batchgate.config.schema import CONTAINERS, GATE_KEYS, KIND_KEYS, READY, TOP_KEYS
from pytest_batchgate.config.source import Source, read_source
from pytest_batchgate.config.tree import Node, Place, merge, shown
from pytest_batchgate.core.model import Config
from pytest_batchgate.errors import ConfigError, did_you_mean

_DEFAULTS_KEYS = {key: row for key, row in GATE_KEYS.items() if key not in KIND_KEYS}
_PROFILE_KEYS: Mapping[str, object] = {
    **{key: row for key, row in TOP_KEYS.items() if key != "version"},
    "defaults": None,
    "gates": None,
}
_FILE_KEYS: Mapping[str, object] = {**TOP_KEYS, **dict.fromkeys(CONTAINERS)}

_IN_A_GATE = dict.fromkeys(GATE_KEYS, "It is a key of a gate: put it under `gates` or `defaults`")
_IN_THE_FILE = dict.fromkeys(TOP_KEYS, "It is a key of the whole file: put it at the top")
_EXCLUSIVE = {"ready": READY.one_of}
_MAKES_A_GATE = dict.fromkeys(KIND_KEYS, "It says what a gate is: put it in each gate")


def load_config(source: Source, *, profile: str | None) -> Config:
    """The configuration of ``source``, with ``profile`` merged over it and its defaults applied.

    Raises ConfigError, with file and line (TOML: the key path), for whatever does
    not fit, in profiles that are not chosen too.  What gates say about one another
    is `core.plan.build_plan`'s to check.
    """
    tree = read_source(source)
    top = Place(node=tree, path="")
    if tree.entries is None:
        raise ConfigError(
            f"the file must hold a mapping, not {tree.describe()}",
            where=tree.where,
            todo="It needs `version: 1` and `gates`",
        )
    _check_version(top, source)
    _check_part(top, _FILE_KEYS, "the file")
    profiles = _check_profiles(top)
    without = {key: entry for key, entry in tree.entries.items() if key != "profiles"}
    merged = Node(where=tree.where, value=without)
    if profile is not None:
        merged = merge(merged, _chosen(profile, profiles, source), _EXCLUSIVE)
    return build_config(Place(node=merged, path=""), source.display)


def profile_names(source: Source) -> tuple[str, ...]:
    """The profiles ``source`` defines, in file order."""
    profiles = (read_source(source).entries or {}).get("profiles")
    return tuple(profiles.node.entries or ()) if profiles else ()


def _check_version(top: Place, source: Source) -> None:
    assert top.node.entries is not None
    if "version" in top.node.entries:
        place = top.child("version")
        value = place.node.value
        if isinstance(value, bool) or value != 1 or not isinstance(value, int):
            raise place.wrong("1", "Another version needs another release of pytest-batchgate")
    elif not source.is_toml:
        raise ConfigError("`version` is missing", where=f"{source.display}:1", todo="Begin with `version: 1`")


def _check_part(part: Place, keys: Mapping[str, object], what: str) -> None:
    """Check everything in a file or a profile that can be judged before merging."""
    _refuse_unknown(part, keys, what)
    assert part.node.entries is not None
    for key in part.node.entries:
        child = part.child(key)
        if key in TOP_KEYS:
            TOP_KEYS[key].kind.check(child)
        elif key == "defaults":
            check_keys(child, _DEFAULTS_KEYS, "`defaults`", _IN_THE_FILE | _MAKES_A_GATE)
            _check_values(child)
        elif key == "gates":
            for gate in named(child, "gate"):
                check_keys(gate, GATE_KEYS, "a gate", _IN_THE_FILE)
                _check_values(gate)


def _refuse_unknown(part: Place, keys: Mapping[str, object], what: str) -> None:
    entries = part.node.entries
    if entries is None:
        raise part.wrong("a mapping")
    for key, entry in entries.items():
        if key not in keys:
            hint = did_you_mean(key, keys) or f"Known are {', '.join(keys)}"
            raise ConfigError(
                f"{shown(key)} is not a key of {what}", where=entry.where, todo=_IN_A_GATE.get(key, hint)
            )


def _check_values(place: Place) -> None:
    assert place.node.entries is not None
    for key in place.node.entries:
        row: Key = GATE_KEYS[key]
        row.kind.check(place.child(key))


def _check_profiles(top: Place) -> Mapping[str, Node]:
    assert top.node.entries is not None
    if "profiles" not in top.node.entries:
        return {}
    found = {}
    for profile in named(top.child("profiles"), "profile"):
        _check_part(profile, _PROFILE_KEYS, "a profile")
        found[profile.path.removeprefix("profiles.")] = profile.node
    return found


def _chosen(profile: str, profiles: Mapping[str, Node], source: Source) -> Node:
    if profile in profiles:
        return profiles[profile]
    known = f"Known are {', '.join(profiles)}" if profiles else f"{source.display} defines no profiles"
    raise ConfigError(
        f"there is no profile {shown(profile)}",
        where="--batch-profile",
        todo=did_you_mean(profile, profiles) or known,
    )
