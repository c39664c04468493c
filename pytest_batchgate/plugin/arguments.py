"""Paths and expressions of the command line, judged as pytest judges them, before anything starts."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from _pytest.main import resolve_collection_argument
from _pytest.mark import _parse_expression


def resolve_paths(config: pytest.Config) -> list[tuple[Path, tuple[str, ...]]]:
    """(path, names after ``::``) of each argument.  Raises UsageError for a path that does not exist."""
    parameters = inspect.signature(resolve_collection_argument).parameters  # they differ between versions
    options: dict[str, Any] = {"as_pypath": config.option.pyargs}
    if "consider_namespace_packages" in parameters:
        options["consider_namespace_packages"] = config.getini("consider_namespace_packages")
    resolved = []
    for number, arg in enumerate(config.args):
        place = (number,) if "arg_index" in parameters else ()
        found: Any = resolve_collection_argument(config.invocation_params.dir, arg, *place, **options)
        path, names = found[:2] if isinstance(found, tuple) else (found.path, found.parts)
        bracket = getattr(found, "parametrization", None)
        resolved.append((Path(path), (*names[:-1], names[-1] + (bracket or "")) if names else ()))
    return resolved


def check_expressions(keyword: str, markexpr: str) -> None:
    """Raises UsageError for a ``-k`` or ``-m`` that pytest cannot read."""
    for flag, text in (("-k", keyword), ("-m", markexpr)):
        if text.strip():
            _parse_expression(text.lstrip(), f"Wrong expression passed to '{flag}'")
