"""From a command's log and report to findings: which parser reads it, and what that means for the gate."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pytest_batchgate.core.model import Command, Config, Gate, GateState
from pytest_batchgate.core.plan import Plan
from pytest_batchgate.core.protocol import CommandEnded
from pytest_batchgate.errors import ConfigError

if TYPE_CHECKING:  # imported when a command has ended: until then a run is busy starting
    from pytest_batchgate.parsers import Parser

MoreParsers: TypeAlias = "Mapping[str, Parser]"


def check_parsers(plan: Plan, config: Config, more: MoreParsers | None = None) -> None:
    """Raises ConfigError for a `parser` that nobody knows."""
    for gate in plan.gates:
        if isinstance(gate.work, Command) and gate.work.parser is not None:
            try:
                _parser_of(gate.work, more or {})
            except ConfigError as problem:
                where = config.places.get(("gates", gate.name, "parser"), gate.where)
                raise ConfigError(problem.what, where=where, todo=problem.todo) from None


def reader(rootdir: Path, more: Callable[[], MoreParsers]) -> Callable[[Gate, CommandEnded], CommandEnded]:
    """What the command runner calls, in the command's own thread, before it tells a command's end."""

    def read(gate: Gate, ended: CommandEnded) -> CommandEnded:
        from pytest_batchgate.parsers import ParserInput, parse_output, read_output

        work = gate.work
        assert isinstance(work, Command)
        if work.is_service or ended.returncode is None or ended.log_path is None:
            return ended
        parser = _parser_of(work, more())
        if parser is None and ended.report_path is None:
            return ended
        try:
            text = read_output(Path(ended.log_path))
            report = _report(ended)
        except OSError as problem:
            note = f"{gate.name}: what it left cannot be read: {problem.strerror or problem}"
            return replace(ended, notes=(*ended.notes, note))
        parsed = parse_output(
            parser,
            ParserInput(
                argv=work.argv,
                text=text,
                returncode=ended.returncode,
                rootdir=str(rootdir),
                report=report,
                cwd=os.fspath(rootdir / work.cwd) if work.cwd is not None else None,
            ),
        )
        notes = (*ended.notes, f"{gate.name}: {parsed.note}") if parsed.note is not None else ended.notes
        ended = replace(ended, findings=parsed.findings, more_findings=parsed.more, notes=notes)
        if parsed.verdict is not None and ended.state is GateState.PASSED:
            state, reason = parsed.verdict
            ended = replace(ended, state=state, reason=reason)
        return ended

    return read


def _parser_of(work: Command, more: MoreParsers) -> Parser | None:
    from pytest_batchgate.parsers import parser_for

    return parser_for(work.argv, work.shell, work.parser, more=more)


def _report(ended: CommandEnded) -> bytes | None:
    """The start of the report, as much as is looked at of a log."""
    from pytest_batchgate.parsers import MAX_OUTPUT_BYTES

    if ended.report_path is None:
        return None
    with Path(ended.report_path).open("rb") as file:
        return file.read(MAX_OUTPUT_BYTES)
