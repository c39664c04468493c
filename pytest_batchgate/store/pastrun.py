"""Reads what `store.checkpoint` has written; only a run that is to continue another one does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from pytest_batchgate.core.carry import PastFile, PastGate, PastRun, PastTest
from pytest_batchgate.core.model import Finding, GateState
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.store.checkpoint import SCHEMA, Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A run that can be looked at again.  ``lines``: the file as far as it is whole.

    ``identity`` is None where the run ended before it was known.  ``last_s``: when the run was last heard
    of, in seconds since 1970; ``ended``: it came to its end then.
    """

    run: PastRun
    identity: Identity | None
    started_unix_s: float
    last_s: float
    ended: bool
    lines: bytes


def read_past(path: Path) -> Past | None:
    """The last run; None where there is none that could be read."""
    try:
        content = path.read_bytes()
        last_s = path.stat().st_mtime
    except OSError:
        return None
    content = content[: content.rfind(b"\n") + 1]
    reading = _Reading()
    try:
        for line in content.splitlines():
            reading.take(json.loads(line))
        return reading.past(content, last_s)
    except (ValueError, TypeError, KeyError, LookupError, AttributeError, RecursionError):
        return None


@dataclass(slots=True, eq=False)
class _Reading:
    """Folds lines; those of a run that continues another one come after the other's."""

    gates: dict[str, PastGate] = field(default_factory=dict)
    files: list[tuple[dict[str, Any], dict[int, PastTest]]] = field(default_factory=list)
    first: int = 0  # where the files of the latest run begin
    started_unix_s: float = 0.0
    identity: Identity | None = None
    ended: bool = False

    def take(self, line: dict[str, Any]) -> None:
        if "results" in line:
            found, results = self.files[self.first + line["of"]]
            for index, outcome, duration_s in line["results"]:
                tried = index in results and results[index].outcome is None
                results[index] = PastTest(found["gates"][index], str(outcome), float(duration_s), tried)
        elif "lost" in line or "tried" in line:
            found, results = self.files[self.first + line["of"]]
            index = line["lost"] if "lost" in line else line["tried"]
            results[index] = PastTest(found["gates"][index], None, 0.0)
        elif "file" in line:
            self.files.append((line, {}))
        elif "gate" in line:
            self.gates[line["gate"]] = PastGate(
                state=GateState(line["state"]),
                findings=tuple(Finding(**found) for found in line["findings"]),
                more_findings=line["more"],
                wrote_outputs=line["outputs"],
            )
        elif "identity" in line:
            self.identity = {
                str(kind): {str(name): str(value) for name, value in values.items()}
                for kind, values in line["identity"].items()
            }
        elif "ended" in line:
            self.ended = True
        elif line["schema"] == SCHEMA:
            self.first = len(self.files)
            self.started_unix_s = float(line["started_unix_s"])
            self.ended = False
        else:
            raise ValueError(line["schema"])

    def past(self, content: bytes, last_s: float) -> Past:
        return Past(
            run=PastRun(gates=self.gates, files=[_past_file(*found) for found in self.files]),
            identity=self.identity,
            started_unix_s=self.started_unix_s,
            last_s=last_s,
            ended=self.ended,
            lines=content,
        )


def _past_file(line: Mapping[str, Any], results: Mapping[int, PastTest]) -> PastFile:
    return PastFile(
        file=line["file"],
        nodeids=_texts(line["tests"]),
        gates=tuple(None if gate is None else str(gate) for gate in line["gates"]),
        deselected=_texts(line["deselected"]),
        errors=int(line["errors"]),
        results=results,
    )


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(map(str, values))
