"""`--batch-verify`: run the tests in turn and in parallel, and say which differ, and why.

Every run is a process of its own: nothing that one leaves in memory can reach the next.
What to try is decided in `pytest_batchgate.bench`; here it is done, and told.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_batchgate.bench.compare import IN_PARALLEL, IN_TURN, OTHER_ORDER, Case, compare
from pytest_batchgate.bench.examine import examine
from pytest_batchgate.bench.observed import Observed, observed, other_order
from pytest_batchgate.bench.script import Script, script_of, to_json
from pytest_batchgate.bench.trial import Finding, Kind, Notes, Outcomes, Trial
from pytest_batchgate.core.model import Tests
from pytest_batchgate.errors import OptionError
from pytest_batchgate.plugin.children import Children, Interrupted
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.plugin.reporting import JOURNAL, ready_folder
from pytest_batchgate.plugin.verdict import FILE, Told, VerdictView, write_json
from pytest_batchgate.report.tail import tail

# A finding takes about five re-runs, one that needs its predecessor searched for about as many
# as the number of tests before it has binary digits.
RERUNS_OF_A_TEST = 30
RERUNS = 150

_ENDED_BADLY = frozenset({int(pytest.ExitCode.INTERNAL_ERROR), int(pytest.ExitCode.USAGE_ERROR)})


class _RunFailedError(Exception):
    """A run did not come to an end that could be compared.  ``code`` is for the whole verification."""

    def __init__(self, code: int, what: str, log: Path) -> None:
        super().__init__(what)
        self.code = code
        self.log = log


def verify(config: pytest.Config, launch: Launch) -> int:
    """Do it all; the exit code.  Raises OptionError for a report folder that cannot be written."""
    report_dir = launch.options.report_dir
    if report_dir is not None:
        report_dir = ready_folder(config.invocation_params.dir, report_dir, names=[FILE])
        (report_dir / FILE).unlink(
            missing_ok=True
        )  # one that is interrupted must not be judged by an earlier one
    try:
        with tempfile.TemporaryDirectory(prefix="batchgate-verify-", ignore_cleanup_errors=True) as folder:
            verification = Verification(config, launch, Path(folder))
            try:
                code = verification.run()
            finally:
                verification.children.close()
            if report_dir is not None:
                write_json(report_dir, verification.told(code))
    except OSError as problem:
        raise OptionError(
            f"files of its runs cannot be written: {problem}",
            where="--batch-verify",
            todo="See that TMPDIR and --batch-report-dir name folders with room",
        ) from None
    return code


class Verification:
    """One `--batch-verify`.  ``folder`` is ours, for scripts, events and logs of its runs."""

    def __init__(self, config: pytest.Config, launch: Launch, folder: Path) -> None:
        self.config = config
        self.launch = launch
        self.folder = folder
        self.began = time.monotonic()
        self.children = Children(
            Path(config.invocation_params.dir), run_id=launch.run_id, scratch=folder.absolute()
        )
        self.view = VerdictView(config)
        self.gates = tuple(str(gate.name) for gate in launch.plan.gates if isinstance(gate.work, Tests))
        self.workers = max(2, launch.slots)
        self.runs: dict[str, Observed] = {}
        self.findings: list[Finding] = []
        self.differing: tuple[Case, ...] = ()
        self.notes = Notes()
        self.reruns = 0
        self.stopped_by: str | None = None
        self._started = 0

    def told(self, code: int) -> Told:
        return Told(
            exit_code=code,
            workers=self.workers,
            runs=self.runs,
            findings=tuple(self.findings),
            differing=self.differing,
            reruns=self.reruns,
            stopped_by=self.stopped_by,
        )

    def run(self) -> int:
        if not self.gates:
            self.view.line("verify: no tests gates, and so nothing to compare (exit code 5)", bold=True)
            return int(pytest.ExitCode.NO_TESTS_COLLECTED)
        try:
            with self.children.heeding_signals():
                return self._compare()
        except Interrupted as signal:
            self.stopped_by = signal.name
            self.view.close(self.told(int(pytest.ExitCode.INTERRUPTED)))
            return int(pytest.ExitCode.INTERRUPTED)
        except _RunFailedError as failed:
            self.view.failed(str(failed), tail(str(failed.log), unicode=self.view.unicode), failed.code)
            return failed.code

    # --- the three runs -------------------------------------------------------------

    def _compare(self) -> int:
        self.view.begin(self.gates, self.workers)
        first = self._whole_run(IN_TURN)
        named = {str(gate.name) for gate in self.launch.plan.gates} & first.gates_named - first.gates
        if named:  # commands that only a marker asks for: without them it was not the run
            self.gates = (*self.gates, *sorted(named))
            first = self._whole_run(IN_TURN)
        if not first.tests:
            self.view.line("verify: no tests, and so nothing to compare (exit code 5)", bold=True)
            return int(pytest.ExitCode.NO_TESTS_COLLECTED)
        self._whole_run(IN_PARALLEL)
        self._whole_run(OTHER_ORDER)
        self.differing = compare(self.runs)
        self.notes.differing = frozenset(case.nodeid for case in self.differing)
        self._examine_all()
        code = int(pytest.ExitCode.TESTS_FAILED if self.differing else pytest.ExitCode.OK)
        self.view.close(self.told(code))
        return code

    def _whole_run(self, label: str) -> Observed:
        run = self.runs[label] = self._run_as(label)
        self.view.ran(self._now(), label, run)
        return run

    def _run_as(self, label: str) -> Observed:
        return self._play(
            Script(
                folder=str(self._new_folder()),
                gates=self.gates,
                workers=0 if label == IN_TURN else self.workers,
                order=other_order(self.runs[IN_TURN]) if label == OTHER_ORDER else (),
            ),
            label,
        )

    def _now(self) -> float:
        return time.monotonic() - self.began

    # --- re-runs ----------------------------------------------------------------------

    def _examine_all(self) -> None:
        if self.differing:
            self.view.examining(self._now(), len(self.differing))
        for case in _spread(self.differing):
            self.findings.append(self._examine(case))
            self.view.found(self._now(), self.findings[-1])

    def _examine(self, case: Case) -> Finding:
        questions = examine(case, self.runs, self.notes)
        most = min(self.reruns + RERUNS_OF_A_TEST, RERUNS)
        try:
            trial = next(questions)
            while self.reruns < most:
                self.reruns += 1
                outcomes = self._try(trial)
                self.view.tried(self._now(), trial, outcomes.get(case.nodeid))
                trial = questions.send(outcomes)
        except StopIteration as answer:
            finding: Finding = answer.value
            return finding
        questions.close()
        return Finding(case=case, kind=Kind.UNEXAMINED, spent=True)

    def _try(self, trial: Trial) -> Outcomes:
        if trial.again is not None:
            run = self._run_as(trial.again)
        else:
            run = self._play(
                script_of(trial, folder=str(self._new_folder()), gates=self.gates), f"a re-run ({trial.why})"
            )
        return {nodeid: test.outcome for nodeid, test in run.tests.items()}

    # --- one run ------------------------------------------------------------------------

    def _new_folder(self) -> Path:
        self._started += 1
        folder = self.folder / f"run-{self._started}"
        folder.mkdir()
        return folder

    def _play(self, script: Script, what: str) -> Observed:
        folder = Path(script.folder)
        path, log, journal = folder / "script.json", folder / "output.txt", folder / JOURNAL
        path.write_text(to_json(script), encoding="utf-8")
        self._lend_cache(folder)
        code = self.children.run(self._arguments(folder, path), log)
        if not journal.exists():
            raise _RunFailedError(code if code > 0 else 3, f"{what} did not come to its end", log)
        with journal.open("rb") as lines:
            run = observed(lines)
        if run.exit_code is None or code in _ENDED_BADLY:
            raise _RunFailedError(code if code > 0 else 3, f"{what} did not come to its end", log)
        if code == pytest.ExitCode.INTERRUPTED:
            raise _RunFailedError(code, f"{what} was interrupted or could not collect all tests", log)
        shutil.rmtree(folder, ignore_errors=True)
        return run

    def _arguments(self, folder: Path, script: Path) -> list[str]:
        """The user's own, and after them what keeps the runs apart."""
        typed = [str(arg) for arg in self.config.invocation_params.args]
        end = typed.index("--") if "--" in typed else len(typed)
        ours = [f"--batch-verify-run={script}", "--maxfail=0"]
        if self.config.pluginmanager.has_plugin("cacheprovider"):
            ours += ["-o", f"cache_dir={folder / 'cache'}"]
        if getattr(self.config.option, "xmlpath", None):  # the last re-run's would be taken for the whole
            ours.append(f"--junitxml={folder / 'junit.xml'}")
        return [*typed[:end], *ours, *typed[end:]]

    def _lend_cache(self, folder: Path) -> None:
        """What `--lf` and `--ff` go by.  The rest of a cache would carry over from run to run."""
        if self.config.pluginmanager.has_plugin("cacheprovider"):
            known = self.config.rootpath / str(self.config.getini("cache_dir")) / "v" / "cache"
            if known.is_dir():
                shutil.copytree(known, folder / "cache" / "v" / "cache", dirs_exist_ok=True)


def _spread(cases: Sequence[Case]) -> list[Case]:
    """One of each file first: tests of one file often differ for one reason."""
    counted: dict[str, int] = {}
    ranked: list[tuple[int, int, Case]] = []
    for place, case in enumerate(cases):
        file = case.nodeid.partition("::")[0]
        counted[file] = counted.get(file, 0) + 1
        ranked.append((counted[file], place, case))
    return [case for _, _, case in sorted(ranked, key=lambda entry: entry[:2])]
