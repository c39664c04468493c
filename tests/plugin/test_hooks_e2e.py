"""Hooks in real runs: when they are called, what becomes of what they give, how their faults show."""

from __future__ import annotations

import json

import pytest
from plugin_kit import Ran, Repo

pytestmark = pytest.mark.integration

ADDS = """\
    import sys
    from pytest_batchgate import Command, Finding, Gate, Parsed, Tests

    def command(name, code="pass", **fields):
        return Gate(name=name, work=Command(argv=(sys.executable, "-c", code)), **fields)
"""
NOTHING = '[project]\nname = "empty"\nversion = "1"\n'
TEST = "def test_a(): pass\n"


def states(ran: Ran) -> dict[str, str]:
    """Gate -> state, from the closing table."""
    start = next((n for n, line in enumerate(ran.lines) if line.split()[:2] == ["gate", "state"]), None)
    assert start is not None, ran
    rows = [line.split() for line in ran.lines[start + 1 : ran.lines.index("", start)]]
    return {row[0]: row[1] for row in rows}


def names(ran: Ran) -> list[str]:
    """The gates of `--batch-plan=json`."""
    assert ran.code == 0, ran
    return [gate["name"] for gate in json.loads(ran.out)["gates"]]


def configured(repo: Repo, gates: str, conftest: str) -> Repo:
    repo.write("batchgate.yaml", f"version: 1\ngates:\n{gates}")
    repo.write("conftest.py", ADDS + conftest)
    return repo


def test_configured_gates_may_need_and_tests_may_name_gates_that_plugins_add(repo: Repo) -> None:
    configured(
        repo,
        "  unit: {tests: true, needs: [made]}\n",
        """\

    def pytest_batchgate_gates(config):
        assert config.option.batch_gates
        return [command("made"), Gate(name="own", work=Tests(expression="never"), needs=["made"])]
    """,
    )
    repo.files(
        test_a="import pytest\n\n@pytest.mark.gate('own')\ndef test_own(): pass\n\ndef test_other(): pass\n"
    )
    ran = repo.gates()
    assert ran.code == 0, ran
    assert states(ran) == {"unit": "passed", "made": "passed", "own": "passed"}
    assert "batchgate: conftest.py added made, own" in ran.lines, ran
    assert names(repo.gates("--batch-plan=json", "--batch-select=own")) == ["made", "own"]


def test_a_run_of_commands_alone_can_be_given_tests(repo: Repo) -> None:
    """No worker is there when the conftest asks for some."""
    configured(
        repo,
        "  first: {run: 'true'}\n",
        """\

    def pytest_batchgate_gates():
        yield Gate(name="unit", work=Tests(rest=True))
    """,
    )
    repo.files(test_a=TEST)
    ran = repo.gates()
    assert ran.code == 0, ran
    assert states(ran) == {"first": "passed", "unit": "passed"}
    assert ran.counts == "1 passed", ran


def test_gates_of_plugins_are_enough_where_nothing_is_detected(repo: Repo) -> None:
    repo.write("pyproject.toml", NOTHING)
    repo.write("adds.py", ADDS + "\n    def pytest_batchgate_gates(): return [command('made')]\n")
    ran = repo.gates("-p", "adds")
    assert ran.code == 0, ran
    assert states(ran) == {"made": "passed"}
    assert "batchgate: 1 gate from plugins, 2 workers" in ran.lines, ran
    repo.write("adds.py", "def pytest_batchgate_gates(): return []\n")
    without = repo.gates("-p", "adds", "--batch-plan")
    assert without.code == 4, without
    assert without.err.startswith("ERROR: no gate was found in this repository ("), without


def test_gates_of_plugins_join_the_detected_ones(repo: Repo) -> None:
    repo.write("pyproject.toml", NOTHING)
    repo.files(test_a=TEST)
    repo.write("conftest.py", ADDS + "\n    def pytest_batchgate_gates(): return [command('made')]\n")
    plan = repo.gates("--batch-plan=json")
    assert names(plan) == ["unit", "made"]
    assert "batchgate: conftest.py added made" in plan.err, plan


def test_a_plugin_changes_the_plan(repo: Repo) -> None:
    configured(
        repo,
        "  slow: {run: 'false', tags: [slow]}\n"
        "  fails: {run: 'false'}\n"
        "  last: {run: 'true', needs: [slow]}\n",
        """\

    from dataclasses import replace

    def pytest_batchgate_modify_plan(plan):
        kept = [gate for gate in plan.gates if "slow" not in gate.tags]
        kept[0] = replace(kept[0], required=False)
        return plan.with_gates([*kept, command("more", needs=["fails"])])
    """,
    )
    ran = repo.gates()
    assert ran.code == 0, ran
    assert states(ran) == {"fails": "failed", "last": "passed", "more": "passed"}
    assert names(repo.gates("--batch-plan=json")) == ["fails", "last", "more"]


PARSER = """\

    class Own:
        name = "own"

        def parse(self, output):
            if output.returncode == 0:
                raise RuntimeError("no words for it")
            place = dict(path="a.py", line=3, column=None, rule="X1", severity="error")
            return Parsed(findings=(Finding(message=output.text.strip(), **place),))

    def pytest_batchgate_parser(name):
        return Own() if name == "own" else None
"""


def test_a_parser_of_a_plugin_reads_what_a_command_prints(repo: Repo) -> None:
    configured(
        repo,
        "  lint: {run: {shell: 'echo too long; exit 1'}, parser: own}\n"
        "  good: {run: 'echo fine', parser: own}\n",
        PARSER,
    )
    ran = repo.gates()
    assert ran.code == 1, ran
    assert "  a.py:3 X1 too long" in ran.lines, ran
    assert states(ran) == {"lint": "failed", "good": "passed"}, "a parser that raises changes no verdict"
    assert "good: the parser 'own' failed on this output (RuntimeError: no words for it)" in ran.out, ran


