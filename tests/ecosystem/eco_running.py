"""Plugins that change how a test is run: timeouts, event loops, reruns, repetitions, patches."""

from __future__ import annotations

from pathlib import Path

import pytest
from eco_kit import Home, assert_same

pytestmark = pytest.mark.integration

HANGS = """
import time
import pytest

@pytest.fixture
def slow_fixture():
    time.sleep(60)

def test_before(): pass
def test_hangs(): time.sleep(60)
def test_between(): pass
@pytest.mark.timeout(0.4)
def test_by_mark(slow_fixture): pass
def test_after(): pass
"""


def test_timeout_by_signal(tmp_path: Path) -> None:
    """pytest-timeout's own method on POSIX: those tests fail as in plain pytest, the others run."""
    repo = Home(tmp_path, "timeout")
    repo.files(test_a=HANGS, test_b="def test_b(): pass")
    plain, gates = repo.both("--timeout=0.6", "--tb=line")
    assert plain.code == gates.code == 1, gates
    assert plain.junit.outcomes == gates.junit.outcomes, gates
    assert plain.counts == gates.counts == "1 failed, 4 passed, 1 error"
    assert gates.short_summary == plain.short_summary
    assert "Timeout (>0.6s) from pytest-timeout." in gates.out


def test_timeout_by_thread(tmp_path: Path) -> None:
    """It ends the process: plain pytest is gone with it, here one worker is, and the rest runs."""
    repo = Home(tmp_path, "timeout")
    repo.write("pytest.ini", "[pytest]\ntimeout = 0.6\ntimeout_method = thread\n")
    repo.files(test_a=HANGS.replace("timeout(0.4)", "skip"), test_b="def test_b(): pass")
    ran = repo.gates()
    assert (ran.code, ran.counts) == (1, "1 failed, 4 passed, 1 skipped"), ran
    (case,) = ran.junit.named("test_hangs")
    assert case.kinds == ("failure",)
    assert "ended with exit code 1" in ran.out


def test_timeout_of_a_test_that_is_stopped(tmp_path: Path) -> None:
    """pytest-timeout cannot end it; the run does, a few seconds later, by option and by marker."""
    repo = Home(tmp_path, "timeout")
    stopped = "os.kill(os.getpid(), signal.SIGSTOP)"
    text = f"""
    import os, pytest, signal
    def test_stopped(): {stopped}
    @pytest.mark.timeout(0.4)
    def test_marked(): {stopped}
    def test_after(): pass
    """
    repo.files(test_a=text)
    ran = repo.gates("--timeout=0.6")
    assert (ran.code, ran.counts) == (1, "2 failed, 1 passed"), ran
    assert "timed out after 0.6 s (timeout)" in ran.out
    assert "timed out after 0.4 s (timeout)" in ran.out


def test_session_timeout(tmp_path: Path) -> None:
    """It ends the session after the test that passed it."""
    repo = Home(tmp_path, "timeout")
    slow = (
        "import time\nimport pytest\n@pytest.mark.parametrize('n', range(40))\ndef test_a(n): time.sleep(0.1)"
    )
    repo.files(test_a=slow)
    for ran in repo.both("--session-timeout=0.5"):
        assert ran.code == 1, ran
        assert "session-timeout: 0.5 sec exceeded" in ran.out
        assert 0 < int(ran.counts.split()[0]) < 40


ASYNCIO = """
import asyncio
import pytest
import pytest_asyncio

loops = set()

@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def connection():
    await asyncio.sleep(0)
    yield asyncio.get_running_loop()
    await asyncio.sleep(0)

@pytest_asyncio.fixture
async def number():
    await asyncio.sleep(0)
    return 7

@pytest.mark.asyncio
async def test_own_loop(number):
    assert number == 7

@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("n", range(4))
async def test_session_loop(connection, n):
    assert asyncio.get_running_loop() is connection

@pytest.mark.asyncio(loop_scope="module")
class TestModule:
    async def test_one(self):
        loops.add(asyncio.get_running_loop())
    async def test_two(self):
        loops.add(asyncio.get_running_loop())
        assert len(loops) == 1

@pytest.mark.asyncio
async def test_fails():
    await asyncio.sleep(0)
    assert 0, "as it should"
"""
AUTO = """
import asyncio
import pytest

@pytest.fixture
async def number():
    await asyncio.sleep(0)
    return 7

async def test_unmarked(number):
    assert number == 7

async def test_slow():
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
"""


def test_asyncio(tmp_path: Path) -> None:
    """Strict and auto mode; loops of a test, a module, the session of a worker."""
    repo = Home(tmp_path, "asyncio")
    repo.files(test_a=ASYNCIO, test_b=ASYNCIO)
    plain, gates = repo.both()
    assert_same(plain, gates, code=1)
    assert gates.counts == "2 failed, 14 passed"
    repo.files(test_a=AUTO, test_b=ASYNCIO)
    auto = repo.gates("--asyncio-mode=auto", "--deselect=test_b.py::test_fails")
    assert (auto.code, auto.counts) == (0, "9 passed, 1 deselected"), auto


