"""SARIF 2.1.0, from a report file or from what a tool printed (`--output-format sarif`)."""

from __future__ import annotations

import posixpath
from typing import Any

from pytest_batchgate.parsers.base import Collector, ParserInput, Severity, ToolParser, Verdict, unreadable
from pytest_batchgate.parsers.documents import Object, child, children, objects, text_of

_LEVELS: dict[str, Severity] = {"error": "error", "warning": "warning", "note": "note", "none": "note"}
_PASSING = frozenset({"pass", "notApplicable", "informational", "open"})


def read(output: ParserInput, out: Collector) -> Verdict | None:
    """The report if there is one, else the output.  A report that is none fails a gate that passed."""
    text = output.text if output.report is None else output.report.decode("utf-8-sig", "replace")
    understood = [add_document(document, out) for document in objects(text)]
    return None if output.report is None or any(understood) else unreadable(output, "SARIF")


def add_document(document: Object, out: Collector) -> bool:
    """Whether ``document`` is SARIF: a whole log, or a result of one that was cut off."""
    if isinstance(document.get("runs"), list):
        for run in children(document, "runs"):
            rules = children(run, "tool", "driver", "rules")
            for result in children(run, "results"):
                _add(result, rules, child(run, "originalUriBaseIds"), out)
        return True
    if "ruleId" in document and isinstance(document.get("message"), dict):
        _add(document, [], {}, out)
        return True
    return False


def _add(result: Object, rules: list[Object], bases: Object, out: Collector) -> None:
    if result.get("kind") in _PASSING or result.get("baselineState") == "absent" or _suppressed(result):
        return
    rule = _rule(result, rules)
    level = result.get("level", child(rule, "defaultConfiguration").get("level", "warning"))
    place = next(iter(children(result, "locations")), {})
    file = child(place, "physicalLocation", "artifactLocation")
    region = child(place, "physicalLocation", "region")
    message = child(result, "message")
    text = text_of(message, "text") or text_of(message, "markdown")
    text = text or text_of(child(rule, "messageStrings", text_of(message, "id")), "text")
    out.add(
        text or text_of(child(rule, "shortDescription"), "text"),
        path=_path(file, bases),
        line=region.get("startLine"),
        column=region.get("startColumn", 1 if "startLine" in region else None),
        rule=text_of(result, "ruleId") or text_of(child(result, "rule"), "id") or text_of(rule, "id"),
        severity=_LEVELS.get(level, "warning") if isinstance(level, str) else "warning",
    )


def _suppressed(result: Object) -> bool:
    given = children(result, "suppressions")
    return bool(given) and all(item.get("status", "accepted") == "accepted" for item in given)


def _rule(result: Object, rules: list[Object]) -> Object:
    index: Any = result.get("ruleIndex", child(result, "rule").get("index"))
    if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(rules):
        return rules[index]
    name = text_of(result, "ruleId")
    return next((rule for rule in rules if name and rule.get("id") == name), {})


def _path(file: Object, bases: Object) -> str:
    uri = text_of(file, "uri")
    base = text_of(child(bases, text_of(file, "uriBaseId")), "uri")
    if base.startswith("file:") and "://" not in uri and uri:
        return posixpath.join(base, uri)
    # A relative reference is percent-encoded as much as a whole URI.
    return _decoded(uri) if not uri.startswith("file:") else uri


def _decoded(uri: str) -> str:
    from urllib.parse import unquote

    return unquote(uri)


PARSER = ToolParser("sarif", read)
