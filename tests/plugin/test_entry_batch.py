"""Our own options: what they refuse, undo and print before anything runs."""

from __future__ import annotations

import json
import os

import psutil
import pytest
from plugin_kit import ALL_TESTS, Ran, Repo

from pytest_batchgate.errors import OptionError
from pytest_batchgate.plugin.options import check_platform, expand_tx, plain_command, read_workers

OK = "def test_ok(): pass\ndef test_two(): pass\n"
TWO_GATES = "version: 1\ngates:\n  touch: {run: 'touch ran'}\n  unit: {tests: true, needs: [touch]}\n"


def one_message(ran: Ran) -> str:
    """The message of a run that was refused: nothing else is printed, nothing was run or is left running."""
    assert ran.code == 4, ran
    assert ran.err.startswith("ERROR: "), ran
    assert "Traceback" not in ran.out + ran.err, ran
    assert not ran.out.strip(), ran
    assert ran.err.count("ERROR: ") == 1, ran
    lines = [line for line in ran.err.splitlines() if line.strip()]
    assert len(lines) == 1, ran
    return lines[0]


def children_in(repo: Repo) -> list[psutil.Process]:
    """Processes that still work in the repository's folder."""
    here = os.path.realpath(repo.root)
    return [process for process in psutil.process_iter() if works_in(process, here)]


def works_in(process: psutil.Process, folder: str) -> bool:
    try:
        return process.cwd() == folder and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@pytest.mark.integration
@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "version: 1\ngates:\n  a: {tests: true, nope: 1}\n", "batchgate.yaml:3: 'nope'", id="key"
        ),
        pytest.param("version: 1\ngates: [\n", "batchgate.yaml:", id="yaml"),
        pytest.param("version: 1\ngates:\n  a: {run: ls, needs: [a]}\n", "needs itself", id="cycle"),
        pytest.param(
            "version: 1\ngates:\n  a: {tests: 'x and'}\n", "is no marker expression", id="expression"
        ),
    ],
)
def test_a_bad_configuration_is_one_message(repo: Repo, text: str | None, said: str) -> None:
    repo.files(test_a=OK)
    if text is not None:
        repo.write("batchgate.yaml", text)
    assert said in one_message(repo.raw("--batch-gates"))
    assert not children_in(repo)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("args", "said"),
    [
        pytest.param(("--pdb", "test_a.py", "-k", "o k"), "pytest --pdb test_a.py -k 'o k'", id="pdb"),
        pytest.param(("--trace",), "pytest --trace", id="trace"),
        pytest.param(("--sw",), "pytest --sw", id="stepwise"),
        pytest.param(("--setup-plan",), "pytest --setup-plan", id="setup-plan"),
        pytest.param(("--batch-plan=xx",), "unknown format 'xx'", id="plan"),
        pytest.param(("--batch-workers=many",), "'many' is no number of workers", id="workers"),
        pytest.param(("--batch-select=unti",), "unit", id="select"),
        pytest.param(("--batch-watch",), "not supported yet", id="not-yet"),
    ],
)
def test_what_cannot_be_is_refused_by_name(repo: Repo, args: tuple[str, ...], said: str) -> None:
    """What works in plain pytest alone is refused with the command that does it."""
    repo.files(test_a=OK)
    repo.write("batchgate.yaml", TWO_GATES)
    message = one_message(repo.raw("--batch-gates", *args))
    assert said in message
    assert "--batch-gates " not in message.partition("Use plain pytest")[2]
    assert not (repo.root / "ran").exists()


@pytest.mark.integration
def test_without_batch_gates_nothing_changes(repo: Repo) -> None:
    """Other options of ours are mistakes then, unless --no-batch-gates undoes what addopts say."""
    repo.files(test_a=OK)
    repo.write("batchgate.yaml", TWO_GATES)
    for option in ("--batch-workers=2", "--no-batch-fail-fast", "--batch-plan"):
        message = one_message(repo.raw(option))
        assert message.startswith(f"ERROR: {option.partition('=')[0]}: "), message
    plain = repo.raw()
    assert (plain.code, plain.counts, "batchgate: " in plain.out) == (0, "2 passed", False), plain
    repo.write("pytest.ini", "[pytest]\naddopts = --batch-gates --batch-workers=2\n")
    undone = repo.raw("--no-batch-gates")
    assert (undone.code, undone.counts, "batchgate: " in undone.out) == (0, "2 passed", False), undone
    assert not (repo.root / "ran").exists()
    by_ini = repo.raw()
    assert (by_ini.code, "batchgate: 2 gates" in by_ini.out) == (0, True), by_ini
    assert (repo.root / "ran").exists()
    repo.write("pytest.ini", "[pytest]\n")
    disabled = repo.raw("-p", "no:batchgate", "--batch-gates")
    assert (disabled.code, "unrecognized arguments: --batch-gates" in disabled.err) == (4, True), disabled


