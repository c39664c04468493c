"""What `--batch-benchmark` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_batchgate.bench.measured import Run
from pytest_batchgate.plugin.saying import Lines
from pytest_batchgate.report.benchmarkview import how, lines, verdict
from pytest_batchgate.report.words import duration, plural


class BenchView(Lines):
    """Lines as of the plain report; with ``-q`` the closing ones alone."""

    def begin(self, levels: Sequence[int], rounds: int, variants: Sequence[str]) -> None:
        if self.verbosity < 0:
            return
        more = f", each with {', '.join(variants)} beside it" if variants else ""
        told = ", ".join(map(how, levels))
        self.line(f"[{0.0:6.1f}s] benchmark: {told}{more}; {plural(rounds, 'round')}")

    def ran(self, at_s: float, number: int, workers: int, variant: str, run: Run) -> None:
        if self.verbosity < 0:
            return
        name = f" {variant}" if variant else ""
        bad = f"  failed: {', '.join(run.bad)}" if run.bad else ""
        self.line(
            f"[{at_s:6.1f}s] round {number + 1}  {how(workers)}{name}  {duration(run.wall_s)}{bad}",
            yellow=bool(bad),
        )

    def interrupted(self, signal: str) -> None:
        self.line(
            f"benchmark: interrupted by {signal}: not all was measured (exit code 2)", bold=True, yellow=True
        )

    def failed(self, what: str, log: Sequence[str], code: int) -> None:
        for text in log:
            self.line(f"  | {text}")
        self.line(f"benchmark: {what} (exit code {code})", bold=True, red=True)

    def close(self, told: Mapping[str, Any]) -> None:
        for kind, text in lines(told):
            self.line(text, bold=kind == "head", yellow=kind == "warning", red=kind == "bad")
        good = told["exit_code"] == 0
        self.line(verdict(told), bold=True, green=good, red=not good)
