"""`--batch-benchmark`: whole runs at several numbers of workers, interleaved, and what they took.

Every run is a process of its own with a cache folder of its own, as with `--batch-verify`.  What
the numbers mean is decided in `pytest_batchgate.bench`; here they are measured, and told.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_batchgate import __version__
from pytest_batchgate.bench.baseline import OPTION as BASELINE
from pytest_batchgate.bench.baseline import Baseline, compare, read_baseline
from pytest_batchgate.bench.benchmark import IN_TURN, Measurement, document
from pytest_batchgate.bench.measured import Run, measured
from pytest_batchgate.bench.observed import observed
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import BatchGateError, OptionError
from pytest_batchgate.plugin.benchview import BenchView
from pytest_batchgate.plugin.children import Children, Interrupted
from pytest_batchgate.plugin.cpus import usable_cpus
from pytest_batchgate.plugin.gauge import Gauge
from pytest_batchgate.plugin.launch import Launch, prepare, settle
from pytest_batchgate.plugin.reporting import FILES, JOURNAL, clear, ready_folder
from pytest_batchgate.report.benchmarkview import markdown
from pytest_batchgate.report.jsonable import plain
from pytest_batchgate.report.tail import tail
from pytest_batchgate.store.files import write_atomically

JSON_FILE = "benchmark.json"
MARKDOWN_FILE = "benchmark.md"
PAGE_FILE = "report.html"
MAX_BASELINE_BYTES = 16 * 1024 * 1024

_COMPARABLE = frozenset({int(pytest.ExitCode.OK), int(pytest.ExitCode.TESTS_FAILED)})


class _RunFailedError(Exception):
    """A run that measured nothing.  ``code`` is for the whole benchmark."""

    def __init__(self, code: int, what: str, log: Path) -> None:
        super().__init__(what)
        self.code = code
        self.log = log


def benchmark(config: pytest.Config, launch: Launch) -> int:
    """Do it all; the exit code.  Raises OptionError and ConfigError for what cannot be measured."""
    from pytest_batchgate.plugin.benchoptions import refuse_stops

    options = launch.options.benchmark
    assert options is not None
    refuse_stops(launch.typed.given)
    baseline = _baseline(config, launch)
    subjects = _subjects(config, launch)
    report_dir = launch.options.report_dir
    if report_dir is not None:
        names = (*FILES, JSON_FILE, MARKDOWN_FILE)
        report_dir = ready_folder(config.invocation_params.dir, report_dir, names=names)
        _clear(report_dir, options.baseline)
    try:
        with tempfile.TemporaryDirectory(prefix="batchgate-benchmark-", ignore_cleanup_errors=True) as folder:
            bench = Benchmark(config, launch, Path(folder), subjects, report_dir)
            try:
                return bench.run(baseline)
            finally:
                bench.children.close()
    except OSError as problem:
        raise OptionError(
            f"files of its runs cannot be written: {problem}",
            where="--batch-benchmark",
            todo="See that TMPDIR and --batch-report-dir name folders with room",
        ) from None


def _clear(report_dir: Path, baseline: Path | None) -> None:
    """One that is interrupted must not be judged by an earlier one; a baseline is there to stay."""
    clear(report_dir)
    for name in (JSON_FILE, MARKDOWN_FILE):
        path = report_dir / name
        if baseline is None or not (path.exists() and baseline.exists() and path.samefile(baseline)):
            path.unlink(missing_ok=True)


def _baseline(config: pytest.Config, launch: Launch) -> Baseline | None:
    options = launch.options.benchmark
    assert options is not None
    if options.baseline is None:
        return None
    path = config.invocation_params.dir / options.baseline
    try:
        if not path.is_file():
            raise OptionError(
                f"there is no file {str(options.baseline)!r}",
                where=BASELINE,
                todo="Name the benchmark.json of an earlier --batch-benchmark",
            )
        if path.stat().st_size > MAX_BASELINE_BYTES:
            raise OptionError(f"{options.baseline} is no benchmark.json: it is too large", where=BASELINE)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as problem:
        words = getattr(problem, "strerror", None) or "it is no text"
        raise OptionError(
            f"{options.baseline} cannot be read: {words}", where=BASELINE, todo="Name another file"
        ) from None
    return read_baseline(text, str(options.baseline), options.asked(launch.slots))


@dataclass(slots=True, kw_only=True)
class Subject:
    """One configuration that is measured.  ``file``: as typed, None for the run's own."""

    name: str
    config: str | None
    file: Path | None = None
    runs: dict[int, list[Run]] = field(default_factory=dict)
    record: Path | None = None  # what its first run left for those after it


