"""The entry point: pytest's hooks, and nothing done unless `--batch-gates` is given."""

from __future__ import annotations

import copy
import dataclasses
import functools
import os
import sys
import uuid
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from pytest_batchgate.errors import BatchGateError, OptionError
from pytest_batchgate.plugin import options as opts

CONTROLLER = "batchgate-controller"
# Hooks whose implementations bear on the plan, and those that hear of the run.
_PLANNING = ("gates", "modify_plan", "parser", "worker_spec")
_LISTENING = ("subscribers", "event")

_MARKERS = (
    "gate(name, *, needs=()): the test belongs to that gate, and waits for the gates in needs too",
    "depends_on(*targets): run only after these tests and gates ('gate:NAME') have passed",
    "serial(name): never beside another test of the run, or of that name",
    "xdist_group(name): keep the tests of this name on one worker",
)

_init_key = pytest.StashKey[bool]()
_launch_key = pytest.StashKey[Any]()
_controller_key = pytest.StashKey[Any]()
_worker_key = pytest.StashKey[bool]()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Always, in workers too: pytest refuses hooks of a conftest that nobody declares."""
    from pytest_batchgate.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    opts.add_options(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, args: list[str]
) -> Generator[None, object, object]:
    """Check the options and start the workers before conftests are loaded."""
    if _in_worker():
        from pytest_batchgate.plugin import xdistlike

        early_config.stash[_worker_key] = True
        xdistlike.prepare_worker(early_config)
        result = yield
        _declare_timeout(early_config)
        return result
    if opts.fill_in_optional_values(args):
        early_config.known_args_namespace = early_config._parser.parse_known_args(
            args, namespace=copy.copy(early_config.option)
        )
    namespace = early_config.known_args_namespace
    if getattr(namespace, "help", False) or getattr(namespace, "version", 0):
        return (yield)
    try:
        _prepare(early_config)
    except (BatchGateError, pytest.UsageError) as exc:
        raise _refusal(exc) from None
    try:
        result = yield
        if _controller_key in early_config.stash:
            _declare_timeout(early_config)
    except BaseException:
        _close(early_config)
        raise
    return result


def _declare_timeout(config: pytest.Config) -> None:
    from pytest_batchgate.plugin import timeouts

    timeouts.declare_ini(config)


def _refusal(error: BaseException) -> pytest.UsageError:
    """As pytest tells it: before anything stands between it and the runner, words of the repository in it."""
    text = str(error)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from pytest_batchgate.core.defusing import Defuser

        defuser = Defuser()
        text = defuser.feed(text) + defuser.finish()
    return pytest.UsageError(text)


def _in_worker() -> bool:
    """Whether this configuration is being parsed for a worker's own session."""
    worker = sys.modules.get("pytest_batchgate.workers.worker")
    return worker is not None and bool(worker.preparing)


def _prepare(config: pytest.Config) -> None:
    namespace = config.known_args_namespace
    if not namespace.batch_gates:
        used = opts.used_options(opts.typed_namespace(config) if opts.is_undone(config) else namespace)
        if used:
            raise OptionError(
                "it means nothing without --batch-gates", where=used[0], todo="Add --batch-gates"
            )
        return
    opts.check_platform(sys.platform)
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        from pytest_batchgate.plugin import streams

        streams.fill_in()
    batch = opts.read_options(namespace)
    typed = opts.read_typed(config)
    run_id = uuid.uuid4().hex
    if batch.init:
        config.stash[_init_key] = True
        return
    own_pool = batch.workers_given and batch.measured is None
    if _is_implemented(config, ("worker_spec",)) and not batch.tx and not own_pool:
        from pytest_batchgate.plugin import hooks

        batch = dataclasses.replace(batch, tx=hooks.worker_specs(config))
    if batch.plan is not None or batch.verify or batch.benchmark is not None:
        from pytest_batchgate.plugin import launch

        if batch.plan is None:
            args = [str(arg) for arg in config.invocation_params.args]
            launch.refuse_conflicts(namespace, typed, args)
        config.stash[_launch_key] = launch.prepare(config, batch, typed, run_id)
        return
    from pytest_batchgate.plugin.fence import FENCE, Fence

    fence = config.stash[FENCE] = Fence()  # before any process of ours starts
    config.add_cleanup(fence.close)
    gateways = _start_first_worker(batch, run_id, config.rootpath)
    try:
        _prepare_run(config, batch, typed, run_id, gateways)
    except BaseException:
        gateways.close()
        raise


def _start_first_worker(batch: opts.BatchOptions, run_id: str, rootdir: Path) -> Any:
    """Before all else: an interpreter that imports pytest takes longer than reading the configuration."""
    from pytest_batchgate.workers.environ import TRACE, worker_trace
    from pytest_batchgate.workers.gateway import Gateways, is_remote

    gateways = Gateways()
    if any(map(is_remote, batch.tx)):
        from pytest_batchgate.plugin import elsewhere

        gateways.sources = functools.cache(lambda: elsewhere.sources(rootdir))
    spec = batch.tx[0] if batch.tx else "popen"
    trace = worker_trace(os.environ, run_id=run_id, slot=0)
    gateways.keep(0, gateways.boot(spec, (f"{TRACE}={trace}",)))
    return gateways


