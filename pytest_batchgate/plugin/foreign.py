"""Options of other plugins that have no effect, or a false one, where workers run the tests.

Refused where they were typed: to ignore them in silence would be to answer another question.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping

import pytest

from pytest_batchgate.errors import OptionError

# By their attribute names.
_XDIST: Mapping[str, str] = {
    "numprocesses": "-n",
    "tx": "--tx",
    "dist": "--dist",
    "distload": "-d",
    "looponfail": "-f",
}
_BENCHMARK: Mapping[str, str] = {
    f"benchmark_{name.replace('-', '_')}": f"--benchmark-{name}"
    for name in (
        "only",
        "enable",
        "save",
        "autosave",
        "json",
        "compare",
        "compare-fail",
        "histogram",
        "cprofile",
    )
}


def refuse_options(namespace: Namespace, typed: Namespace, plain: str) -> None:
    """Raises OptionError.

    ``namespace``: all options; ``typed``: those of them that were typed; ``plain``: what to do instead.
    """
    for dest, flag in _XDIST.items():
        value = getattr(typed, dest, None)
        if (
            value is not None and value not in ("no", []) and value is not False
        ):  # 0 is a number of workers too
            raise OptionError(
                "the gates have their own workers", where=flag, todo="Use --batch-workers=N instead"
            )
    for dest, flag in _BENCHMARK.items():
        if getattr(typed, dest, None):
            raise OptionError(
                "nothing is measured beside other work: each benchmark runs once", where=flag, todo=plain
            )
    if getattr(namespace, "fail_on_flaky", False) and hasattr(namespace, "reruns"):
        # From addopts too: a run that passes because nobody looks is no answer.
        raise OptionError(
            "pytest-rerunfailures finds reruns of its own process alone",
            where="--fail-on-flaky",
            todo="Give the gate `retries` and `fail-on-flaky` instead",
        )


def notices_about(config: pytest.Config) -> list[str]:
    """What other plugins do differently in workers, and would not say."""
    option = config.option
    measures = not getattr(option, "benchmark_disable", True) and not getattr(option, "benchmark_skip", True)
    return ["pytest-benchmark measures nothing here: each benchmark runs once"] if measures else []
