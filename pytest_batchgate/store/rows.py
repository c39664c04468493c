"""The history's statements: a run into rows, rows into estimates and statistics."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pytest_batchgate.core.events import GateReport
from pytest_batchgate.core.model import Estimates
from pytest_batchgate.store import schema
from pytest_batchgate.store.record import GateSample, NotedTest, PastRun, RunRecord, TimedTest

if TYPE_CHECKING:
    import sqlite3  # History imports it when there is something to ask

KEPT_RUNS = 50
KEPT_FILES = 20_000
KEPT_TESTS = 200_000
_LONGEST_NAME = 2_000  # characters of a node id; a longer one only counts in its file's sum
_RECENT_PASSES = 5
_LONGEST_S = 1e9

# --- writing -------------------------------------------------------------------


def insert(db: sqlite3.Connection, run: RunRecord) -> None:
    result = run.result
    row = (run.run_id, run.started_unix_s, _seconds(result.wall_s), result.workers, result.verdict)
    number = db.execute(schema.INSERT_RUN, (*row, result.exit_code, run.narrowed)).lastrowid
    _many(db, schema.INSERT_GATE, [_gate_row(number, gate) for gate in result.gates])
    _many(
        db,
        schema.UPSERT_FILE,
        [
            (file, sample.tests, _seconds(sample.work_s), _seconds(sample.collect_s), sample.trusted, number)
            for file, sample in run.files.items()
        ],
    )
    _many(
        db,
        schema.UPSERT_TEST,
        [
            (test.file, _short(test.nodeid, test.file), _seconds(test.duration_s), test.outcome, number)
            for test in run.tests
            if len(test.nodeid) <= _LONGEST_NAME
        ],
    )
    _many(
        db,
        schema.INSERT_NOTED,
        [
            (
                number,
                test.file,
                _short(test.nodeid, test.file),
                *test[2:4],
                _seconds(test.duration_s),
                test.retries,
            )
            for test in run.noted
            if len(test.nodeid) <= _LONGEST_NAME
        ],
    )
    db.execute(schema.FORGET_TESTS, {"run": number})


def _short(nodeid: str, file: str) -> str:
    return nodeid.removeprefix(file)


def _nodeid(file: str, name: str) -> str:
    return file + name if name.startswith("::") else name


def _gate_row(run: int | None, gate: GateReport) -> tuple[object, ...]:
    return (
        run,
        gate.name,
        gate.kind,
        gate.is_service,
        gate.state.value,
        _seconds(gate.wall_s),
        _seconds(gate.work_s),
        _seconds(gate.cpu_s),
        min(gate.peak_rss_bytes, 2**63 - 1),
        gate.attempts,
        sum(gate.counts.values()),
        json.dumps(dict(gate.counts), separators=(",", ":")),
    )


def _seconds(value: float) -> float:
    """A duration that a table can hold: SQLite keeps NaN as NULL."""
    return min(max(value, 0.0), _LONGEST_S) if math.isfinite(value) else 0.0


def _many(db: sqlite3.Connection, statement: str, rows: list[tuple[object, ...]]) -> None:
    try:
        db.executemany(statement, rows)
    except UnicodeEncodeError:  # lone surrogates, from file names that are not UTF-8; rows before it repeat
        db.executemany(statement, [tuple(_encodable(value) for value in row) for row in rows])


def _encodable(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def prune(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM runs WHERE run <= (SELECT max(run) FROM runs) - ?", (KEPT_RUNS,))
    for table in ("gates", "noted"):
        db.execute(f"DELETE FROM {table} WHERE run < (SELECT min(run) FROM runs)")  # noqa: S608  # nosec B608 (our own names)
    for table, key, kept in (("files", "file", KEPT_FILES), ("tests", "file, name", KEPT_TESTS)):
        (rows,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  # nosec B608 (our own names)
        if rows > kept:
            oldest = f"SELECT {key} FROM {table} ORDER BY run, {key} LIMIT {rows - kept}"  # noqa: S608  # nosec B608
            db.execute(f"DELETE FROM {table} WHERE ({key}) IN ({oldest})")  # noqa: S608  # nosec B608


# --- reading -------------------------------------------------------------------


def read_estimates(db: sqlite3.Connection) -> Estimates:
    passes: dict[str, list[float]] = {}
    rows = db.execute(
        "SELECT gate, wall_s FROM gates WHERE kind = 'command' AND state = 'passed' AND NOT is_service"
        " ORDER BY run DESC"
    )
    for gate, wall_s in rows:
        walls = passes.setdefault(str(gate), [])
        if len(walls) < _RECENT_PASSES:
            walls.append(float(wall_s))
    # oldest first, so that the newest run has the last word
    counted = db.execute(
        "SELECT gate, tests, work_s FROM gates JOIN runs USING (run) WHERE kind = 'tests' AND NOT narrowed"
        " AND state IN ('passed', 'flaky', 'failed') ORDER BY run"
    ).fetchall()
    tests = {str(gate): int(count) for gate, count, _ in counted}
    work = {str(gate): float(work_s) for gate, _, work_s in counted}
    files: dict[str, float] = {}
    collects: dict[str, float] = {}
    for file, work_s, collect_s in db.execute("SELECT file, work_s, collect_s FROM files"):
        files[str(file)] = float(work_s)
        collects[str(file)] = float(collect_s)
    commands = {gate: _median(walls) for gate, walls in passes.items()}
    return Estimates(commands=commands, files=files, collects=collects, tests=tests, work=work)


def _median(values: Iterable[float]) -> float:
    """As `statistics.median`, whose import costs more than the whole history."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def read_slowest(db: sqlite3.Connection, limit: int) -> tuple[TimedTest, ...]:
    rows = db.execute(
        "SELECT file, name, duration_s, outcome FROM tests ORDER BY duration_s DESC LIMIT ?", (limit,)
    )
    return tuple(
        TimedTest(file, _nodeid(file, name), float(duration_s), outcome)
        for file, name, duration_s, outcome in rows
    )


def read_gates(db: sqlite3.Connection) -> tuple[GateSample, ...]:
    rows = db.execute(
        "SELECT run_id, started_unix_s, gate, kind, state, gates.wall_s, work_s, cpu_s, peak_rss_bytes,"
        " attempts, tests, counts FROM gates JOIN runs USING (run) ORDER BY run, gate"
    )
    return tuple(GateSample(*row[:-1])._replace(not_run=_not_run(row[-1])) for row in rows)


def _not_run(counts: str) -> int:
    told = json.loads(counts)
    return int(told.get("not_run", 0)) if isinstance(told, dict) else 0


def read_runs(db: sqlite3.Connection) -> tuple[PastRun, ...]:
    rows = db.execute(
        "SELECT run, run_id, started_unix_s, wall_s, workers, verdict, exit_code, narrowed"
        " FROM runs ORDER BY run"
    )
    return tuple(PastRun(*row)._replace(narrowed=bool(row[7])) for row in rows)


def read_noted(db: sqlite3.Connection) -> tuple[NotedTest, ...]:
    rows = db.execute(
        "SELECT file, name, gate, outcome, duration_s, retries, run FROM noted ORDER BY run, file, name"
    )
    return tuple(NotedTest(file, _nodeid(file, name), *rest) for file, name, *rest in rows)