@pytest.mark.integration
def test_the_plan_is_printed_and_nothing_run(repo: Repo) -> None:
    """An optional value never takes the next argument."""
    repo.files(test_a=OK)
    repo.write("batchgate.yaml", TWO_GATES)
    text = repo.raw("--batch-gates", "--batch-plan", "test_a.py")
    assert text.code == 0, text
    assert [line.split()[1] for line in text.lines if line.strip()[:2] in {"1.", "2."}] == [
        "touch",
        "unit",
    ], text
    plan = json.loads(repo.raw("--batch-gates", "--batch-plan=json").out)
    assert [gate["name"] for gate in plan["gates"]] == ["touch", "unit"]
    assert "touch" in repo.raw("--batch-gates", "--batch-plan=mermaid").out
    assert not (repo.root / "ran").exists()


@pytest.mark.integration
def test_help_needs_no_configuration(repo: Repo) -> None:
    """Nor do the other options that only print."""
    for option, said in (("--help", "--batch-select=LIST"), ("--version", "pytest ")):
        ran = repo.raw("--batch-gates", option)
        assert ran.code == 0, ran
        assert said in ran.out + ran.err, ran
    repo.write("batchgate.yaml", ALL_TESTS)
    markers = repo.raw("--batch-gates", "--markers")
    assert (markers.code, "@pytest.mark.depends_on" in markers.out) == (0, True), markers
    assert not children_in(repo)


@pytest.mark.integration
def test_whole_collections(repo: Repo) -> None:
    """With a plugin of the list, or on demand, every worker sees all tests at once, in the plugin's order."""
    repo.files(
        test_a="def test_1(): pass\ndef test_2(): pass",
        test_b="import pytest\ndef test_3(): pass\n@pytest.mark.skip\ndef test_4(): pass",
        test_c="def test_5(): assert 0",
    )
    seen = (
        "def pytest_collection_modifyitems(items):\n"
        "    items.reverse()\n"
        "    for item in items: item.user_properties.append(('seen', len(items)))\n"
    )
    repo.write("pytest_order.py", seen)
    env = {"PYTHONPATH": "."}
    auto = repo.gates("-p", "pytest_order", "-v", env=env, workers=1)
    assert "pytest-order must see them at once" in auto.out, auto
    order = [line.rpartition("::")[2].split()[0] for line in auto.lines if line.startswith("[gw0]")]
    assert order == ["test_5", "test_4", "test_3", "test_2", "test_1"], auto
    assert {child[2] for case in auto.junit.cases for child in case.children if child[0] == "properties"} == {
        "[('seen', '5')]"
    }, auto
    repo.write("conftest.py", seen)
    repo.write("batchgate.yaml", "version: 1\ncollect: whole\ngates:\n  unit: {tests: true}\n")
    plain, whole = repo.both("-k", "not 2")
    assert plain.junit.cases == whole.junit.cases, f"{plain}\n{whole}"
    assert plain.counts == whole.counts, f"{plain}\n{whole}"
    assert "[('seen', '5')]" in str(whole.junit.cases), whole
    failed_again = repo.gates("--lf")
    assert failed_again.counts.startswith("1 failed"), failed_again


def test_windows_gets_one_clear_message() -> None:
    with pytest.raises(OptionError, match=r"--batch-gates: Windows is not supported yet\. Use Linux"):
        check_platform("win32")
    for platform in ("linux", "darwin"):
        check_platform(platform)


@pytest.mark.parametrize(
    ("args", "command"),
    [
        (["--batch-gates", "-x"], "pytest -x"),
        (["--batch-workers", "3", "a b"], "pytest 'a b'"),
        (["--batch-plan", "tests", "--batch-config=x", "--no-batch-fail-fast"], "pytest tests"),
        (["--batch-select", "unit"], "pytest"),
    ],
)
def test_the_plain_command_is_what_could_be_typed(args: list[str], command: str) -> None:
    assert plain_command(args) == command


@pytest.mark.parametrize(("text", "workers"), [(None, None), ("auto", None), ("0", 0), ("12", 12)])
def test_numbers_of_workers(text: str | None, workers: int | None) -> None:
    assert read_workers(text) == workers


@pytest.mark.parametrize("text", ["-1", "2.5", "", "9999", "\u0663x"])
def test_what_is_no_number_of_workers(text: str) -> None:
    with pytest.raises(OptionError, match="is no number of workers"):
        read_workers(text)


def test_worker_specs_are_multiplied() -> None:
    assert expand_tx(["2*popen", "popen//python=x"]) == ("popen", "popen", "popen//python=x")
    for bad in ("0*popen", "fork", "2*", "*popen"):
        with pytest.raises(OptionError, match="is no worker spec"):
            expand_tx([bad])
