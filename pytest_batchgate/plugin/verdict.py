"""What `--batch-verify` prints, and `verify.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_batchgate.bench.advice import Advice, Line, advise, names_of_shared
from pytest_batchgate.bench.compare import ABSENT, IN_TURN, LABELS, OTHER_ORDER, Case
from pytest_batchgate.bench.observed import WITHHELD, Observed, is_bad
from pytest_batchgate.bench.trial import Finding, Kind, Trial
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.plugin.saying import Lines
from pytest_batchgate.report.jsonable import rendered
from pytest_batchgate.report.table import columns
from pytest_batchgate.report.words import counts, duration, harmless, plural
from pytest_batchgate.store.files import write_atomically

SCHEMA = 1
FILE = "verify.json"
_SHOWN_ALIKE = 10  # tests of one kind that nothing is to be said of but their names
_SHOWN_AS = {WITHHELD: "not run", ABSENT: "-"}
_NAMED_BRIEFLY = frozenset({Kind.FOLLOWS, Kind.NOT_ALWAYS_THERE, Kind.UNEXAMINED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """All that a verification found.  ``differing`` may be more than what was examined."""

    exit_code: int
    workers: int
    runs: Mapping[str, Observed]
    findings: tuple[Finding, ...]
    differing: tuple[Case, ...]
    reruns: int
    stopped_by: str | None = None

    @property
    def tests(self) -> int:
        return len({name for run in self.runs.values() for name in run.tests})

    def advices(self) -> list[Advice]:
        """Of each finding, in the order of the findings."""
        shared = names_of_shared(self.findings)
        gates = {name: ran.gate for run in self.runs.values() for name, ran in run.tests.items()}
        return [advise(found, shared=shared, gates=gates, runs=self.runs) for found in self.findings]


class VerdictView(Lines):
    """Lines as of the plain report; with ``-q`` the closing ones alone, with ``-v`` every re-run."""

    def _at(self, at_s: float, text: str, **markup: bool) -> None:
        if self.verbosity >= 0:
            self.line(f"[{at_s:5.1f}s] {text}", **markup)

    # --- meanwhile ------------------------------------------------------------------

    def begin(self, gates: Sequence[str], workers: int) -> None:
        how = f"in turn, in parallel on {workers} workers, and so again in another order"
        self._at(0.0, f"verify: the tests of {', '.join(gates)}: {how}")

    def ran(self, at_s: float, label: str, run: Observed) -> None:
        told = counts(Counter(_word(test.outcome) for test in run.tests.values()))
        withheld = sum(test.outcome == WITHHELD for test in run.tests.values())
        told += f"{', ' if told else ''}{withheld:,} not run" if withheld else ""
        self._at(at_s, f"{label:{max(map(len, LABELS))}}  {duration(run.wall_s):>6}  {told or 'no tests'}")
        if label == IN_TURN:
            for name, state in run.troubles.items():
                self._at(at_s, f"note: {name}, which tests need, {state}", yellow=True)

    def examining(self, at_s: float, count: int) -> None:
        words = "differs; it is" if count == 1 else "differ; they are"
        self._at(at_s, f"{plural(count, 'test')} {words} run again alone, and with the tests they met")

    def tried(self, at_s: float, trial: Trial, outcome: str | None) -> None:
        if self.verbosity > 0:
            self._at(at_s, f"  {trial.why}: {_SHOWN_AS.get(outcome or ABSENT, outcome)}")

    def found(self, at_s: float, finding: Finding) -> None:
        self._at(at_s, f"{finding.case.nodeid}: {finding.kind.value}", yellow=True)

    # --- at the end -----------------------------------------------------------------

    def failed(self, what: str, log: Sequence[str], code: int) -> None:
        for text in log:
            self.line(f"  | {text}")
        self.line(f"verify: {what} (exit code {code})", bold=True, red=True)

    def close(self, told: Told) -> None:
        if told.findings:
            self._table(told)
            self._details(told)
        if self.verbosity >= 0:
            self.line("")
        if told.stopped_by is not None:
            text = f"verify: interrupted by {told.stopped_by}: not all is known (exit code {told.exit_code})"
            self.line(text, bold=True, yellow=True)
            return
        differing = len(told.differing)
        if not differing:
            self.line(
                f"verify: {plural(told.tests, 'test')} ended alike in all runs{_alike_bad(told)}",
                bold=True,
                green=True,
            )
            return
        text = f"verify: {differing:,} of {plural(told.tests, 'test')} did not end alike in all runs"
        text += f" (exit code {told.exit_code}); {plural(told.reruns, 're-run')}"
        if any(found.spent for found in told.findings):
            text += ", which is all that are allowed"
        self.line(text, bold=True, red=True)

    def _table(self, told: Told) -> None:
        rows: list[tuple[str, ...]] = [("test", *LABELS, "differs")]
        for found in told.findings:
            outcomes = [
                _SHOWN_AS.get(word, word) for word in (found.case.outcomes[label] for label in LABELS)
            ]
            rows.append((found.case.nodeid, *outcomes, found.kind.value))
        safe = [tuple(harmless(cell, unicode=self.unicode) for cell in row) for row in rows]
        self.line("")
        # Ids are what must be found again: never cut.
        head, *lines = columns(safe, align="<<<<<", width=10_000)
        self.line(head, bold=True)
        for line in lines:
            self.line(line)

    def _details(self, told: Told) -> None:
        brief: Counter[Kind] = Counter()
        for found, advice in zip(told.findings, told.advices(), strict=True):
            if found.kind in _NAMED_BRIEFLY:
                brief[found.kind] += 1
                if brief[found.kind] > _SHOWN_ALIKE:
                    continue
            self.line("")
            self.line(advice.head, bold=True)
            for text in advice.seen:
                self.line(f"  {text}")
            for place, line in enumerate(advice.lines):
                word = "to mend it:" if not place else "or" if line.instead else "and"
                self.line(f"  {word} {_mend(line, found)}", green=True)
            if advice.remark:
                self.line(f"  {advice.remark}")
        for kind, number in brief.items():
            if number > _SHOWN_ALIKE:
                self.line("")
                self.line(f"and {number - _SHOWN_ALIKE:,} more: {kind.value}")


def _mend(line: Line, found: Finding) -> str:
    where = " and ".join(line.on)
    text = f"{line.text} in the gates {where}" if line.kind == "key" else f"{line.text} on {where}"
    return text + (" (tried: it helps)" if found.tried and not line.instead else "")


def _alike_bad(told: Told) -> str:
    bad = sum(is_bad(test.outcome) for test in told.runs[IN_TURN].tests.values())
    return f"; {bad:,} failed in each" if bad else ""


def _word(outcome: str) -> str:
    return "skipped" if outcome == WITHHELD else outcome


def write_json(folder: Path, told: Told) -> None:
    """`verify.json` of the report folder.  Raises OSError."""
    document = {
        "schema": SCHEMA,
        "equal": not told.differing and told.stopped_by is None and told.exit_code == 0,
        "exit_code": told.exit_code,
        "stopped_by": told.stopped_by,
        "workers": told.workers,
        "tests": told.tests,
        "reruns": told.reruns,
        "runs": [_run(label, run, told.workers) for label, run in told.runs.items()],
        "findings": [
            _finding(found, advice) for found, advice in zip(told.findings, told.advices(), strict=True)
        ],
    }
    write_atomically(folder / FILE, rendered(document) + "\n")


def _run(label: str, run: Observed, workers: int) -> dict[str, Any]:
    return {
        "run": label,
        "workers": 0 if label == IN_TURN else workers,
        "reordered": label == OTHER_ORDER,
        "wall_s": round(run.wall_s, 6),
        "counts": Counter(test.outcome for test in run.tests.values()),
    }


def _finding(found: Finding, advice: Advice) -> dict[str, Any]:
    return {
        "nodeid": found.case.nodeid,
        "gate": found.case.gate,
        "kind": found.kind.value,
        "outcomes": found.case.outcomes,
        "partners": found.partners,
        "alone": found.alone,
        "together": found.together,
        "tried": found.tried,
        "mend": [{"kind": line.kind, "line": line.text, "on": line.on} for line in advice.lines],
        "remark": advice.remark,
    }
