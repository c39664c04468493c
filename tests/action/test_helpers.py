"""The action's helpers, part by part."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from batchgate_action.inputs import Inputs, read_inputs
from batchgate_action.outcome import forget_reports, has_report, judged, outputs_of
from batchgate_action.places import find_places
from batchgate_action.runner import ActionError, RunnersFiles, annotate, without_files, write_outputs
from batchgate_action.running import Ended, run
from hypothesis import given
from hypothesis import strategies as st
from runner_model import Runner


def given_inputs(**given: str) -> Inputs:
    return read_inputs({f"BATCHGATE_INPUT_{name.upper()}": value for name, value in given.items()})


def test_without_inputs_all_gates_run() -> None:
    assert given_inputs().arguments("/r") == ["--batch-gates", "--batch-report-dir=/r"]


def test_inputs_become_arguments_and_the_users_own_come_last() -> None:
    inputs = given_inputs(
        gates="lint,\n tag:fast",
        config="a b.yaml",
        profile="ci",
        workers="auto",
        fail_fast="false",
        benchmark="1,2",
        shard="1/2",
        pytest_args="-k 'a or b' --x=\"$HOME `id` $(id)\" '*'\n-q",
    )
    assert inputs.arguments("/r")[2:] == [
        "--batch-select=lint,tag:fast",
        "--batch-config=a b.yaml",
        "--batch-profile=ci",
        "--batch-workers=auto",
        "--batch-shard=1/2",
        "--no-batch-fail-fast",
        "--batch-benchmark=1,2",
        *("-k", "a or b", "--x=$HOME `id` $(id)", "*", "-q"),
    ]
    assert given_inputs(benchmark="true", fail_fast="true").arguments("/r")[2:] == [
        "--batch-fail-fast",
        "--batch-benchmark",
    ]
    assert len(given_inputs(benchmark="false").arguments("/r")) == 2


@pytest.mark.parametrize(
    ("text", "seconds"), [("", None), ("90", 90.0), ("500ms", 0.5), ("25m", 1500.0), ("1.5h", 5400.0)]
)
def test_a_timeout(text: str, seconds: float | None) -> None:
    assert given_inputs(timeout=text).timeout_s == seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pytest_args", "-k 'a"),
        ("timeout", "soon"),
        ("timeout", "0s"),
        ("fail_on", "warning"),
        ("install", "yes"),
        ("cache", "on"),
        ("fail_fast", "1"),
        ("summary", "no"),
        ("annotations", "11"),
        ("annotations", "-1"),
    ],
)
def test_an_input_that_is_wrong_is_named(name: str, value: str) -> None:
    with pytest.raises(ActionError, match=f"the input {name.replace('_', '-')} "):
        given_inputs(**{name: value})


def test_what_is_stored_belongs_to_runs_of_a_kind(tmp_path: Path) -> None:
    """Another profile has another name; each run, job and shard has a key of its own."""
    environ = {"RUNNER_TEMP": str(tmp_path), "RUNNER_OS": "Linux", "GITHUB_JOB": "a", "GITHUB_RUN_ID": "7"}
    first = find_places(given_inputs(), environ, tmp_path)
    again = find_places(given_inputs(), {**environ, "GITHUB_RUN_ID": "8"}, tmp_path)
    shard = find_places(given_inputs(shard="1/2"), environ, tmp_path)
    other = find_places(given_inputs(profile="ci"), environ, tmp_path)
    assert (first.prefix, first.state_dir) == (again.prefix, again.state_dir)
    assert len({first.key, again.key, shard.key, other.key}) == 4
    assert first.key.startswith(f"{first.prefix}7-1-")
    assert (shard.prefix, shard.state_dir) == (first.prefix, first.state_dir)
    assert other.prefix != first.prefix
    assert len(other.key) <= 512
    assert first.report_dir != again.report_dir
    assert not any(part.startswith(".") for part in first.report_dir.relative_to(tmp_path).parts)
    named = find_places(given_inputs(report_dir="a/../b"), environ, tmp_path)
    assert named.report_dir == tmp_path / "b"
    (tmp_path / "file").touch()
    with pytest.raises(ActionError, match="report-dir"):
        find_places(given_inputs(report_dir="file"), environ, tmp_path)


# --- the runner ---------------------------------------------------------------------------


@given(st.dictionaries(st.sampled_from(["result", "gates"]), st.text(st.characters(exclude_characters="\r"))))
def test_an_output_holds_whatever_is_in_it(outputs: dict[str, str]) -> None:
    """As the runner reads them back: NAME<<WORD, lines, WORD.  A lone surrogate shows as its code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "output"
        write_outputs(outputs, {"GITHUB_OUTPUT": str(path)})
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    found = {}
    while lines and lines[0]:
        name, _, word = lines.pop(0).partition("<<")
        end = lines.index(word)
        found[name] = "\n".join(lines[:end])
        del lines[: end + 1]
    assert found == {
        name: text.encode("utf-8", "backslashreplace").decode() for name, text in outputs.items()
    }


