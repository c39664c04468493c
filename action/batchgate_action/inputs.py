"""The inputs of the action, as `action.yml` hands them over: in the environment, never in a shell line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from batchgate_action.runner import ActionError

PREFIX = "BATCHGATE_INPUT_"
_DURATION = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,6})?)\s*(?P<unit>ms|s|m|h|)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_MOST_ANNOTATIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Checked.  ``fail_fast``: None as the configuration has it.  ``timeout_s``: None for no limit."""

    gates: str
    config: str
    profile: str
    workers: str
    fail_fast: bool | None
    benchmark: str  # "": none; "true": at the levels that the plugin chooses
    pytest_args: tuple[str, ...]
    install: str  # auto, never
    shard: str
    timeout_s: float | None
    fail_on: str  # failure, never
    report_dir: str  # "": a folder of the runner's
    summary: bool

    def arguments(self, report_dir: str) -> list[str]:
        """Of pytest.  The user's own come last."""
        named = {
            "--batch-select": self.gates,
            "--batch-config": self.config,
            "--batch-profile": self.profile,
            "--batch-workers": self.workers,
            "--batch-shard": self.shard,
        }
        arguments = ["--batch-gates", f"--batch-report-dir={report_dir}"]
        arguments += [f"{option}={value}" for option, value in named.items() if value]
        if self.fail_fast is not None:
            arguments.append("--batch-fail-fast" if self.fail_fast else "--no-batch-fail-fast")
        if self.benchmark == "true":
            arguments.append("--batch-benchmark")
        elif self.benchmark:
            arguments.append(f"--batch-benchmark={self.benchmark}")
        return [*arguments, *self.pytest_args]


def read_inputs(environ: Mapping[str, str]) -> Inputs:
    """Raises ActionError for the first one that is wrong."""

    def value(name: str) -> str:
        return environ.get(PREFIX + name.upper().replace("-", "_"), "").strip()

    def one_of(name: str, *words: str) -> str:
        given = value(name) or words[0]
        if given not in words:
            raise ActionError(f"the input {name} is {given!r}; it may be {' or '.join(words)}")
        return given

    try:
        pytest_args = tuple(shlex.split(value("pytest-args")))
    except ValueError as problem:
        raise ActionError(f"the input pytest-args cannot be split into words: {problem}") from None
    fail_fast = value("fail-fast")
    if fail_fast:
        one_of("fail-fast", "true", "false")
    one_of("cache", "auto", "read-only", "off")
    annotations = value("annotations") or "10"
    if not (re.fullmatch("[0-9]{1,2}", annotations) and int(annotations) <= _MOST_ANNOTATIONS):
        raise ActionError(f"the input annotations is {annotations!r}; it may be a number from 0 to 10")
    benchmark = value("benchmark")
    return Inputs(
        # a list may be written over several lines
        gates=",".join(filter(None, re.split(r"[\s,]+", value("gates")))),
        config=value("config"),
        profile=value("profile"),
        workers=value("workers"),
        fail_fast={"true": True, "false": False}.get(fail_fast),
        benchmark="" if benchmark == "false" else benchmark,
        pytest_args=pytest_args,
        install=one_of("install", "auto", "never"),
        shard=value("shard"),
        timeout_s=_seconds("timeout", value("timeout")),
        fail_on=one_of("fail-on", "failure", "never"),
        report_dir=value("report-dir"),
        summary=one_of("summary", "true", "false") == "true",
    )


def _seconds(name: str, text: str) -> float | None:
    if not text:
        return None
    found = _DURATION.fullmatch(text)
    seconds = float(found["number"]) * _UNITS_S[found["unit"]] if found else 0.0
    if seconds <= 0:
        raise ActionError(f"the input {name} is {text!r}; write it like 90s, 25m or 1h")
    return seconds
