"""`--batch-report-dir`: the folder, and who writes what into it."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from pytest_batchgate import __version__
from pytest_batchgate.core.bus import Bus, Subscriber
from pytest_batchgate.core.model import Command, Gate
from pytest_batchgate.errors import ConfigError, OptionError
from pytest_batchgate.parsers.program import programs
from pytest_batchgate.plugin.bridge import Bridge
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.plugin.telling import BridgeTeller
from pytest_batchgate.report.htmlreport import HtmlReport
from pytest_batchgate.report.journal import Journal
from pytest_batchgate.report.jsonreport import JsonReport
from pytest_batchgate.report.junit import JunitReport
from pytest_batchgate.report.sarif import SarifReport
from pytest_batchgate.report.settled import Settle, Settled
from pytest_batchgate.report.summary import Summary
from pytest_batchgate.report.trace import TraceReport
from pytest_batchgate.store.files import write_atomically

OPTION = "--batch-report-dir"
JOURNAL = "events.jsonl"
FILES = (JOURNAL, "junit.xml", "report.json", "report.html", "summary.md", "findings.sarif", "trace.json")
_FORMATS = frozenset({"text", "sarif", "junit"})  # parsers that are not called like a tool


def ready_folder(working: Path, folder: Path, *, names: Iterable[str] = FILES, option: str = OPTION) -> Path:
    """The folder, absolute, made where it is missing.  Raises OptionError if nothing can be written there.

    ``working``: what a relative one is relative to.  ``names``: of the files that will be written.
    """
    with contextlib.suppress(RuntimeError):  # a home that nobody knows: "~" is a folder's name then
        folder = folder.expanduser()
    folder = working / folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError):
        raise OptionError(f"{folder} is no folder", where=option, todo="Name another one") from None
    except OSError as problem:
        words = problem.strerror or str(problem)
        raise OptionError(
            f"nothing can be written to {folder}: {words}", where=option, todo="Name another one"
        ) from None
    for name in names:
        if (folder / name).is_dir():
            raise OptionError(
                f"{folder / name} is a folder, and a report is called so",
                where=option,
                todo="Remove it or name another place",
            )
    return folder


def clear(folder: Path) -> None:
    """Remove the reports of an earlier run."""
    for name in FILES:
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)
        for leftover in folder.glob(f".{name}.*.tmp"):  # of a run that was killed while it wrote
            with contextlib.suppress(OSError):
                leftover.unlink()


def subscribe_reports(bus: Bus, launch: Launch, bridge: Bridge, *, began: float, settle: Settle) -> None:
    """Write what `--batch-report-dir` asks for; `began` and `settle` as for `Reports`."""
    folder = launch.options.report_dir
    assert folder is not None
    reports = Reports(folder, launch, bridge, began=began, settle=settle)
    reports.subscribe(bus)
    bridge.config.add_cleanup(reports.close)


class Reports:
    """Every report of one run.

    ``began``: `time.monotonic` at the run's start.  ``settle``: as `Settled` has it.
    """

    def __init__(self, folder: Path, launch: Launch, bridge: Bridge, *, began: float, settle: Settle) -> None:
        self._folder = folder
        self._launch = launch
        self._settle = settle
        self._config = bridge.config
        self._epoch_s = time.time() - (time.monotonic() - began)
        self._teller = BridgeTeller(bridge, epoch_s=self._epoch_s)
        self._journal: BinaryIO | None = None
        self._junit: JunitReport | None = None

    def subscribe(self, bus: Bus) -> None:
        """Reports of an earlier run go first: a run that is killed must not be judged by them."""
        clear(self._folder)
        teller, run_id = self._teller, self._launch.run_id
        self._junit = JunitReport(self._writer("junit.xml"), teller, started_unix_s=self._epoch_s)
        subscribers: list[Subscriber] = [
            Journal(
                self._append, teller, run_id=run_id, started_unix_s=self._epoch_s, shard=self._about_shard()
            ),
            self._junit,
            JsonReport(self._writer("report.json"), run_id=run_id),
            SarifReport(
                self._writer("findings.sarif"),
                tool_of=tool_of,
                fallback=self._fallback(),
                version=__version__,
            ),
            TraceReport(self._writer("trace.json"), teller, run_id=run_id),
            # The last ones, for they tell the verdict.
            Settled(HtmlReport(self._writer("report.html"), teller, run_id=run_id), self._settle),
            Settled(Summary(self._writer("summary.md"), teller), self._settle),
        ]
        if any(gate.retries.count for gate in self._launch.plan.claims):
            from pytest_batchgate.report.attempts import Attempts

            subscribers[1:] = map(Attempts, subscribers[1:])  # the journal tells what happened, as it did
        for subscriber in subscribers:
            bus.subscribe(subscriber, owed=str(self._folder / subscriber.name))

    def _about_shard(self) -> dict[str, object] | None:
        if self._launch.share is None:
            return None
        from pytest_batchgate.plugin.sharding import about

        return about(self._launch, self._config, source=self._fallback())

    def close(self) -> None:
        """Idempotent."""
        if self._junit is not None:
            self._junit.close()
        journal, self._journal = self._journal, None
        if journal is not None:
            with contextlib.suppress(OSError):  # what was not written has been told
                journal.close()

    def _writer(self, name: str) -> Callable[[bytes], None]:
        path = self._folder / name
        return lambda content: write_atomically(path, content)

    def _append(self, line: bytes) -> None:
        if self._journal is None:
            self._journal = (self._folder / JOURNAL).open("wb")
        self._journal.write(line)
        self._journal.flush()

    def _fallback(self) -> str:
        """The configuration, as seen from the rootdir."""
        source = self._launch.config.source  # relative to the rootdir, if it lies inside
        return (
            source if source is not None and (self._launch.rootdir / source).is_file() else "pyproject.toml"
        )


def tool_of(gate: Gate) -> str | None:
    """The tool whose output is understood, by its own name; None for other commands."""
    from pytest_batchgate.parsers import parser_for

    work = gate.work
    if not isinstance(work, Command):
        return None
    named = next((name for name, _ in programs(work.argv, work.shell)), None)
    try:
        parser = parser_for(work.argv, work.shell, work.parser)
    except ConfigError:  # of a plugin
        return named
    if parser is None:
        return None
    return named if parser.name in _FORMATS else parser.name
