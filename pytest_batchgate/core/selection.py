"""`--batch-select`: which gates of a configuration run.

The rules, in the order in which they win:

- `no:NAME` leaves a gate out, whoever needs it; what needs it runs without it.
- Names, tags and stages choose gates, and with them what they need (unless
  `--batch-no-needs`).  A list of `no:` alone chooses all others.
- A service runs while gates need it.  Chosen by a tag or a stage it still needs
  one that does; chosen by its name it is started, and passes when it is ready.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pytest_batchgate.core.model import Config, Gate, GateName
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import OptionError, did_you_mean

OPTION = "--batch-select"

Prefix = Literal["tag", "stage", "no"]
_PREFIXES: Mapping[str, Prefix] = {"tag": "tag", "stage": "stage", "no": "no"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """One entry of the list; ``no`` leaves out the gate it names."""

    kind: Literal["gate", "tag", "stage", "no"]
    name: str

    def __str__(self) -> str:
        return self.name if self.kind == "gate" else f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """``running`` gates, why each of the others does not, and for whom a gate runs that was not chosen."""

    running: frozenset[GateName]
    left_out: Mapping[GateName, str]
    pulled_in: Mapping[GateName, GateName]


def parse_select(text: str) -> tuple[Selector, ...]:
    """The entries of a comma list.  Raises OptionError for an empty list or an unknown prefix."""
    selectors = [_parse_entry(entry.strip()) for entry in text.split(",") if entry.strip()]
    if not selectors:
        raise OptionError(
            "an empty list selects nothing", where=OPTION, todo="Name a gate, or leave the option out"
        )
    return tuple(selectors)


def _parse_entry(entry: str) -> Selector:
    prefix, colon, name = entry.partition(":")
    if not colon:
        return Selector(kind="gate", name=entry)
    if prefix not in _PREFIXES:
        todo = did_you_mean(prefix, _PREFIXES) or "Known are tag:NAME, stage:NAME and no:NAME"
        raise OptionError(f"{entry!r} begins with no known word", where=OPTION, todo=todo)
    if not name.strip():
        raise OptionError(f"{entry!r} has no name after the colon", where=OPTION)
    return Selector(kind=_PREFIXES[prefix], name=name.strip())


def choose(
    config: Config,
    needs: Mapping[GateName, Sequence[GateName]],
    selectors: Sequence[Selector] | None,
    *,
    with_needs: bool,
) -> Selection:
    """Apply ``selectors`` (None: everything) to a graph without cycles.

    ``needs`` are those of all gates, what stages imply included.  Raises OptionError
    for a name, tag or stage that is nowhere, and when nothing at all is left.
    """
    wanted, left_out = _split(config, selectors or ())
    services = {gate.name for gate in config.gates if gate.is_service}
    by_name = {selector.name for selector in selectors or () if selector.kind == "gate"}
    allowed = frozenset(needs) - left_out if with_needs else wanted
    pulled_in: dict[GateName, GateName] = {}
    running = {name for name in wanted if name not in services or name in by_name}
    todo = [gate.name for gate in reversed(config.gates) if gate.name in running]
    while todo:
        name = todo.pop()
        for need in needs[name]:
            if need in allowed and need not in running:
                running.add(need)
                todo.append(need)
                if need not in wanted:
                    pulled_in[need] = name
    if selectors and not running:
        chosen = ",".join(map(str, selectors))
        raise OptionError(f"{chosen} leaves no gate to run", where=OPTION)
    reasons = {
        gate.name: _reason(gate, wanted, left_out) for gate in config.gates if gate.name not in running
    }
    return Selection(running=frozenset(running), left_out=reasons, pulled_in=pulled_in)


def _split(config: Config, selectors: Sequence[Selector]) -> tuple[frozenset[GateName], frozenset[GateName]]:
    """The gates that are chosen, and those that are left out by name."""
    left_out = frozenset[GateName]().union(*(_chosen(config, one) for one in selectors if one.kind == "no"))
    choosing = [_chosen(config, one) for one in selectors if one.kind != "no"]
    if not choosing:
        choosing = [frozenset(gate.name for gate in config.gates)]
    return frozenset[GateName]().union(*choosing) - left_out, left_out


def _chosen(config: Config, selector: Selector) -> frozenset[GateName]:
    known: set[str]
    if selector.kind == "tag":
        known, what = {tag for gate in config.gates for tag in gate.tags}, "tag"
        found = [gate for gate in config.gates if selector.name in gate.tags]
    elif selector.kind == "stage":
        known, what = {*config.stages, *(gate.stage for gate in config.gates if gate.stage)}, "stage"
        found = [gate for gate in config.gates if gate.stage == selector.name]
    else:
        known, what = {gate.name for gate in config.gates}, "gate"
        found = [gate for gate in config.gates if gate.name == selector.name]
    if selector.name not in known:
        listed = f"Known are {', '.join(sorted(known))}" if known else f"No gate has a {what}"
        raise OptionError(
            f"there is no {what} {selector.name!r}",
            where=OPTION,
            todo=did_you_mean(selector.name, known) or listed,
        )
    return frozenset(gate.name for gate in found)


def _reason(gate: Gate, wanted: frozenset[GateName], left_out: frozenset[GateName]) -> str:
    if gate.name in left_out:
        return f"left out by no:{gate.name}"
    if gate.name in wanted:
        return "a service that nothing needs"
    return "a service that nothing selected needs" if gate.is_service else "not selected"
