"""The worker's side of a run: a pytest session inside an execnet gateway.

`serve` is what the pool executes remotely.  It is told twice what to do: first the
command line, so that options and conftests load while the controller still
starts, then the run (gates, environment).  Between and after these it is an
ordinary pytest session whose collection and test loop are ours.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import sys
import warnings
from collections.abc import Generator
from typing import Any

import pytest
from _pytest.config import _prepareconfig

from pytest_batchgate.workers import wire
from pytest_batchgate.workers.backlog import Backlog, WorkUnit
from pytest_batchgate.workers.outbox import Outbox
from pytest_batchgate.workers.worker_claims import Claims
from pytest_batchgate.workers.worker_collect import FileCollector
from pytest_batchgate.workers.worker_junit import relay_junit
from pytest_batchgate.workers.worker_output import speak_into
from pytest_batchgate.workers.worker_run import TestRunner

# True only while a worker's own configuration is parsed: our plugin then stands back.
preparing = False

_HUNG_UP = object()
# How long hooks may take when all tests and fixtures are done (`pytest_sessionfinish`,
# `pytest_unconfigure`), handlers at exit included; then the worker ends, showing where it was.
CLOSING_LIMIT_S = 30.0


def serve(channel: Any, *, marked: bool = False) -> None:
    """Run one pytest session for the controller at the other end of ``channel``.

    ``marked``: it tells our messages from what tests may write into the pipe.
    """
    if marked:
        wire.mark_messages(channel.gateway._io)
    with contextlib.suppress(OSError, AttributeError):
        os.setsid()  # Ctrl-C reaches workers through the controller alone
    # Shells start background jobs with SIGINT ignored, and children inherit that: an interrupted
    # test would not hear that its fixtures are to be torn down.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import_pytest()
    (early,) = wire.decode(channel.receive())
    gc.disable()
    outbox = Outbox(channel.send)
    # A child that a test forks, and that returns instead of ending, would tell everything twice.
    os.register_at_fork(after_in_child=outbox.disown)
    try:
        config = _prepare(early[1])
        outbox.flush()
    except pytest.UsageError as exc:
        outbox.put_now(wire.USAGE, str(exc))
        return
    except BaseException as exc:  # noqa: BLE001 (conftests may raise anything)
        _report_failed_start(outbox, exc)
        return
    (late,) = wire.decode(channel.receive())
    WorkerSession(config, channel, outbox, late[1]).run()


def import_pytest() -> None:
    """Everything that a session will import anyway, while nobody waits for it."""
    import importlib

    from _pytest.config import default_plugins

    for name in default_plugins:
        with contextlib.suppress(ImportError):
            importlib.import_module(f"_pytest.{name}")


def _prepare(early: dict[str, Any]) -> pytest.Config:
    global preparing  # noqa: PLW0603 (there is one session per process)
    if early["sys_path"] is not None:
        sys.path[:] = early["sys_path"]
    else:  # on another machine it has its own
        from pytest_batchgate.workers.worker_remote import settled

        early = settled(early, os.getcwd())  # noqa: PTH109 - little is imported here
    os.chdir(early["cwd"])
    for name in early["unset"]:
        os.environ.pop(name, None)
    os.environ.update(early["env"])
    if early["output"] is not None:
        with contextlib.suppress(OSError):  # the pipe went with its reader
            speak_into(early["output"])
    preparing = True
    try:
        return _prepareconfig(list(early["args"]), None)
    finally:
        preparing = False


def _report_failed_start(outbox: Outbox, exc: BaseException) -> None:
    from _pytest._code import ExceptionInfo
    from _pytest.config import ConftestImportFailure

    if isinstance(exc, ConftestImportFailure):
        outbox.put_now(wire.USAGE, f"ImportError while loading conftest {str(exc.path)!r}: {exc.cause!r}")
        return
    text = str(ExceptionInfo.from_exception(exc).getrepr(style="short"))
    outbox.put_now(wire.INTERNAL, text)


class WorkerSession:
    """One session: takes orders in execnet's receiver thread, works in the main thread."""

    def __init__(self, config: pytest.Config, channel: Any, outbox: Outbox, setup: dict[str, Any]) -> None:
        self.config = config
        self.channel = channel
        self.outbox = outbox
        self.setup = setup
        self.backlog: Backlog[pytest.Item] = Backlog(released=self._released)
        relay_junit(config, outbox)
        _adjust_options(config, setup)
        config.workerinput = setup["workerinput"]  # type: ignore[attr-defined]  # what xdist's plugins read
        config.workeroutput = {}  # type: ignore[attr-defined]
        claims = Claims(
            setup["gates"],
            setup["all_gates"],
            setup["ini_markexpr"],
            setup["ini_keyword"],
            func_only=setup["func_only"],
        )
        self.collector = FileCollector(config, claims, setup)
        self.runner = TestRunner(config, self.backlog, outbox, self.collector, setup)

    def run(self) -> None:
        manager = self.config.pluginmanager
        manager.register(self.collector, "batchgate-collector")
        manager.register(self.runner, "batchgate-runner")
        manager.register(self, "batchgate-worker")
        try:
            exitstatus = self.config.hook.pytest_cmdline_main(config=self.config)
        except pytest.UsageError as exc:  # pytest shows these outside of the session
            exitstatus = pytest.ExitCode.USAGE_ERROR
            self.outbox.put(wire.REPORTS, self.collector.pending_reports())
            self.outbox.put(wire.USAGE, wire.plain("\n".join(map(str, exc.args))))
        except BaseException as exc:  # noqa: BLE001 (nobody is left to take it)
            exitstatus = pytest.ExitCode.INTERNAL_ERROR
            _report_failed_start(self.outbox, exc)
        workeroutput = self.config.workeroutput  # type: ignore[attr-defined]
        workeroutput.setdefault("exitstatus", int(exitstatus))
        self.outbox.put(wire.ENDED, wire.plain(workeroutput))
        self.outbox.close()

    def _released(self, unit: int, indexes: tuple[int, ...], whole: bool) -> None:
        self.outbox.put_now(wire.RELEASED, unit, indexes, whole)

    def take_orders(self, data: Any) -> None:
        if data is _HUNG_UP:
            # The controller is gone.  Nobody can hear us: end with all our children.
            with contextlib.suppress(OSError, AttributeError):
                os.killpg(0, 9)
            os._exit(1)
        for message in wire.decode(data):
            kind, *rest = message
            if kind == wire.FILE:
                unit, file, open_gates = rest
                self.backlog.add(WorkUnit(unit, file, open_gates=frozenset(open_gates)))
            elif kind == wire.TESTS:
                unit, file, indexes, keys, gates, attempts = rest
                wanted = tuple(zip(indexes, keys, gates, strict=True))
                tried = dict(zip(indexes, attempts, strict=True)) if attempts else {}
                self.backlog.add(WorkUnit(unit, file, wanted=wanted, attempts=tried))
            elif kind == wire.RELEASE:
                self.backlog.release(*rest)
            elif kind == wire.INTERRUPT:
                os.kill(os.getpid(), signal.SIGINT)
            elif kind in {wire.PARK, wire.FINISH, wire.HALT}:
                self.backlog.order(**{kind: True})

    # --- hooks ------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        manager = config.pluginmanager
        reporter = manager.get_plugin("terminalreporter")
        if reporter is not None:
            manager.unregister(name="terminalreporter")
            manager.register(_SilentReporter(reporter), "terminalreporter")

    @pytest.hookimpl
    def pytest_collection(self, session: pytest.Session) -> bool:
        """List the files; `FileCollector` answers the later calls, for one file each."""
        files = self.collector.list_files(session)
        self.outbox.put(wire.INFO, _introduction())
        marked = self.collector.marked_files(files)
        self.outbox.put_now(wire.LISTED, *(tuple(map(wire.plain, names)) for names in (files, marked)))
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.channel.setcallback(self.take_orders, endmarker=_HUNG_UP)
        self.runner.run(session)
        # No limit of a gate or test holds from here on.  From C, for what hangs may not let Python run.
        with contextlib.suppress(OSError, ValueError):
            faulthandler.dump_traceback_later(CLOSING_LIMIT_S, exit=True, file=2)
        return True

    @pytest.hookimpl
    def pytest_warning_recorded(
        self,
        warning_message: warnings.WarningMessage,
        when: str,
        nodeid: str,
        location: tuple[str, int, str] | None,
    ) -> None:
        category = warning_message.category
        self.outbox.put(
            wire.WARNING,
            {
                "message": wire.plain(str(warning_message.message)),
                "category": category.__name__ if category else "Warning",
                "module": category.__module__ if category else "builtins",
                "filename": wire.plain(warning_message.filename),
                "lineno": warning_message.lineno,
                "line": wire.plain(warning_message.line),
                "when": when,
                "nodeid": wire.plain(nodeid),
                "location": wire.plain(location),
            },
        )

    @pytest.hookimpl
    def pytest_internalerror(self, excrepr: object) -> bool:
        self.outbox.put_now(wire.INTERNAL, wire.plain(str(excrepr)))
        return True  # or pytest would write it to the standard error of every worker

    @pytest.hookimpl
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        value = excinfo.value
        if isinstance(value, pytest.exit.Exception):
            self.outbox.put_now(wire.EXIT, wire.plain(str(value.msg)), value.returncode)
        elif not isinstance(value, (pytest.Session.Interrupted, pytest.Session.Failed)):
            self.outbox.put_now(wire.EXIT, None, None)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int
    ) -> Generator[None, object, object]:
        workeroutput = self.config.workeroutput  # type: ignore[attr-defined]
        workeroutput["exitstatus"] = int(exitstatus)
        workeroutput["shouldfail"] = session.shouldfail
        workeroutput["shouldstop"] = session.shouldstop
        return (yield)


class _SilentReporter:
    """The terminal reporter for plugins that ask for it, without its hooks: a worker prints nothing."""

    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter

    def __getattr__(self, name: str) -> Any:
        if name.startswith("pytest_"):
            raise AttributeError(name)
        return getattr(self._reporter, name)


def _introduction() -> dict[str, Any]:
    """What xdist's plugins find in ``node.workerinfo``."""
    return {
        "version": sys.version,
        "version_info": tuple(sys.version_info),
        "sysplatform": sys.platform,
        "platform": sys.platform,  # short: the long form starts a process
        "executable": sys.executable,
        "cwd": wire.plain(os.getcwd()),  # noqa: PTH109 (text is what xdist gives)
    }


def _adjust_options(config: pytest.Config, setup: dict[str, Any]) -> None:
    """Options whose work the controller does, or that hold for the whole run."""
    option = config.option
    for name, value in setup["options"].items():
        if hasattr(option, name):
            setattr(option, name, value)
    if setup["basetemp"] is not None:
        option.basetemp = setup["basetemp"]
