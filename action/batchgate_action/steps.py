"""The steps of the action that are ours: make ready, and run.  Those of its sub-actions are in `sharding`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from batchgate_action.inputs import Inputs, read_inputs
from batchgate_action.install import ensure_plugin
from batchgate_action.outcome import has_report, outputs_of
from batchgate_action.places import HISTORY, find_places
from batchgate_action.runner import (
    ActionError,
    RunnersFiles,
    annotate,
    append_summary,
    say,
    without_files,
    write_outputs,
)
from batchgate_action.running import Ended, run
from batchgate_action.sharding import checked_plan_inputs, merge, plan

_MOST_SUMMARY = 128 * 1024  # characters of each; GitHub shows 1 MiB
_CODES = {2: "interrupted", 3: "an internal error", 4: "a usage or configuration error", 5: "nothing to run"}


def main(argv: Sequence[str]) -> int:
    """The exit code of the step."""
    steps = {"prepare": prepare, "gates": gates, "plan": plan, "merge": merge}
    try:
        inputs = read_inputs(os.environ)
        if os.environ.get("BATCHGATE_ACTION") == "plan":
            inputs = checked_plan_inputs(inputs)
        return steps[argv[0]](inputs)
    except ActionError as problem:
        annotate("error", str(problem))
        return 1


def prepare(inputs: Inputs) -> int:
    places = find_places(inputs, os.environ, Path.cwd())
    ensure_plugin(Path(__file__).resolve().parents[2], inputs.install)
    write_outputs(
        {
            "report-dir": str(places.report_dir),
            "state-dir": str(places.state_dir),
            "history": str(places.state_dir / HISTORY),
            "cache-key": places.key,
            "cache-prefix": places.prefix,
            "shards-dir": str(places.report_dir.with_name(f"{places.report_dir.name}-shards")),
        }
    )
    return 0


def gates(inputs: Inputs) -> int:
    """Where the folders are, the step before has said."""
    folder = Path(os.environ["BATCHGATE_REPORT_DIR"])
    environ = without_files(os.environ)
    environ["BATCHGATE_STATE_DIR"] = state = os.environ["BATCHGATE_STATE_DIR"]
    files = RunnersFiles(os.environ)
    argv = [sys.executable, "-m", "pytest", *inputs.arguments(str(folder))]
    ended = run(argv, environ, timeout_s=inputs.timeout_s)
    touched = files.put_back()
    if touched:
        annotate("warning", f"something wrote to {', '.join(touched)} while the gates ran; it was undone")
    outputs = outputs_of(ended, folder)
    outputs["has-history"] = "true" if (Path(state) / HISTORY).is_file() else "false"
    write_outputs(outputs)
    _tell(ended, folder)
    if inputs.benchmark:
        _tell_benchmark(inputs, folder, outputs)
    if inputs.fail_on == "never" and ended.cause != "cancelled":
        if outputs["result"] == "failure":
            say("fail-on is never: the step does not fail")
        return 0
    return ended.code or (1 if ended.cause is not None else 0)


def _tell_benchmark(inputs: Inputs, folder: Path, outputs: Mapping[str, str]) -> None:
    """Its single runs say nothing to the runner: nobody wants each failure as often as there are runs."""
    if outputs["failed-gates"] != "[]":
        annotate("error", f"required gates are not good in the benchmark: {outputs['failed-gates']}")
    if inputs.summary:
        for name in ("summary.md", "benchmark.md"):
            with suppress(OSError):
                append_summary((folder / name).read_text(encoding="utf-8")[:_MOST_SUMMARY] + "\n")


def _tell(ended: Ended, folder: Path) -> None:
    """What the plugin could not tell itself."""
    if ended.cause == "timeout":
        annotate("error", "the input timeout is over: the gates were interrupted")
    if ended.code == 0 or ended.cause is not None or has_report(folder):
        return
    why = _CODES.get(ended.code)
    text = f"pytest ended with exit code {ended.code}" + (f" ({why})" if why else "")
    annotate("error", f"{text} before it could report; the log says why")
    append_summary(f"## \N{CROSS MARK} No verdict\n\n{text} before it could report; the log says why.\n")
