"""The configuration: where it comes from, and whether a run would take it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from pathlib import Path

from pytest_batchgate.config import Source, find_source, load_config, not_yet, profile_names
from pytest_batchgate.config.detect import detect
from pytest_batchgate.config.project import read_project
from pytest_batchgate.config.source import YAML_NAMES
from pytest_batchgate.core.model import Config, Gate, Tests
from pytest_batchgate.core.plan import build_plan
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.doctor.check import Check, Section
from pytest_batchgate.errors import BatchGateError, ConfigError, OptionError
from pytest_batchgate.report.words import plural

SECTION = Section("configuration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """``config`` is None where a run would be refused before it knew its gates."""

    checks: tuple[Check, ...]
    config: Config | None = None
    gates: tuple[Gate, ...] = field(default=())


def read_configuration(rootdir: Path, explicit: Path | None, profile: str | None) -> Configured:
    """Read it as a run does; mistakes become checks."""
    checks: list[Check] = []
    try:
        source = find_source(rootdir, explicit)
        if source is None:
            return _detected(rootdir, profile)
        checks += _others(rootdir, source) if explicit is None else []
        config = load_config(source, profile=profile)
    except BatchGateError as error:
        return Configured(checks=(*checks, SECTION.refused("file", error)))
    within = f", profile {profile}" if profile is not None else ""
    checks.append(SECTION.ok("file", f"{source.display}{within}: {_number(config)}"))
    problem = _judged(config)
    checks += [SECTION.refused("gates", problem)] if problem is not None else []
    checks += _profiles(source, profile)
    return Configured(checks=tuple(checks), config=config, gates=config.gates)


def _detected(rootdir: Path, profile: str | None) -> Configured:
    checks: list[Check] = []
    if profile is not None:
        problem = OptionError(f"there is no configuration, and so no profile {profile!r}", where="--profile")
        checks.append(SECTION.refused("profile", problem))
    try:
        found = detect(rootdir)
    except ConfigError as error:
        return Configured(checks=(*checks, SECTION.refused("detection", error)))
    told = f"there is none: {_number(found.config)} detected"
    checks.append(SECTION.ok("file", f"{told} (pytest --batch-gates --batch-init writes them down)"))
    checks += [SECTION.ok("found", sentence) for sentence in found.found]
    checks += [SECTION.note("left out", f"{what}: {why}") for what, why in found.left_out]
    return Configured(checks=tuple(checks), config=found.config, gates=found.config.gates)


def _number(config: Config) -> str:
    return plural(len(config.gates), "gate")


def _others(rootdir: Path, source: Source) -> Iterator[Check]:
    """Configurations that are never read, because another one is."""
    others = [name for name in YAML_NAMES if name != source.display and (rootdir / name).exists()]
    if not source.is_toml:
        try:
            others += ["[tool.batchgate] in pyproject.toml"] if "batchgate" in _tools(rootdir) else []
        except ConfigError as error:
            yield SECTION.refused("pyproject.toml", error)
    for other in others:
        yield SECTION.note(
            "file", f"{other} is not read, because {source.display} is", "Remove one of the two"
        )


def _tools(rootdir: Path) -> frozenset[str]:
    return frozenset(read_project(rootdir).tool())


def _judged(config: Config) -> BatchGateError | None:
    """What a run of all its gates would be refused for."""
    from pytest_batchgate.plugin.expressions import expression_problem
    from pytest_batchgate.plugin.findings import check_parsers

    try:
        plan = build_plan(config)
        check_parsers(plan, config)
    except BatchGateError as error:
        return error
    for gate in plan.claims:
        assert isinstance(gate.work, Tests)
        if gate.work.expression is not None:
            why = expression_problem(gate.work.expression)
            if why is not None:
                what = f"`tests: {gate.work.expression}` is no marker expression: {why}"
                return ConfigError(what, where=gate.where, todo="Write it as for pytest's -m")
    return not_yet(config, [gate.name for gate in config.gates])


def _profiles(source: Source, chosen: str | None) -> Iterator[Check]:
    """The profiles that were not chosen, each laid over the rest as it would be."""
    for name in profile_names(source):
        if name == chosen:
            continue
        try:
            problem = _judged(load_config(source, profile=name))
        except BatchGateError as error:
            problem = error
        if problem is not None:
            yield SECTION.refused(f"profile {name}", problem)
        else:
            yield SECTION.ok(f"profile {name}", "can be chosen with --batch-profile")
