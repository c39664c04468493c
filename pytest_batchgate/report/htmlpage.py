r"""The page of `report.html` around its document: one file that loads nothing and runs its own script alone.

Its content security policy names the script and the style by their hashes, so that nothing which a
test put into the document could run even if it became markup.  It cannot become markup: the document is
JSON with ``<`` as ``\u003c``, and the script shows texts as text only.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_batchgate.errors import BatchGateError
from pytest_batchgate.report.words import harmless

FOLDER = Path(__file__).with_name("page")
SCRIPTS = (
    "dom.js",
    "data.js",
    "parts.js",
    "graph.js",
    "timeline.js",
    "lanes.js",
    "failures.js",
    "tests.js",
    "chart.js",
    "main.js",
)
VERDICTS = {"passed": "Passed", "failed": "Failed", "interrupted": "Interrupted"}
_PLACE = re.compile(r"\{\{(\w+)\}\}")
_DATA = re.compile(rb'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def render_page(document: Mapping[str, Any] | None, *, benchmark: Mapping[str, Any] | None = None) -> bytes:
    """The whole page.

    ``document``: as `HtmlReport.document` gives it; None for a page with a benchmark alone.
    ``benchmark``: what `benchmark.json` holds, to be drawn as a chart.
    """
    shown = dict(document) if document is not None else {}
    if benchmark is not None:
        shown["benchmark"] = _readable(benchmark)
    script = "\n".join(['"use strict";', *(_read(name) for name in SCRIPTS)])
    style = _read("style.css")
    verdict = str(shown.get("verdict", ""))
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return _filled(
        {
            "policy": policy,
            "style": style,
            "script": script,
            "data": _as_data(shown),
            "state": html.escape(verdict or "none"),
            "verdict": html.escape(VERDICTS.get(verdict, "Benchmark" if benchmark else "Failed")),
            "why": html.escape(str(shown.get("why", "")) or "how long the gates take"),
            "about": html.escape(str(shown.get("about", ""))),
        }
    ).encode("utf-8", "backslashreplace")


def with_benchmark(page: bytes, benchmark: Mapping[str, Any]) -> bytes:
    """The page of a run, as `render_page` wrote it, with the chart of a benchmark in it.

    Raises BatchGateError if ``page`` is none of ours.
    """
    found = _DATA.search(page)
    try:
        document = json.loads(found[1]) if found else None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise BatchGateError("this page holds no run", where="report.html", todo="Let the run write it again")
    return render_page(document, benchmark=benchmark)


def _readable(value: Any) -> Any:
    """Every text in it harmless: advice names tests."""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, Mapping):
        return {key: _readable(entry) for key, entry in value.items()}
    return [_readable(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def _as_data(document: Mapping[str, Any]) -> str:
    """JSON in ASCII in which nothing can end the element that it stands in, or open a comment."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _filled(values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], _read("page.html"))


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