def test_a_parser_that_no_plugin_has_is_told_with_the_nearest_name(repo: Repo) -> None:
    configured(repo, "  lint:\n    run: ls\n    parser: owm\n  other: {run: ls, parser: own}\n", PARSER)
    ran = repo.gates()
    assert ran.code == 4, ran
    assert ran.err.strip() == "ERROR: batchgate.yaml:5: there is no parser 'owm'. Did you mean 'own'?", ran


def test_a_plugin_says_what_workers_to_start(repo: Repo) -> None:
    configured(repo, "  unit: {tests: true}\n", "\n    def pytest_batchgate_worker_spec(): return 'popen'\n")
    repo.write("specs.py", "def pytest_batchgate_worker_spec(config): return ['2*popen', 'popen']\n")
    repo.files(test_a=TEST)
    ran = repo.raw("--batch-gates", "-p", "specs")
    assert ran.code == 0, ran
    assert "batchgate: 1 gate from batchgate.yaml, 3 workers" in ran.lines, ran
    assert "pytest_batchgate_worker_spec of conftest.py is never called" in ran.out, ran
    typed = repo.gates("-p", "specs", "--batch-plan=json", workers=1)
    assert typed.code == 0, typed
    assert json.loads(typed.out)["workers"] == 1


LISTENS = """\

    class Loud:
        name = "the loud one"

        def handle(self, event):
            raise ConnectionError("nobody listens")

    class Quiet:
        name = "the quiet one"

        def __init__(self):
            self.kinds = []

        def handle(self, event):
            self.kinds.append(type(event).__name__)
            if self.kinds[-1] == "RunFinished":
                print("heard", *dict.fromkeys(self.kinds), event.result.verdict)

    def pytest_batchgate_subscribers(config):
        return [Loud(), Quiet()]

    seen = []

    def pytest_batchgate_event(event):
        seen.append(type(event).__name__)
        if seen[-1] == "GateFinished":
            print("event of", event.report.name, event.report.state.value)
            raise ValueError("no more")
"""


def test_subscribers_hear_of_the_run_and_a_failing_one_harms_nothing(repo: Repo) -> None:
    configured(repo, "  unit: {tests: true}\n  next: {run: 'true', needs: [unit]}\n", LISTENS)
    repo.files(test_a=TEST)
    ran = repo.gates("-s")
    assert ran.code == 0, ran
    heard = next(line.split()[1:] for line in ran.lines if line.startswith("heard "))
    assert heard[-1] == "passed", ran
    assert {"RunStarted", "FileWasCollected", "TestsWereRun", "GateFinished", "RunFinished"} <= set(heard)
    assert ran.out.count("the loud one failed and was switched off: ConnectionError: nobody listens") == 1
    assert [line for line in ran.lines if line.startswith("event of")] == ["event of unit passed"], ran
    assert "pytest_batchgate_event of conftest.py failed and was switched off: ValueError: no more" in ran.out


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (
            "def pytest_batchgate_gates(): return {}['shop']",
            4,
            (
                "ERROR: pytest_batchgate_gates of conftest.py: it raised KeyError: 'shop'. "
                "See conftest.py, line 7"
            ),
        ),
        (
            "def pytest_batchgate_gates(): return [command('a', needs=('b',)), command('b', needs=('a',))]",
            4,
            (
                "ERROR: pytest_batchgate_gates of conftest.py: gates need one another in a circle: "
                "a -> b -> a. Remove one of these needs"
            ),
        ),
        (
            "def pytest_batchgate_subscribers(): return [3]",
            4,
            (
                "ERROR: pytest_batchgate_subscribers of conftest.py: it must give a list of objects with "
                "`name` and `handle(event)`, not a list of int"
            ),
        ),
        ("def pytest_batchgate_gates(): raise pytest.UsageError('set SHOP')", 4, "ERROR: set SHOP"),
        ("def pytest_batchgate_gates(): pytest.exit('not today', 7)", 7, "Exit: not today"),
        ("def pytest_batchgate_gates(): pytest.exit('not today')", 2, "Exit: not today"),
    ],
)
def test_faults_of_hooks_are_one_message(repo: Repo, body: str, code: int, said: str) -> None:
    configured(repo, "  unit: {tests: true}\n", f"    import pytest\n    {body}\n")
    repo.files(test_a=TEST)
    ran = repo.gates("-q")
    assert ran.code == code, ran
    assert ran.err.strip() == said, ran
    assert "passed" not in ran.out, "no test has run"


def test_hooks_of_a_conftest_are_known_where_no_gates_run(repo: Repo) -> None:
    """pytest refuses hooks that nobody declares; here they are declared, and nobody calls them."""
    repo.write("conftest.py", "def pytest_batchgate_gates(): raise AssertionError\n")
    repo.files(test_a=TEST)
    ran = repo.raw("-q")
    assert ran.code == 0, ran
    assert ran.counts == "1 passed", ran


def test_nothing_of_this_is_loaded_where_nobody_implements_a_hook(repo: Repo) -> None:
    repo.write(
        "conftest.py",
        """\
        import sys

        def pytest_sessionfinish():
            loaded = [name for name in sys.modules if name.startswith("pytest_batchgate.")]
            print("loaded", *sorted(name.rpartition(".")[2] for name in loaded))
        """,
    )
    repo.files(test_a=TEST)
    ran = repo.gates("-s")
    assert ran.code == 0, ran
    loaded = next(line.split()[1:] for line in ran.lines if line.startswith("loaded "))
    assert {"controller", "hookspecs"} <= set(loaded), ran
    assert not {"hooks", "checkedparser", "values"} & set(loaded), ran
