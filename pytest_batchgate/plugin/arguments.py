"""Paths and expressions of the command line, judged as pytest judges them, before anything starts."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from _pytest.main import resolve_collection_argument

from pytest_batchgate.plugin.expressions import expression_problem


def check_paths(config: pytest.Config) -> None:
    """Raises UsageError for a path that does not exist."""
    parameters = inspect.signature(resolve_collection_argument).parameters  # they differ between versions
    options: dict[str, Any] = {"as_pypath": config.option.pyargs}
    if "consider_namespace_packages" in parameters:
        options["consider_namespace_packages"] = config.getini("consider_namespace_packages")
    for number, arg in enumerate(config.args):
        place = (number,) if "arg_index" in parameters else ()
        resolve_collection_argument(config.invocation_params.dir, arg, *place, **options)


def check_expressions(keyword: str, markexpr: str) -> None:
    """Raises UsageError for a ``-k`` or ``-m`` that pytest cannot read."""
    for flag, text in (("-k", keyword), ("-m", markexpr)):
        problem = expression_problem(text.strip()) if text.strip() else None
        if problem is not None:
            raise pytest.UsageError(f"Wrong expression passed to '{flag}': {text}: {problem}")
