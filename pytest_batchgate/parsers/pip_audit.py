"""pip-audit: columns, markdown, json.  An audit that looked at nothing is a failure.

pip-audit passes when it could look up none of the packages (another index, no
network for its service, names that PyPI does not know).  JSON lists every
package, so that it can be judged; the tables list only what was found or
skipped, so that it is known only where the names are known from elsewhere: the
requirements files of its command, or pip-audit itself, which is part of the
environment that it looks at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from pytest_batchgate.core.model import GateState
from pytest_batchgate.parsers.base import Collector, ParserInput, ToolParser, Verdict
from pytest_batchgate.parsers.documents import Object, children, objects, text_of
from pytest_batchgate.parsers.lines import lines

NOTHING_AUDITED: Verdict = (GateState.FAILED, "nothing audited")

_CLEAN = re.compile(r"^No known vulnerabilities found")
_DRY = re.compile(r"Dry run: would have audited \d+ packages$")
_RULER = re.compile(r"^-+(?: -+)+$")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_REQUIREMENT = re.compile(r"^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?=$|[\[<>=!~;@ ])")
_SKIPPED_OPTIONS = (
    "--hash",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--no-",
    "--only-",
)
_MAX_REQUIREMENTS_BYTES = 1024 * 1024
_MANY_REQUIREMENTS = 10_000

Row = dict[str, str]  # by the headings of its table


def read(output: ParserInput, out: Collector) -> Verdict | None:
    audits = [document for document in objects(output.text) if isinstance(document.get("dependencies"), list)]
    for document in audits:
        _add_json(document, out)
    skipped: set[str] = set()
    clean = dry = False
    for line in lines(output.text):
        clean = clean or _CLEAN.match(line) is not None
        dry = dry or _DRY.search(line) is not None
    for row in rows(lines(output.text)):
        if "Skip Reason" in row:
            skipped.add(canonical(row["Name"]))
        elif row.get("ID"):
            _add(row["Name"], row.get("Version", ""), row["ID"], row.get("Fix Versions", ""), out)
    if output.returncode != 0 or out.findings:
        return None
    if audits:
        return None if any(_was_audited(item) for item in _all(audits)) else NOTHING_AUDITED
    if not clean:
        return None
    return NOTHING_AUDITED if dry or _all_skipped(skipped, output) else None


def rows(text: Iterator[str]) -> Iterator[Row]:
    """The rows of the tables in columns and in Markdown."""
    heading = ""
    names: list[str] = []
    edges: list[int] = []  # where columns begin; empty in Markdown
    for line in text:
        if line.startswith("--- | ---"):
            names, edges = _headings(_cells(heading)), []
        elif _RULER.match(line) and heading.startswith("Name "):
            edges = [match.start() for match in re.finditer(r"-+", line)]
            names = _headings(_sliced(heading, edges))
        elif not line or line.startswith("Name "):
            names = []
        elif names:
            cells = _sliced(line, edges) if edges else _cells(line)
            if len(cells) == len(names) and cells[0]:
                yield dict(zip(names, cells, strict=True))
        heading = line


def _headings(cells: list[str]) -> list[str]:
    """None of a table that is not pip-audit's."""
    return cells if cells[0] == "Name" else []


def _cells(line: str) -> list[str]:
    return [_LINK.sub(r"\1", cell).strip() for cell in line.split(" | ")]


def _sliced(line: str, edges: Sequence[int]) -> list[str]:
    return [line[start:end].strip() for start, end in zip(edges, [*edges[1:], None], strict=True)]


def _add_json(document: Object, out: Collector) -> None:
    for item in children(document, "dependencies"):
        for found in children(item, "vulns"):
            fixes = found.get("fix_versions")
            versions = [fix for fix in fixes if isinstance(fix, str)] if isinstance(fixes, list) else []
            _add(
                text_of(item, "name"),
                text_of(item, "version"),
                text_of(found, "id"),
                ",".join(versions),
                out,
            )


def _add(name: str, version: str, rule: str, fixes: str, out: Collector) -> None:
    fixed = f"fixed in {fixes}" if fixes else "no fix is known"
    out.add(f"{name} {version} has a known vulnerability, {fixed}", rule=rule)


def _all(audits: Sequence[Object]) -> Iterator[Object]:
    for document in audits:
        yield from children(document, "dependencies")


def _was_audited(item: Object) -> bool:
    return "skip_reason" not in item


def _all_skipped(skipped: set[str], output: ParserInput) -> bool:
    if "pip-audit" in skipped:  # PyPI has it: a service that has not knows nothing
        return True
    files = _requirement_files(output.argv)
    wanted: set[str] = set()
    for file in files:
        names = _required(os.path.join(output.folder, file))  # noqa: PTH118 (as the command would)
        if names is None:
            return False
        wanted |= names
    return bool(files) and wanted <= skipped


def _requirement_files(argv: Sequence[str]) -> list[str]:
    files = []
    for index, word in enumerate(argv):
        if word in {"-r", "--requirement"} and index + 1 < len(argv):
            files.append(argv[index + 1])
        elif word.startswith("--requirement="):
            files.append(word.partition("=")[2])
        elif word.startswith("-r") and not word.startswith("--") and len(word) > 2:
            files.append(word[2:])
    return files


def _required(path: str) -> set[str] | None:
    """The names that a requirements file asks for; None where this cannot be told without pip."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (see above)
            data = file.read(_MAX_REQUIREMENTS_BYTES + 1)
    except (OSError, ValueError):
        return None
    if len(data) > _MAX_REQUIREMENTS_BYTES:
        return None
    names: set[str] = set()
    text = data.decode("utf-8", "replace").replace("\\\r\n", " ").replace("\\\n", " ")
    for line in text.splitlines()[:_MANY_REQUIREMENTS]:
        words = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not words or words.startswith(_SKIPPED_OPTIONS):
            continue
        found = _REQUIREMENT.match(words)
        if found is None or ";" in words:  # a path, another file, a line for some machines only
            return None
        names.add(canonical(found[1]))
    return names


def canonical(name: str) -> str:
    """The name of a distribution as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


PARSER = ToolParser("pip-audit", read)