def _prepare_run(
    config: pytest.Config, batch: opts.BatchOptions, typed: opts.Typed, run_id: str, gateways: Any
) -> None:
    from pytest_batchgate.plugin import launch, xdistlike
    from pytest_batchgate.plugin.fence import FENCE

    args = [str(arg) for arg in config.invocation_params.args]
    launch.refuse_conflicts(config.known_args_namespace, typed, args)
    if batch.report_dir is not None and batch.script is None:
        from pytest_batchgate.plugin.reporting import ready_folder

        folder = ready_folder(config.invocation_params.dir, batch.report_dir)
        batch = dataclasses.replace(batch, report_dir=folder)
    fence = config.stash[FENCE]
    plan = launch.prepare(config, batch, typed, run_id, fence.hidden)
    config.stash[_launch_key] = plan
    if fence.is_github:
        from pytest_batchgate.plugin.github import read_settings

        read_settings(os.environ)  # told now if they cannot be
    fence.guard_streams(plan.masks)
    from pytest_batchgate.plugin.controller import Controller

    controller = config.stash[_controller_key] = Controller(plan, config, gateways)
    config.add_cleanup(controller.close)  # options that nobody knows are refused later than this
    xdistlike.declare_hooks(config)
    if plan.has_tests or plan.problem is not None:
        xdistlike.prepare_controller(config)
    if plan.has_tests:
        controller.crewing.warm_up(config)
    elif plan.problem is None:
        gateways.close()


def _close(config: pytest.Config) -> None:
    controller = config.stash.get(_controller_key, None)
    if controller is not None:
        controller.close()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """`--batch-plan` and `--batch-init` print and stop; any other run is a session like any other."""
    if config.stash.get(_init_key, False):
        from pytest_batchgate.plugin.detection import write_init

        try:
            return write_init(config)
        except BatchGateError as exc:
            raise _refusal(exc) from None
    if config.stash.get(_launch_key, None) is None:
        return None
    try:
        launch = _settle(config)
    except BatchGateError as exc:
        raise _refusal(exc) from None
    except pytest.exit.Exception as exc:  # pytest itself expects it from here on, in a session
        sys.stderr.write(f"Exit: {exc.msg}\n")
        return int(pytest.ExitCode.INTERRUPTED) if exc.returncode is None else exc.returncode
    if launch.options.verify:
        return _verify(config, launch)
    if launch.options.benchmark is not None:
        return _benchmark(config, launch)
    if launch.options.plan is None:
        return None
    from pytest_batchgate.plugin.planning import show_plan

    return show_plan(config, launch)


def _verify(config: pytest.Config, launch: Any) -> int:
    from pytest_batchgate.plugin.verify import verify

    try:
        return verify(config, launch)
    except BatchGateError as exc:
        raise _refusal(exc) from None


def _benchmark(config: pytest.Config, launch: Any) -> int:
    from pytest_batchgate.plugin.benchmark import benchmark

    try:
        return benchmark(config, launch)
    except BatchGateError as exc:
        raise _refusal(exc) from None


def _is_implemented(config: pytest.Config, names: Iterable[str]) -> bool:
    """Whether anybody implements one of our hooks; most often nobody does."""
    return any(getattr(config.hook, f"pytest_batchgate_{name}").get_hookimpls() for name in names)


def _settle(config: pytest.Config) -> Any:
    """The launch with what plugins make of it.  Raises the problem that none of them mended."""
    launch = config.stash[_launch_key]
    if not _is_implemented(config, _PLANNING):
        if launch.problem is not None:
            raise launch.problem
        return launch
    from pytest_batchgate.plugin.launch import settle

    settled = config.stash[_launch_key] = settle(config, launch)
    controller = config.stash.get(_controller_key, None)
    if controller is not None:
        controller.adopt(settled)
        if settled.has_tests and not launch.has_tests:
            controller.crewing.warm_up(config)
    return settled


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    if config.stash.get(_worker_key, False) and config.option.batch_verify_run is not None:
        from pytest_batchgate.plugin import lanes

        lanes.register(config, config.option.batch_verify_run)
    controller = config.stash.get(_controller_key, None)
    if controller is not None or _worker_key in config.stash:
        from pytest_batchgate.plugin import timeouts

        timeouts.declare_marker(config)
    if controller is not None:
        from pytest_batchgate.plugin.fence import FENCE

        config.stash[FENCE].begin_session(config)
        config.pluginmanager.register(controller, CONTROLLER)
        _keep_xdist_out(config, controller)


def _keep_xdist_out(config: pytest.Config, controller: Any) -> None:
    """xdist acts on its options in a later `pytest_configure`: the gates have workers of their own."""
    option = config.option
    if getattr(option, "numprocesses", None) is not None or getattr(option, "tx", None):
        controller.crewing.notices.append("-n from addopts is ignored: the gates have their own workers")
    for name, value in (("numprocesses", None), ("dist", "no"), ("tx", []), ("distload", False)):
        if hasattr(option, name):
            setattr(option, name, value)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    controller = session.config.stash.get(_controller_key, None)
    if controller is None:
        return
    controller.crewing.configure(session.config)
    if controller.launch.options.resume:
        from pytest_batchgate.plugin.folders import state_dir
        from pytest_batchgate.plugin.resuming import resume

        try:
            controller.resumed = resume(controller.launch, session.config, state_dir(session.config))
        except BatchGateError as exc:
            raise _refusal(exc) from None
        controller.crewing.notices += controller.resumed.notices
    if _is_implemented(session.config, _LISTENING) and not session.config.option.collectonly:
        from pytest_batchgate.plugin import hooks

        try:
            controller.listeners = hooks.subscribers(session.config)
        except BatchGateError as exc:
            raise _refusal(exc) from None