def test_an_annotation_is_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    annotate("error", "100%\r\n::warning::x")
    (act,) = Runner().read(capsys.readouterr().out).acts
    assert (act.name, act.data) == ("error", "100%\r\n::warning::x")


def test_what_somebody_wrote_for_later_steps_is_undone(tmp_path: Path) -> None:
    paths = {name: tmp_path / name for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH")}
    for path in paths.values():
        path.write_text("before\n")
    environ = {name: str(path) for name, path in paths.items()}
    files = RunnersFiles(environ)
    with paths["GITHUB_ENV"].open("a") as file:
        file.write("PATH=/evil\n")
    paths["GITHUB_OUTPUT"].unlink()
    paths["GITHUB_PATH"].unlink()
    (tmp_path / "elsewhere").write_text("before\n")
    paths["GITHUB_PATH"].symlink_to(tmp_path / "elsewhere")
    assert sorted(files.put_back()) == sorted(paths)
    assert {path.read_text() for path in paths.values()} == {"before\n"}
    assert not paths["GITHUB_PATH"].is_symlink()
    paths["GITHUB_ENV"].write_text("after.\n")
    assert files.put_back() == ["GITHUB_ENV"]
    assert files.put_back() == []
    assert without_files({**environ, "BATCHGATE_INPUT_X": "1", "ACTIONS_X": "1", "GITHUB_SHA": "2"}) == {
        "GITHUB_SHA": "2"
    }


# --- outputs ------------------------------------------------------------------------------


NUMBERS = ("duration", "sequential-duration", "speedup")


def ended(code: int, cause: str | None = None) -> Ended:
    return Ended(code=code, cause=cause, took_s=1.5)


def gate(name: str, state: str, **more: object) -> dict[str, object]:
    return {"name": name, "state": state, "required": True, "counts": {}, **more}


def test_outputs_of_a_run(tmp_path: Path) -> None:
    gates = [
        gate("lint", "failed"),
        gate("unit", "flaky", counts={"passed": 3, "failed": 1, "error": 1, "skipped": 2}),
        gate("more", "passed", counts={"passed": 4}),
        gate("docs", "failed", required=False),
    ]
    report = {"gates": gates, "wall_s": 2.0, "schedule": {"work_s": 3.0}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    (tmp_path / "junit.xml").touch()
    found = outputs_of(ended(1), tmp_path)
    assert found["failed-gates"] == '["lint"]'
    assert found["gates"] == '{"lint":"failed","unit":"flaky","more":"passed","docs":"failed"}'
    assert [found[name] for name in ("result", "passed", "failed", "skipped")] == ["failure", "7", "2", "2"]
    assert [found[name] for name in ("duration", "sequential-duration", "speedup")] == [
        "2.00",
        "3.00",
        "1.50",
    ]
    assert (found["junit-path"], found["html-path"]) == (str(tmp_path / "junit.xml"), "")
    levels = [{"workers": 1, "wall_s": 8.0}, {"workers": 4, "wall_s": 2.5}]
    (tmp_path / "benchmark.json").write_text(json.dumps({"levels": levels}))
    found = outputs_of(ended(0), tmp_path)
    assert [found[name] for name in ("duration", "sequential-duration", "speedup")] == [
        "2.50",
        "8.00",
        "3.20",
    ]


@pytest.mark.parametrize("text", [None, "", "[]", '{"gates": 1}', '{"gates": [1]}', "{"])
def test_outputs_of_a_run_that_could_not_report(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    found = outputs_of(ended(4), tmp_path)
    assert [found[name] for name in ("result", "gates", "failed-gates", "passed")] == [
        "failure",
        "{}",
        "[]",
        "0",
    ]
    assert not has_report(tmp_path) or text == '{"gates": [1]}'


RESULTS = [
    (0, None, "success"),
    (1, None, "failure"),
    (5, None, "failure"),
    (0, "timeout", "failure"),
    (2, "cancelled", "cancelled"),
]


@pytest.mark.parametrize(("code", "cause", "result"), RESULTS)
def test_the_result(tmp_path: Path, code: int, cause: str | None, result: str) -> None:
    assert outputs_of(ended(code, cause), tmp_path)["result"] == result


def test_a_run_that_shows_nothing_is_no_success_and_an_earlier_one_does_not_count(tmp_path: Path) -> None:
    """Whatever its exit code: an argument like `--version`, a conftest that exits, a report of yesterday."""
    for code in (0, 4):
        report = tmp_path / "report.json"
        report.write_text(json.dumps({"gates": [gate("lint", "passed")]}))
        assert judged(ended(code), tmp_path).code == code
        report.write_text(json.dumps({"gates": [gate("lint", "failed")]}))
        assert judged(ended(code), tmp_path).code == (code or 1)
        (tmp_path / "junit.xml").symlink_to(tmp_path / "nowhere")
        baseline = tmp_path / "benchmark.json"
        baseline.write_text(json.dumps({"levels": [{"workers": 1, "wall_s": 7.0}]}))
        os.utime(baseline, (1, 1))
        assert outputs_of(ended(code), tmp_path)["duration"] == "0.00"
        forget_reports(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["benchmark.json"]
        nothing = judged(ended(code), tmp_path)
        assert (nothing.code, outputs_of(nothing, tmp_path)["result"]) == (code or 70, "failure")
        assert outputs_of(nothing, tmp_path)["duration"] == "1.50"


def test_shards_are_joined_from_a_folder_that_nothing_else_is_in(tmp_path: Path) -> None:
    environ = {"RUNNER_TEMP": str(tmp_path / "temp")}
    (tmp_path / "reports-shards").mkdir()
    places = find_places(given_inputs(report_dir="reports"), environ, tmp_path)
    assert (places.report_dir, places.shards_dir.exists()) == (tmp_path / "reports", False)
    assert places.shards_dir.parent == tmp_path / "temp"


# --- processes ----------------------------------------------------------------------------


@pytest.mark.integration
def test_a_program_is_interrupted_when_its_time_is_up_and_killed_if_it_does_not_care() -> None:
    loop = "while :; do sleep 0.05; done"
    polite = run(["sh", "-c", f"trap 'exit 7' INT; {loop}"], os.environ, timeout_s=1.0)
    assert (polite.code, polite.cause) == (7, "timeout")
    deaf = ["sh", "-c", f"trap '' INT TERM; {loop}"]
    ended = run(deaf, os.environ, timeout_s=1.0, grace_s=0.1, last_s=0.1)
    assert (ended.code, ended.cause) == (128 + signal.SIGKILL, "timeout")
    ended = run(["sh", "-c", "exit 3"], os.environ, timeout_s=None)
    assert (ended.code, ended.cause) == (3, None)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


ACTION = Path(__file__).resolve().parents[2]


@pytest.mark.integration
@pytest.mark.parametrize("folder", ["", "action/plan", "action/merge"])
def test_a_folder_that_is_not_there_is_named(folder: str, tmp_path: Path) -> None:
    """By the shell of each action's first step, as the runner starts it."""
    action = yaml.safe_load((ACTION / folder / "action.yml").read_text(encoding="utf-8"))
    script = tmp_path / "step.sh"
    script.write_text(action["runs"]["steps"][0]["run"])
    environ = {
        **os.environ,
        "BATCHGATE_INPUT_WORKING_DIRECTORY": "no where",
        "BATCHGATE_INPUT_PYTHON": "python",
    }
    argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    (act,) = Runner().read(done.stdout).acts
    assert (done.returncode, act.name) == (1, "error")
    assert act.data == "The input working-directory names no folder of the checkout"


@pytest.mark.integration
def test_a_python_that_is_too_old_is_told_and_the_helper_is_closed_to_others() -> None:
    main = ACTION / "action" / "main.py"
    old = f"import runpy, sys; sys.version_info = (3, 9); runpy.run_path({str(main)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "names Python 3.9; 3.10 is the oldest" in done.stdout
    if sys.platform == "linux":
        code = f"import ctypes, sys; sys.path.insert(0, {str(main.parent)!r})\n"
        code += "from batchgate_action.running import hide; hide(); print(ctypes.CDLL(None).prctl(3))"
        assert subprocess.check_output([sys.executable, "-c", code], text=True) == "0\n"