def test_asyncio_and_anyio(tmp_path: Path) -> None:
    """anyio's plugin, with its parameters, beside pytest-asyncio in strict mode."""
    repo = Home(tmp_path, "anyio", "asyncio")
    repo.files(
        test_a="""
        import anyio, pytest
        pytestmark = pytest.mark.anyio
        @pytest.fixture(params=["asyncio"], scope="module")
        def anyio_backend(request): return request.param
        @pytest.fixture(scope="module")
        async def group(anyio_backend):
            async with anyio.create_task_group() as tasks: yield tasks
        async def test_one(group): await anyio.sleep(0)
        async def test_two(group):
            with anyio.move_on_after(0.01) as scope: await anyio.sleep(9)
            assert scope.cancelled_caught
        """,
        test_b="import pytest\n@pytest.mark.asyncio\nasync def test_c(): assert 0",
    )
    plain, gates = repo.both()
    assert_same(plain, gates, code=1)


FLAKY = """
import pathlib
import pytest

def succeeds_at(number, name):
    path = pathlib.Path(name)
    tries = path.read_text() + "." if path.exists() else "."
    path.write_text(tries)
    assert len(tries) >= number, f"try {len(tries)}"

def test_good(): pass
def test_second(request): succeeds_at(2, f"{request.config.rootpath.name}-second")
def test_never(): assert 0
@pytest.mark.flaky(reruns=3)
def test_fourth(): succeeds_at(4, "fourth")
@pytest.fixture
def setup(): succeeds_at(2, "setup")
def test_setup(setup): pass
@pytest.mark.flaky(reruns=5, only_rerun=["ValueError"])
def test_other_error(): assert 0
"""


@pytest.mark.parametrize("beside", [(), ("xdist",)], ids=["alone", "with xdist"])
def test_rerunfailures(tmp_path: Path, beside: tuple[str, ...]) -> None:
    """`--reruns` and marks: outcomes, counts, R in the summary, failures of set-ups."""
    ran = []
    for kind in ("plain", "gates"):
        repo = Home(tmp_path / kind, "rerunfailures", *beside)
        repo.files(test_a=FLAKY)
        ran.append(getattr(repo, kind)("--reruns=2", "-rR"))
    plain, gates = ran
    for each in (plain, gates):  # a warning: who loads xdist this way has it imported already
        assert each.counts.replace(" 1 warning,", "") == "2 failed, 4 passed, 7 rerun", each
    assert (plain.code, gates.code) == (1, 1)
    assert plain.junit.outcomes == gates.junit.outcomes
    again = [sorted(line for line in each.lines if line.startswith("RERUN ")) for each in ran]
    assert again[0] == again[1]
    assert len(again[0]) == 7


def test_rerunfailures_fail_on_flaky(tmp_path: Path) -> None:
    """Its workers would not tell of the reruns: refused, also from addopts, rather than never failing."""
    repo = Home(tmp_path, "rerunfailures")
    repo.files(test_a="def test_a(): pass")
    repo.write("pytest.ini", "[pytest]\naddopts = --reruns=1 --fail-on-flaky\n")
    ran = repo.gates()
    assert ran.code == 4, ran
    assert "--fail-on-flaky: " in ran.err
    assert "`retries` and `fail-on-flaky`" in ran.err


def test_mock(tmp_path: Path) -> None:
    """pytest-mock: patches of each scope are undone; its comparison of calls is shown."""
    repo = Home(tmp_path, "pytest_mock")
    text = """
    import os
    def test_patch(mocker):
        mocker.patch("os.getcwd", return_value="/nowhere")
        assert os.getcwd() == "/nowhere"
    def test_undone(): assert os.getcwd() != "/nowhere"
    def test_module(module_mocker):
        module_mocker.patch("os.getpid", return_value=1)
    def test_stays(): assert os.getpid() == 1
    def test_spy(mocker):
        spy = mocker.spy(os, "getcwd")
        os.getcwd()
        spy.assert_called_once_with("wrong")
    """
    repo.files(test_a=text, test_b="import os\ndef test_b(): assert os.getpid() != 1")
    plain, gates = repo.both()
    assert_same(plain, gates, code=1)
    assert "Args:" in gates.out


def test_repeat(tmp_path: Path) -> None:
    """pytest-repeat: `--count` and its mark, each repetition a test of its own."""
    repo = Home(tmp_path, "pytest_repeat")
    repo.files(
        test_a="import pytest\ndef test_a(): pass\n@pytest.mark.repeat(3)\ndef test_b(): assert 0",
        test_b="def test_c(): pass",
    )
    plain, gates = repo.both("--count=4")
    assert_same(plain, gates, code=1)
    assert gates.counts == "3 failed, 8 passed"
