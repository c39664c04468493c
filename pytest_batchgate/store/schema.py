"""The tables of the history, and how an older file is brought up to date."""

from __future__ import annotations

APPLICATION_ID = 0x62676174  # "bgat", in the file's header: tells our file from a stranger's

# One entry per version; ``PRAGMA user_version`` counts those that a file has had.
# Entries are only ever added: files of every earlier version are out there.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            run INTEGER PRIMARY KEY AUTOINCREMENT,
            run_id TEXT NOT NULL,
            started_unix_s REAL NOT NULL,
            wall_s REAL NOT NULL,
            workers INTEGER NOT NULL,
            verdict TEXT NOT NULL,
            exit_code INTEGER NOT NULL,
            narrowed INTEGER NOT NULL
        )""",
        """CREATE TABLE gates (
            run INTEGER NOT NULL,
            gate TEXT NOT NULL,
            kind TEXT NOT NULL,
            is_service INTEGER NOT NULL,
            state TEXT NOT NULL,
            wall_s REAL NOT NULL,
            work_s REAL NOT NULL,
            cpu_s REAL NOT NULL,
            peak_rss_bytes INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            tests INTEGER NOT NULL,
            counts TEXT NOT NULL,
            PRIMARY KEY (run, gate)
        ) WITHOUT ROWID""",
        # ``trusted``: every test of the file ran, and none failed
        """CREATE TABLE files (
            file TEXT PRIMARY KEY,
            tests INTEGER NOT NULL,
            work_s REAL NOT NULL,
            collect_s REAL NOT NULL,
            trusted INTEGER NOT NULL,
            run INTEGER NOT NULL
        ) WITHOUT ROWID""",
        # ``name`` is the node id, without the file where it begins with it
        """CREATE TABLE tests (
            file TEXT NOT NULL,
            name TEXT NOT NULL,
            duration_s REAL NOT NULL,
            outcome TEXT NOT NULL,
            run INTEGER NOT NULL,
            PRIMARY KEY (file, name)
        ) WITHOUT ROWID""",
    ),
    (
        # What is worth comparing runs by: tests that failed or were tried again, and the slowest.
        """CREATE TABLE noted (
            run INTEGER NOT NULL,
            file TEXT NOT NULL,
            name TEXT NOT NULL,
            gate TEXT NOT NULL,
            outcome TEXT NOT NULL,
            duration_s REAL NOT NULL,
            retries INTEGER NOT NULL,
            PRIMARY KEY (run, file, name)
        ) WITHOUT ROWID""",
    ),
)

INSERT_RUN = """INSERT INTO runs (run_id, started_unix_s, wall_s, workers, verdict, exit_code, narrowed)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""

INSERT_GATE = "INSERT OR REPLACE INTO gates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

INSERT_NOTED = "INSERT OR REPLACE INTO noted VALUES (?, ?, ?, ?, ?, ?, ?)"

# A sample that is not trusted (part of the file, or with failures) never displaces one that is.
UPSERT_FILE = """INSERT INTO files (file, tests, work_s, collect_s, trusted, run) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (file) DO UPDATE SET
        tests = excluded.tests,
        work_s = CASE WHEN files.trusted AND excluded.trusted
            THEN (files.work_s + excluded.work_s) / 2 ELSE excluded.work_s END,
        collect_s = CASE WHEN files.trusted AND excluded.trusted
            THEN (files.collect_s + excluded.collect_s) / 2 ELSE excluded.collect_s END,
        trusted = excluded.trusted,
        run = excluded.run
    WHERE excluded.trusted OR NOT files.trusted"""

UPSERT_TEST = """INSERT INTO tests (file, name, duration_s, outcome, run) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (file, name) DO UPDATE SET
        duration_s = excluded.duration_s, outcome = excluded.outcome, run = excluded.run"""

# Tests of a wholly recorded file that this run has not named are fast and good by now, or gone.
FORGET_TESTS = """DELETE FROM tests WHERE run < :run
    AND file IN (SELECT file FROM files WHERE run = :run AND trusted)"""
