"""The command line: every `--batch-*` option, and what the user typed of pytest's own.

Only reads and checks; acting on the options is `launch`'s work.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import NotYetError, OptionError

if TYPE_CHECKING:
    from pytest_batchgate.bench.script import Script
    from pytest_batchgate.plugin.benchoptions import BenchOptions, Measured

# Options whose value may be left out: the bare form stands for this value.
OPTIONAL_VALUES = {"--batch-plan": "text", "--batch-benchmark": "1,auto"}
PLAN_FORMATS = ("text", "json", "mermaid", "matrix")

_FLAGS = {
    "batch_gates": ("--batch-gates", "run the repository's quality gates as one graph in parallel workers"),
    "no_batch_needs": ("--batch-no-needs", "run the selected gates without what they need"),
    "batch_init": ("--batch-init", "write the detected configuration and stop"),
    "batch_resume": ("--batch-resume", "continue the last run: only what was not good"),
    "batch_verify": ("--batch-verify", "run in turn and in parallel and name the tests that differ"),
    "batch_watch": ("--batch-watch", "run again when files change"),
}
_VALUES = {
    "batch_select": ("--batch-select", "LIST", "gates to run: NAME, tag:NAME, stage:NAME, no:NAME"),
    "batch_workers": ("--batch-workers", "N|auto", "workers in the pool; 0: all in turn in one worker"),
    "batch_config": ("--batch-config", "FILE", "the configuration file"),
    "batch_profile": ("--batch-profile", "NAME", "a profile of the configuration to merge over the rest"),
    "batch_plan": ("--batch-plan", "FORMAT", "print what would run (text, json, mermaid, matrix) and stop"),
    "batch_shard": ("--batch-shard", "I/N", "run this machine's share"),
    "batch_report_dir": ("--batch-report-dir", "DIR", "write every report there"),
    "batch_benchmark": ("--batch-benchmark", "LEVELS", "run at each number of workers and compare"),
    "batch_rounds": ("--batch-rounds", "N", "rounds of the benchmark"),
    "batch_baseline": ("--batch-baseline", "FILE", "an earlier benchmark to compare with"),
    "batch_tolerance": ("--batch-tolerance", "PERCENT", "what counts as a regression"),
    "batch_cache": ("--batch-cache", "auto|on|off|refresh", "reuse verdicts of unchanged gates"),
    "batch_since": ("--batch-since", "REF", "only what changed since REF"),
}
_LISTS = {
    "batch_tx": ("--batch-tx", "SPEC", "execnet worker specs instead of --batch-workers; repeatable"),
    "batch_variant": ("--batch-variant", "NAME=FILE", "another configuration to benchmark"),
}
_NOT_YET = (
    "batch_watch",
    "batch_since",
)

_NOT_WITH_VERIFY = (
    "batch_plan",
    "batch_init",
    "batch_resume",
    "batch_watch",
    "batch_shard",
    "batch_benchmark",
    "collectonly",
)


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("batchgate", "quality gates (pytest-batchgate)")
    for dest, (flag, text) in _FLAGS.items():
        group.addoption(flag, action="store_true", default=False, dest=dest, help=text)
    group.addoption(
        "--no-batch-gates",
        action="store_false",
        dest="batch_gates",
        help="undo a --batch-gates in addopts",
    )
    for flag, value in (("--batch-fail-fast", True), ("--no-batch-fail-fast", False)):
        group.addoption(
            flag,
            action="store_const",
            const=value,
            default=None,
            dest="batch_fail_fast",
            help="stop when a required gate fails" if value else "undo a fail-fast of the configuration",
        )
    for dest, (flag, metavar, text) in _VALUES.items():
        # "?": the first parse meets bare options, before `fill_in_optional_values`.
        bare = {"nargs": "?", "const": OPTIONAL_VALUES[flag]} if flag in OPTIONAL_VALUES else {}
        group.addoption(flag, action="store", default=None, dest=dest, metavar=metavar, help=text, **bare)
    for dest, (flag, metavar, text) in _LISTS.items():
        group.addoption(flag, action="append", default=None, dest=dest, metavar=metavar, help=text)
    # How `--batch-verify` tells the runs that it starts what to do.
    group.addoption("--batch-verify-run", default=None, dest="batch_verify_run", help=argparse.SUPPRESS)
    # The same of `--batch-benchmark`: how many workers, and whether with all reports.
    group.addoption("--batch-benchmark-run", default=None, dest="batch_benchmark_run", help=argparse.SUPPRESS)


def fill_in_optional_values(args: list[str]) -> bool:
    """``--batch-plan`` -> ``--batch-plan=text`` in place, so that it never takes the next argument."""
    changed = False
    for place, arg in enumerate(args):
        if arg == "--":
            break
        if arg in OPTIONAL_VALUES:
            args[place] = f"{arg}={OPTIONAL_VALUES[arg]}"
            changed = True
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """The checked `--batch-*` options of a run.  ``workers``: None is auto, 0 in turn."""

    select: str | None
    with_needs: bool
    workers: int | None
    workers_given: bool
    tx: tuple[str, ...]
    config: Path | None
    profile: str | None
    fail_fast: bool | None
    plan: str | None
    init: bool = False
    report_dir: Path | None = None  # as typed
    resume: bool = False
    shard: tuple[int, int] | None = None  # which of how many, from 1; of a matrix: 0 of how many
    verify: bool = False
    script: Script | None = None  # of a run that `--batch-verify` started
    benchmark: BenchOptions | None = None
    measured: Measured | None = None  # of a run that `--batch-benchmark` started

    @property
    def only_prints(self) -> bool:
        """Nothing runs: the plan or the detected configuration is all that is wanted."""
        return self.plan is not None or self.init


def check_platform(platform: str) -> None:
    """``platform``: as `sys.platform`.  Raises OptionError where gates cannot run."""
    if platform == "win32":
        raise OptionError(
            "Windows is not supported yet", where="--batch-gates", todo="Use Linux, macOS or WSL"
        )


def used_options(namespace: argparse.Namespace) -> list[str]:
    """The `--batch-*` options that were given, apart from `--batch-gates`."""
    used = [flag for dest, (flag, _) in _FLAGS.items() if dest != "batch_gates" and getattr(namespace, dest)]
    for dest, (flag, *_) in {**_VALUES, **_LISTS}.items():
        if getattr(namespace, dest) is not None:
            used.append(flag)
    if namespace.batch_fail_fast is not None:
        used.append("--batch-fail-fast" if namespace.batch_fail_fast else "--no-batch-fail-fast")
    return used


def read_options(namespace: argparse.Namespace) -> BatchOptions:
    """Raises OptionError or NotYetError."""
    for dest in _NOT_YET:
        if getattr(namespace, dest) not in {None, False}:
            flag = {**_FLAGS, **_VALUES, **_LISTS}[dest][0]
            raise NotYetError(flag)
    if namespace.batch_cache not in {None, "off", "auto"}:
        raise NotYetError(f"--batch-cache={namespace.batch_cache}")
    plan = namespace.batch_plan
    if plan is not None and plan not in PLAN_FORMATS:
        raise OptionError(
            f"unknown format {plan!r}", where="--batch-plan", todo=f"Use one of {', '.join(PLAN_FORMATS)}"
        )
    if namespace.batch_init:
        _check_init(namespace)
    if namespace.batch_verify_run is None and namespace.batch_verify:
        _check_verify(namespace)
    tx = expand_tx(namespace.batch_tx or ())
    if tx and namespace.batch_workers is not None:
        raise OptionError("they exclude each other", where="--batch-tx and --batch-workers")
    options = BatchOptions(
        select=namespace.batch_select,
        with_needs=not namespace.no_batch_needs,
        workers=read_workers(namespace.batch_workers),
        workers_given=namespace.batch_workers is not None,
        tx=tx,
        config=Path(namespace.batch_config) if namespace.batch_config is not None else None,
        profile=namespace.batch_profile,
        fail_fast=namespace.batch_fail_fast,
        plan=plan,
        init=namespace.batch_init,
        report_dir=_read_report_dir(namespace.batch_report_dir),
        resume=namespace.batch_resume,
        shard=_read_shard(namespace.batch_shard, is_planned=plan == "matrix"),
        verify=namespace.batch_verify,
    )
    if namespace.batch_verify_run is not None:
        return _scripted(options, namespace.batch_verify_run)
    return _benchmarked(options, namespace)


def _scripted(options: BatchOptions, path: str) -> BatchOptions:
    """What `--batch-verify` decides for its runs goes before all that was typed."""
    from pytest_batchgate.plugin.scripted import read_script

    script = read_script(path)
    return replace(options, verify=False, resume=False, script=script, report_dir=Path(script.folder))


def _benchmarked(options: BatchOptions, namespace: argparse.Namespace) -> BatchOptions:
    """What `--batch-benchmark` wants, or decides for the runs that it starts."""
    dests = ("benchmark", "benchmark_run", "rounds", "baseline", "tolerance", "variant")
    if all(getattr(namespace, f"batch_{dest}") is None for dest in dests):
        return options
    from pytest_batchgate.plugin.benchoptions import read_benchmark, read_measured

    if namespace.batch_benchmark_run is None:
        return replace(options, benchmark=read_benchmark(namespace))
    measured = read_measured(namespace.batch_benchmark_run)
    return replace(options, workers=measured.workers, workers_given=True, measured=measured)


def _read_report_dir(text: str | None) -> Path | None:
    if text is None:
        return None
    if not text.strip() or "\0" in text:
        raise OptionError("it names no folder", where="--batch-report-dir", todo="Write it as DIR")
    return Path(text)


def _read_shard(text: str | None, *, is_planned: bool) -> tuple[int, int] | None:
    if text is None:
        return None
    from pytest_batchgate.plugin.share import read_shard

    return read_shard(text, is_planned=is_planned)


def _check_init(namespace: argparse.Namespace) -> None:
    for dest in ("batch_plan", "batch_config", "batch_profile"):
        if getattr(namespace, dest) is not None:
            raise OptionError(
                "it writes what is detected, and reads no configuration",
                where=f"--batch-init with {_VALUES[dest][0]}",
                todo="Use one of them",
            )


def _check_verify(namespace: argparse.Namespace) -> None:
    flags = {dest: flag for dest, (flag, *_) in {**_FLAGS, **_VALUES, **_LISTS}.items()}
    for dest in _NOT_WITH_VERIFY:
        if getattr(namespace, dest, None) not in {None, False}:
            raise OptionError(
                "it runs the tests several times over, and compares",
                where=f"--batch-verify with {flags.get(dest, '--collect-only')}",
                todo="Use one of them",
            )


def read_workers(text: str | None) -> int | None:
    if text is None or text == "auto":
        return None
    if not text.isdecimal() or int(text) > MAX_WORKERS:
        raise OptionError(
            f"{text!r} is no number of workers", where="--batch-workers", todo="Use auto, 0 (in turn) or more"
        )
    return int(text)


MAX_WORKERS = 1024


_SPECS = "Use popen, 4*popen//python=PATH or ssh=HOST//chdir=PATH"


def expand_tx(specs: Iterable[str]) -> tuple[str, ...]:
    """``4*popen`` -> four specs.  Raises OptionError."""
    expanded: list[str] = []
    for spec in specs:
        times, star, rest = spec.partition("*")
        count, one = (times, rest) if star and times.isdecimal() and len(times) < 9 else ("1", spec)
        kind = one.partition("//")[0]
        if kind.partition("=")[0] in {"ssh", "socket"} and 1 <= int(count) <= MAX_WORKERS:
            from pytest_batchgate.workers.remote import check_spec

            check_spec(one)
        elif kind != "popen" or not 1 <= int(count) <= MAX_WORKERS:
            raise OptionError(
                f"{spec!r} is no worker spec",
                where="--batch-tx",
                todo=_SPECS,
            )
        elif kind != one:
            from pytest_batchgate.workers.remote import parse_spec

            parse_spec(one)
        expanded += [one] * int(count)
    return tuple(expanded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What narrows the tests: typed by the user (PYTEST_ADDOPTS included), or from ini addopts."""

    keyword: str
    markexpr: str
    paths: tuple[str, ...]
    excludes: bool  # by --deselect, --ignore, --ignore-glob
    ini_keyword: str
    ini_markexpr: str
    given: argparse.Namespace  # all that was typed

    @property
    def narrows(self) -> bool:
        return bool(self.keyword or self.markexpr or self.paths or self.excludes)