def _subjects(config: pytest.Config, launch: Launch) -> list[Subject]:
    """The run's own configuration, and the variants, each checked as a run would check it."""
    options = launch.options.benchmark
    assert options is not None
    subjects = [Subject(name="", config=launch.config.source)]
    for name, file in options.variants:
        try:
            other = prepare(config, replace(launch.options, config=file), launch.typed, launch.run_id)
            settled = settle(config, other)
        except BatchGateError as problem:
            raise type(problem)(
                f"{name}: {problem.what}", where=f"--batch-variant: {problem.where}", todo=problem.todo
            ) from None
        subjects.append(Subject(name=name, config=settled.config.source, file=file))
    return subjects


class Benchmark:
    """One `--batch-benchmark`.  ``folder`` is ours, for caches, events and logs of its runs."""

    def __init__(
        self,
        config: pytest.Config,
        launch: Launch,
        folder: Path,
        subjects: list[Subject],
        report_dir: Path | None,
    ) -> None:
        assert launch.options.benchmark is not None
        self.options = launch.options.benchmark
        self.config = config
        self.launch = launch
        self.folder = folder
        self.subjects = subjects
        self.report_dir = report_dir
        self.levels = self.options.workers(launch.slots)
        self.children = Children(
            Path(config.invocation_params.dir), run_id=launch.run_id, scratch=folder.absolute()
        )
        self.gauge = Gauge()
        self.view = BenchView(config)
        self._began = time.monotonic()
        self._started = 0

    def run(self, baseline: Baseline | None) -> int:
        self.view.begin(self.levels, self.options.rounds, [subject.name for subject in self.subjects[1:]])
        try:
            with self.children.heeding_signals():
                for number, subject, workers in self._order():
                    self._measure(number, subject, workers)
        except Interrupted as signal:
            self.view.interrupted(signal.name)
            return int(pytest.ExitCode.INTERRUPTED)
        except _RunFailedError as failed:
            self.view.failed(str(failed), tail(failed.log, unicode=self.view.unicode), failed.code)
            return failed.code
        return self._tell(baseline)

    def _order(self) -> Iterator[tuple[int, Subject, int]]:
        """Round by round, each beginning one level later.  In turn comes first of all: its record is
        what the others of that configuration share their work out by.
        """
        for number in range(self.options.rounds):
            turn = number % len(self.levels)
            for workers in (*self.levels[turn:], *self.levels[:turn]):
                for subject in self.subjects:
                    yield number, subject, workers

    # --- one run ----------------------------------------------------------------------

    def _measure(self, number: int, subject: Subject, workers: int) -> None:
        self._started += 1
        folder = self.folder / f"run-{self._started}"
        reports, cache, log = folder / "reports", folder / "cache", folder / "output.txt"
        reports.mkdir(parents=True)
        self._lend(subject, cache)
        arguments = self._arguments(subject, workers, folder)
        with self.gauge.measuring() as taken:
            code = self.children.run(arguments, log, begun=self.gauge.watch)
        what = f"the run {_how(workers)}{f' with {subject.name}' if subject.name else ''}"
        if code == pytest.ExitCode.NO_TESTS_COLLECTED:
            raise _RunFailedError(code, "there is nothing to run, and so nothing to measure", log)
        if code == pytest.ExitCode.INTERRUPTED:
            raise _RunFailedError(code, f"{what} was interrupted or could not collect all tests", log)
        journal = reports / JOURNAL
        if code not in _COMPARABLE or not journal.exists():
            raise _RunFailedError(code if code > 0 else 3, f"{what} did not come to its end", log)
        with journal.open("rb") as lines:
            seen = observed(lines)
        if seen.exit_code is None:
            raise _RunFailedError(3, f"{what} told no end", log)
        run = measured(seen, wall_s=taken.wall_s, cpu_s=taken.cpu_s, peak_rss_bytes=taken.peak_rss_bytes)
        earlier = next((known for each in subject.runs.values() for known in each), None)
        if earlier is not None and run.outcomes == earlier.outcomes:  # of 60,000 tests one copy is enough
            run = replace(run, outcomes=earlier.outcomes)
        subject.runs.setdefault(workers, []).append(run)
        self.view.ran(time.monotonic() - self._began, number, workers, subject.name, run)
        if subject.record is None and (cache / "batchgate").is_dir():
            subject.record = self.folder / f"record-{self._started}"
            (cache / "batchgate").rename(subject.record)
        if self._is_kept(number, subject, workers):
            self._keep_reports(reports)
        shutil.rmtree(folder, ignore_errors=True)

    def _is_kept(self, number: int, subject: Subject, workers: int) -> bool:
        """Whether its reports go to the user: the last run of the most workers."""
        last = number == self.options.rounds - 1
        return self.report_dir is not None and last and not subject.name and workers == self.levels[-1]

    def _keep_reports(self, reports: Path) -> None:
        assert self.report_dir is not None
        for path in reports.iterdir():
            if path.is_file():
                write_atomically(self.report_dir / path.name, path.read_bytes())

    def _arguments(self, subject: Subject, workers: int, folder: Path) -> list[str]:
        """The user's own, and after them what keeps the runs apart and makes them comparable."""
        typed = [str(arg) for arg in self.config.invocation_params.args]
        end = typed.index("--") if "--" in typed else len(typed)
        told = f"{0 if workers == IN_TURN else workers}{',reports' if self.report_dir is not None else ''}"
        ours = [
            f"--batch-benchmark-run={told}",
            f"--batch-report-dir={folder / 'reports'}",
            "--no-batch-fail-fast",
            "--maxfail=0",
        ]
        if subject.file is not None:
            ours.append(f"--batch-config={subject.file}")
        if self.config.pluginmanager.has_plugin("cacheprovider"):
            ours += ["-o", f"cache_dir={folder / 'cache'}"]
        if getattr(self.config.option, "xmlpath", None):  # the last run's would be taken for the whole
            ours.append(f"--junitxml={folder / 'junit.xml'}")
        return [*typed[:end], *ours, *typed[end:]]

    def _lend(self, subject: Subject, cache: Path) -> None:
        """What `--lf` and `--ff` go by, and durations: not the user's, but those of the first run here."""
        if not self.config.pluginmanager.has_plugin("cacheprovider"):
            return
        known = self.config.rootpath / str(self.config.getini("cache_dir")) / "v" / "cache"
        if known.is_dir():
            shutil.copytree(known, cache / "v" / "cache", dirs_exist_ok=True)
        if subject.record is not None:
            shutil.copytree(subject.record, cache / "batchgate", dirs_exist_ok=True)

    # --- the end ------------------------------------------------------------------------

    def _tell(self, baseline: Baseline | None) -> int:
        measurements = [
            Measurement(name=subject.name, config=subject.config, runs=subject.runs)
            for subject in self.subjects
        ]
        told = document(measurements, cpus=usable_cpus(), run_id=self.launch.run_id, machine=machine())
        if baseline is not None:
            assert self.options.baseline is not None
            told["baseline"] = {
                "file": str(self.options.baseline),
                "tolerance": self.options.tolerance,
                "outcomes_equal": baseline.outcomes_equal,
                "levels": [
                    {
                        "workers": one.workers,
                        "before_s": one.before_s,
                        "now_s": one.now_s,
                        "change": one.change,
                        "answer": one.answer,
                    }
                    for one in compare(baseline, told["levels"], self.options.tolerance)
                ],
            }
        told["exit_code"] = code = exit_code(told)
        if self.report_dir is not None:
            self._write(self.report_dir, told)
        self.view.close(told)
        return code

    def _write(self, folder: Path, told: Mapping[str, Any]) -> None:
        shown = plain(_rounded(told))
        write_atomically(folder / JSON_FILE, json.dumps(shown, indent=1, allow_nan=False) + "\n")
        write_atomically(folder / MARKDOWN_FILE, markdown(told))
        add_to_page(folder, shown)


