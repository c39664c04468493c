"""The steps of the action that are ours: make ready, and run.  Those of its sub-actions are in `sharding`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from batchgate_action.inputs import Inputs, read_inputs
from batchgate_action.install import ensure_plugin
from batchgate_action.outcome import NOTHING_REPORTED, forget_reports, has_report, judged, outputs_of
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
from batchgate_action.running import Ended, hide, run
from batchgate_action.sharding import checked_plan_inputs, merge, plan

_MOST_SUMMARY = 128 * 1024  # characters of each; GitHub shows 1 MiB
_CODES = {2: "interrupted", 3: "an internal error", 4: "a usage or configuration error", 5: "nothing to run"}


def main(argv: Sequence[str]) -> int:
    """The exit code of the step."""
    hide()
    steps = {"prepare": prepare, "gates": gates, "plan": plan, "merge": merge, "tell": tell}
    try:
        inputs = read_inputs(os.environ)
        if os.environ.get("BATCHGATE_ACTION") == "plan":
            inputs = checked_plan_inputs(inputs)
        return steps[argv[0]](inputs)
    except ActionError as problem:
        annotate("error", str(problem))
    except OSError as problem:  # a folder that is full, or a file of the runner's that somebody took away
        annotate("error", f"the step {argv[0]} cannot go on: {problem}")
    except KeyboardInterrupt:  # the job is cancelled, and nothing runs that has something to report
        say("cancelled")
        return 130
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
            "shards-dir": str(places.shards_dir),
        }
    )
    return 0


def gates(inputs: Inputs) -> int:
    """Where the folders are, the step before has said."""
    folder = Path(os.environ["BATCHGATE_REPORT_DIR"])
    environ = without_files(os.environ)
    environ["BATCHGATE_STATE_DIR"] = state = os.environ["BATCHGATE_STATE_DIR"]
    environ["BATCHGATE_SUMMARY"] = "false"  # we append it, when nobody is left who could forge it
    forget_reports(folder)
    files = RunnersFiles(os.environ)
    argv = [sys.executable, "-m", "pytest", *inputs.arguments(str(folder))]
    ended = run(argv, environ, timeout_s=inputs.timeout_s, adopt=True)
    touched = files.put_back()
    if touched:
        annotate("warning", f"something wrote to {', '.join(touched)} while the gates ran; it was undone")
    ended = judged(ended, folder)
    outputs = outputs_of(ended, folder)
    outputs["has-history"] = "true" if (Path(state) / HISTORY).is_file() else "false"
    write_outputs(outputs)
    if inputs.benchmark and outputs["failed-gates"] != "[]":
        # its single runs say nothing to the runner: nobody wants each failure as often as there are runs
        annotate("error", f"required gates are not good in the benchmark: {outputs['failed-gates']}")
    if inputs.summary:
        measured = inputs.benchmark and has_report(folder)
        _append_pages(folder, ("summary.md", "benchmark.md") if measured else ("summary.md",))
    _tell(ended, folder, inputs)
    if inputs.fail_on == "never" and ended.cause != "cancelled":
        if outputs["result"] == "failure":
            say("fail-on is never: the step does not fail")
        return 0
    return ended.code or (1 if ended.cause is not None else 0)


def _append_pages(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        with suppress(FileNotFoundError):
            page = (folder / name).read_text(encoding="utf-8", errors="replace")[:_MOST_SUMMARY]
            if not append_summary(page if page.endswith("\n") else f"{page}\n"):
                say(f"{name} is left out: the job summary would be longer than the 1 MiB that GitHub shows")


def _tell(ended: Ended, folder: Path, inputs: Inputs) -> None:
    """What the plugin could not tell itself."""
    told = ["the input timeout is over: the gates were interrupted"] if ended.cause == "timeout" else []
    reported = has_report(folder)
    if ended.cause is None and not reported:
        told.append(_why_there_is_no_report(ended.code))
        if inputs.summary:
            append_summary(f"## \N{CROSS MARK} No verdict\n\n{told[-1]}\n")
    if reported:
        for text in told:
            annotate("error", text)
    elif told:  # a pytest that was killed, or exited by force, left the runner deaf to this step
        write_outputs({"told": json.dumps(told)})


def _why_there_is_no_report(code: int) -> str:
    if code == NOTHING_REPORTED:
        return (
            "pytest ended with exit code 0, and no gates were reported: does an argument or conftest end it?"
        )
    why = _CODES.get(code)
    text = f"pytest ended with exit code {code}" + (f" ({why})" if why else "")
    return f"{text} before it could report; the log says why"


def tell(_: Inputs) -> int:
    """What the step before would have said in vain."""
    for text in json.loads(os.environ["BATCHGATE_TOLD"]):
        annotate("error", text)
    return 0