def read_typed(config: pytest.Config) -> Typed:
    """Tell typed options from those of the ini file by parsing each part alone."""
    mine = typed_namespace(config)
    ini = _parse(config, list(config.getini("addopts")))
    return Typed(
        keyword=getattr(mine, "keyword", "") or "",
        markexpr=getattr(mine, "markexpr", "") or "",
        paths=tuple(getattr(mine, "file_or_dir", ())),
        excludes=any(getattr(mine, name, None) for name in ("deselect", "ignore", "ignore_glob")),
        ini_keyword="" if getattr(mine, "keyword", "") else getattr(ini, "keyword", "") or "",
        ini_markexpr="" if getattr(mine, "markexpr", "") else getattr(ini, "markexpr", "") or "",
        given=mine,
    )


def typed_namespace(config: pytest.Config) -> argparse.Namespace:
    """What the user typed, without the ini file's addopts."""
    return _parse(config, _typed_args(config))


def is_undone(config: pytest.Config) -> bool:
    """Whether `--no-batch-gates` was typed: then other options of addopts mean nothing either."""
    return "--no-batch-gates" in _typed_args(config)


def _typed_args(config: pytest.Config) -> list[str]:
    return [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *map(str, config.invocation_params.args)]


def plain_command(args: Sequence[str]) -> str:
    """The command line without options of ours, as a person would type it."""
    valued = {flag for flag, *_ in [*_VALUES.values(), *_LISTS.values()]} - OPTIONAL_VALUES.keys()
    kept: list[str] = []
    rest = iter(args)
    for arg in rest:
        if arg in valued:
            next(rest, None)
        elif not arg.startswith(("--batch-", "--no-batch-")):
            kept.append(arg)
    return shlex.join(["pytest", *kept])


def _parse(config: pytest.Config, args: Sequence[str]) -> argparse.Namespace:
    given = list(args)
    fill_in_optional_values(given)
    return config._parser.parse_known_args(given)