def add_to_page(folder: Path, told: Mapping[str, Any]) -> None:
    """A chart into `report.html`, which the last run has left in ``folder``.  Raises OSError."""
    from pytest_batchgate.report.htmlpage import with_benchmark

    page = folder / PAGE_FILE
    write_atomically(page, with_benchmark(page.read_bytes(), told))


def exit_code(told: Mapping[str, Any]) -> int:
    """1 for a gate that failed, an outcome that differed from the run in turn, or a regression; else 0."""
    each = [told, *told["variants"]]
    worse = any(level["answer"] == "regression" for level in told.get("baseline", {}).get("levels", ()))
    bad = worse or any(one["failed_gates"] or not one["outcomes_equal"] for one in each)
    return int(pytest.ExitCode.TESTS_FAILED if bad else pytest.ExitCode.OK)


def machine() -> dict[str, Any]:
    """What bears on times, for whoever compares documents of two machines."""
    return {
        "python": platform.python_version(),
        "pytest": pytest.__version__,
        "pytest_batchgate": __version__,
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_count": os.cpu_count(),
    }


def _rounded(value: Any) -> Any:
    """Microseconds are enough for anybody."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return value


def _how(workers: int) -> str:
    return "in turn" if workers == IN_TURN else f"on {workers} workers"
