"""Which parser reads a command's output, and running it so that its faults harm nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import ConfigError, did_you_mean
from pytest_batchgate.parsers import bandit, flake8, junit, mypy, pip_audit, ruff, sarif, text, ty
from pytest_batchgate.parsers.base import MAX_FINDINGS, Parsed, Parser, ParserInput
from pytest_batchgate.parsers.program import programs

PARSERS: Mapping[str, Parser] = {
    parser.name: parser
    for parser in (
        ruff.PARSER,
        flake8.PARSER,
        mypy.PARSER,
        ty.PARSER,
        bandit.PARSER,
        pip_audit.PARSER,
        sarif.PARSER,
        junit.PARSER,
        text.PARSER,
    )
}
"""The built-in parsers, by name."""

_BY_PROGRAM: Mapping[str, str] = {
    "ruff": "ruff",
    "flake8": "flake8",
    "mypy": "mypy",
    "dmypy": "mypy",
    "ty": "ty",
    "bandit": "bandit",
    "pip-audit": "pip-audit",
}
_MAX_NOTE = 500


def parser_for(
    argv: Sequence[str],
    shell: str | None,
    explicit: str | None,
    *,
    more: Mapping[str, Parser] | None = None,
) -> Parser | None:
    """The parser called ``explicit``, else that of the program which the command runs; None for others.

    ``more`` are parsers from hooks; they go before built-in ones of the same name,
    and before the program's own where a program is called like one of them.
    Raises ConfigError for an ``explicit`` that is not known.
    """
    known = {**PARSERS, **(more or {})}
    if explicit is not None:
        if explicit not in known:
            hint = did_you_mean(explicit, known) or f"Known are {', '.join(known)}"
            raise ConfigError(f"there is no parser {explicit!r}", todo=hint)
        return known[explicit]
    names = [name for name, _ in programs(argv, shell)]
    wanted = [name if name in (more or {}) else _BY_PROGRAM.get(name) for name in names]
    found = [known[name] for name in dict.fromkeys(wanted) if name is not None]
    if len(found) > 1:
        return _Several("+".join(parser.name for parser in found), tuple(found))
    return found[0] if found else None


def parse_output(parser: Parser | None, output: ParserInput) -> Parsed:
    """What ``parser`` and the report, if there is one, say.  Raises nothing.

    Findings of both, each once.  A fault of a parser becomes a note and changes
    nothing else; a verdict counts only where the command passed.
    """
    parts = []
    if parser is not None:
        parts.append(_tried(parser, output))
    if output.report is not None and (parser is None or parser.name not in {"sarif", "junit"}):
        start = output.report[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
        parts.append(_tried(PARSERS["junit" if start.startswith(b"<") else "sarif"], output))
    whole = _joined(parts)
    good_verdict = whole.verdict is not None and output.returncode == 0 and not whole.verdict[0].good
    return whole if good_verdict else replace(whole, verdict=None)


def _tried(parser: Parser, output: ParserInput) -> Parsed:
    try:
        parsed = parser.parse(output)
    except BaseException as error:  # noqa: BLE001 (a hook's parser may call sys.exit; the exit code rules)
        said = f"{type(error).__name__}: {error}"[:_MAX_NOTE]
        return Parsed(note=f"the parser {parser.name!r} failed on this output ({said})")
    if not isinstance(parsed, Parsed):
        return Parsed(note=f"the parser {parser.name!r} gave {type(parsed).__name__}, not Parsed")
    return parsed


def _joined(parts: Sequence[Parsed]) -> Parsed:
    if len(parts) == 1:
        return parts[0]
    findings = tuple(dict.fromkeys(finding for part in parts for finding in part.findings))
    return Parsed(
        findings=findings[:MAX_FINDINGS],
        verdict=next((part.verdict for part in parts if part.verdict is not None), None),
        more=sum(part.more for part in parts) + max(0, len(findings) - MAX_FINDINGS),
        note="; ".join(part.note for part in parts if part.note) or None,
    )


@dataclass(frozen=True, slots=True)
class _Several:
    """For a shell line that runs several tools: their formats do not meet."""

    name: str
    parsers: tuple[Parser, ...]

    def parse(self, output: ParserInput) -> Parsed:
        return _joined([_tried(parser, output) for parser in self.parsers])
