"""The composition root of a run: joins pool, commands, dispatcher, bus and pytest's session."""

from __future__ import annotations

import queue
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.outcomes import Exit

from pytest_batchgate.core import leaks
from pytest_batchgate.core.bus import Bus, Subscriber
from pytest_batchgate.core.dispatch import Dispatcher
from pytest_batchgate.core.events import Noticed, RunFinished, RunResult
from pytest_batchgate.core.model import Estimates
from pytest_batchgate.core.protocol import StopAsked
from pytest_batchgate.core.state import RunOptions
from pytest_batchgate.core.tally import Ending, Tally
from pytest_batchgate.plugin import garbage
from pytest_batchgate.plugin.arguments import resolve_paths
from pytest_batchgate.plugin.bridge import Bridge
from pytest_batchgate.plugin.crewing import Crewing
from pytest_batchgate.plugin.doing import Doer, make_runner
from pytest_batchgate.plugin.folders import log_dir, state_dir
from pytest_batchgate.plugin.hearing import Hearing, masked_publish, use_teller
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.plugin.listing import Listing
from pytest_batchgate.plugin.looking import Looking
from pytest_batchgate.plugin.remembering import remember
from pytest_batchgate.plugin.screen import Screen
from pytest_batchgate.plugin.stopping import raise_stop
from pytest_batchgate.plugin.watching import memory_watched, signals_heeded
from pytest_batchgate.report.plain import NAME as PLAIN
from pytest_batchgate.report.plain import PlainReport
from pytest_batchgate.report.words import plural
from pytest_batchgate.store.history import History
from pytest_batchgate.workers.environ import run_marker, worker_trace
from pytest_batchgate.workers.gateway import Gateways
from pytest_batchgate.workers.guard import Guard
from pytest_batchgate.workers.loop import Loop, Queued
from pytest_batchgate.workers.overhearing import Overhearing
from pytest_batchgate.workers.pool import WorkerPool

if TYPE_CHECKING:  # what not every run needs is imported when it does
    from pytest_batchgate.plugin.resuming import Resumed
    from pytest_batchgate.workers.commands import CommandRunner

LAST_WORDS_S = (
    1.0  # for output of workers that have ended; a process that a test left behind may hold the pipe
)


class Controller:
    """A pytest plugin: takes the place of collection and of the test loop."""

    def __init__(self, launch: Launch, config: pytest.Config, gateways: Gateways) -> None:
        self.launch = launch
        self.config = config
        self.began = time.monotonic()
        self.inbox: queue.SimpleQueue[Queued] = queue.SimpleQueue()
        self.run_dir = Path(tempfile.gettempdir()) / f"batchgate-{launch.run_id}"  # made when needed
        self.guard = Guard(run_marker(launch.run_id), self.run_dir)
        self.pool = WorkerPool(
            self.inbox.put,
            specs=launch.specs,
            run_dir=self.run_dir,
            gateways=gateways,
            guard=self.guard,
            traces=[
                worker_trace(launch.run_env, run_id=launch.run_id, slot=slot) for slot in range(launch.slots)
            ],
            masks=launch.masks,
        )
        self.overhearing = Overhearing(self.run_dir, self.inbox.put, launch.masks)
        self.crewing = Crewing(launch, self.pool, self.overhearing)
        self.tally = Tally(launch.plan)
        self.bus = Bus(through=(Exit, pytest.Session.Failed))
        self.listeners: Sequence[Subscriber] = ()  # of plugins
        self.history: History | None = None
        self.resumed: Resumed | None = None
        self.stop: StopAsked | None = None
        self.loose_errors = 0
        self.leaked = False  # found at the very end, of a gate that fails for it
        self.failed_in_run = sys.maxsize  # tests, as pytest's session counts them
        self.ran = False
        self.closed = False
        self.is_silent = False
        self.looking = Looking()
        config.add_cleanup(garbage.thaw)  # runs after pytest's own last collections

    def adopt(self, launch: Launch) -> None:
        """Before the session starts: what plugins made of the plan.  The worker slots stay what they are."""
        self.launch = self.crewing.launch = launch
        self.tally = Tally(launch.plan)

    # --- hooks --------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> bool:
        """The controller imports no test code."""
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed and not session.config.option.continue_on_collection_errors:
            raise session.Interrupted(f"{session.testsfailed} errors during collection")
        self.run(session)
        return True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        if self.ran:
            self.heed_session(session)
            session.exitstatus = expected = self.exit_code()
        with garbage.paused():
            result = yield
            if self.ran and session.exitstatus != expected:  # a plugin's own verdict
                self.loose_errors += session.exitstatus == pytest.ExitCode.TESTS_FAILED
            self.finish(session)
        garbage.freeze()
        return result

    @pytest.hookimpl
    def pytest_unconfigure(self) -> None:
        self.close()

    @pytest.hookimpl
    def pytest_report_header(self) -> list[str]:
        launch = self.launch
        pool = "in turn" if launch.sequential else f"{launch.slots} worker{'s' if launch.slots != 1 else ''}"
        pool += f", shard {launch.share} ({launch.share.split})" if launch.share is not None else ""
        gates = plural(len(launch.plan.gates), "gate")
        if launch.detected is None:
            return [f"batchgate: {gates} from {launch.config.source}, {pool}", *launch.added]
        from pytest_batchgate.plugin.detection import told

        return [f"batchgate: {gates}, {pool}", *launch.added, *told(launch.detected)]

    # --- the run ------------------------------------------------------------------

    def run(self, session: pytest.Session) -> None:
        """Run the gates; raises as pytest's own loop does when tests stop the session."""
        resolve_paths(session.config)
        self.ran = True
        bridge = Bridge(session, self.crewing.nodes)
        session.config.pluginmanager.register(bridge, "batchgate-bridge")
        dispatcher = Dispatcher(self.launch.plan, self.launch.directed(self.run_options(session.config)))
        self.pool.looks_after = leaks.matter(self.launch.plan)
        doer = Doer(self.crewing, self.command_runner)
        screen = Screen(session.config)
        listing = self.subscribe(session.config, bridge, screen, dispatcher.state.options.estimates)
        publish = masked_publish(self.bus, self.launch.masks)
        told = use_teller(publish, dispatcher, self.began)
        hearing = Hearing(bridge, self.overhearing, self.inbox, told)
        loop = Loop(
            dispatcher,
            self.pool,
            doer,
            self.inbox,
            publish=publish,
            aside=hearing.aside,
            stop_asked=bridge.stop_asked,
            began=self.began,
            stopping=lambda stop: self.name_what_runs(stop, dispatcher),
            meanwhile=lambda: self.looking.begin(self.pool, doer, self.inbox.put),
        )
        if self.history is not None:
            for text in self.history.warnings:
                self.bus.publish(Noticed(0.0, text))
        if self.launch.detected is not None and session.config.option.verbose < 0:  # there was no header
            from pytest_batchgate.plugin.detection import told_briefly

            self.crewing.notices.insert(0, told_briefly(self.launch.detected))
        for text in self.crewing.notices:
            self.bus.publish(Noticed(0.0, text))
        try:
            watched = memory_watched(self.launch.plan, self.pool, self.inbox.put)
            with signals_heeded(self.inbox.put, self.crewing), garbage.paused(), screen.shown(), watched:
                loop.run()
        finally:
            self.looking.close()
            doer.close(0.5)
            self.pool.close()
            self.clear_up()
            hearing.hear_out(LAST_WORDS_S)
            self.stop = loop.stopped_by
            self.judge(dispatcher)
            self.failed_in_run = session.testsfailed
            if listing is not None:
                listing.show()
        raise_stop(session, self.stop, dispatcher.state, bridge)

    def command_runner(self) -> CommandRunner:
        logs = log_dir(self.config, self.run_dir, self.launch.run_id)
        return make_runner(self.launch, self.inbox.put, log_dir=logs, guard=self.guard)

    def run_options(self, config: pytest.Config) -> RunOptions:
        launch = self.launch
        fail_fast = launch.options.fail_fast
        restarts = launch.config.max_worker_restarts
        return RunOptions(
            slots=launch.slots,
            sequential=launch.sequential,
            estimates=self.estimates(config),
            fail_fast=launch.config.fail_fast if fail_fast is None else fail_fast,
            continue_on_collection_errors=bool(config.option.continue_on_collection_errors),
            collect_only=bool(config.option.collectonly),
            narrowed=launch.typed.narrows or self.crewing.last_failed.only is not None,
            by_name=any("::" in path for path in launch.typed.paths),
            max_restarts=4 * launch.slots if restarts is None else restarts,
            first_workers=self.crewing.first_workers(),
            first_files=self.crewing.last_failed.first_files,
            carried=self.resumed.carried if self.resumed and not config.option.collectonly else None,
            seed=launch.run_id,
            test_limit_s=self.crewing.limits.test_limit_s,
            test_spare_s=self.crewing.limits.test_spare_s,
        )

    def subscribe(
        self, config: pytest.Config, bridge: Bridge, screen: Screen, estimates: Estimates
    ) -> Listing | None:
        """Everyone who hears of the run; the list of tests, if that is what is wanted."""
        failures = self.crewing.count_failures(self.run_dir)
        if failures is not None:
            self.bus.subscribe(failures)
        self.bus.subscribe(bridge, vital=True)
        self.bus.subscribe(self.crewing.nodes, vital=True)
        self.bus.subscribe(self.tally, vital=True)
        if self.launch.options.report_dir is not None and not config.option.collectonly:
            from pytest_batchgate.plugin.recording import subscribe_reports

            subscribe_reports(self.bus, self.launch, bridge, began=self.began, settle=self.settle)
            self.looking.wanted = lambda: True
        if not config.option.collectonly:
            record = remember(
                self.bus,
                self.launch,
                config,
                history=self.history,
                narrowed=self.launch.typed.narrows or self.launch.options.select is not None,
                resumed=self.resumed,
                folder=state_dir(config),
                bridge=bridge,
                began=self.began,
            )
            if self.looking.wanted is None and record is not None:
                self.looking.wanted = record.is_watched
        terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and config.option.collectonly:
            listing = Listing(self.launch.plan, terminal, config.option.verbose)
            self.bus.subscribe(listing)
            return listing
        if self.launch.is_github and self.launch.options.script is None:
            from pytest_batchgate.plugin.github import subscribe_github

            subscribe_github(self.bus, self.launch, bridge, began=self.began, settle=self.settle)
        self.is_silent = not screen.is_wanted  # then nothing but the exit code would tell of a failure
        if screen.is_wanted:
            narrowed = self.launch.typed.narrows or self.crewing.last_failed.only is not None
            screen.subscribe(
                self.bus,
                self.pool,
                self.launch,
                estimates,
                began=self.began,
                narrowed=narrowed,
                settle=self.settle,
            )
        for listener in self.listeners:
            self.bus.subscribe(listener)
        return None

    def estimates(self, config: pytest.Config) -> Estimates:
        folder = state_dir(config)
        if folder is None:
            return Estimates()
        self.history = History.open(folder)
        return self.history.estimates()

    # --- the end ------------------------------------------------------------------

    def heed_session(self, session: pytest.Session) -> None:
        """What came to the session from elsewhere: a hook that raised, a plugin that counted a failure."""
        if session.exitstatus == pytest.ExitCode.INTERNAL_ERROR and self.stop is None:
            self.stop = StopAsked("internal", "an internal error", 3)
        if session.testsfailed > self.failed_in_run:
            self.loose_errors += session.testsfailed - self.failed_in_run

    def judge(self, dispatcher: Dispatcher) -> None:
        state = dispatcher.state
        self.loose_errors = state.late_errors + self.leaked
        unclaimed = list(dict.fromkeys(state.unclaimed))
        if not unclaimed or self.launch.config.unclaimed == "ignore" or self.config.option.collectonly:
            return
        shown = ", ".join(unclaimed[:3]) + (f" and {len(unclaimed) - 3} more" if len(unclaimed) > 3 else "")
        text = f"{len(unclaimed)} test{'s' if len(unclaimed) > 1 else ''} that no gate takes: {shown}"
        if self.launch.config.unclaimed == "error" and self.stop is None:
            self.stop = StopAsked("usage", f"{text}. Give a gate `tests: true`, or set `unclaimed: warn`", 4)
        else:
            self.notice(text)

    def clear_up(self) -> None:
        """What tests left running belongs to nobody any more; commands' leftovers are gone already."""
        from pytest_batchgate.workers.leftovers import end_marked

        mask = self.launch.masks.text
        left = tuple(each.told(mask) for each in end_marked(run_marker(self.launch.run_id)))
        if left:
            told, failing = leaks.sort_out(self.launch.plan, left)
            self.leaked = failing
            if told:
                self.notice(leaks.notice(told))

    def name_what_runs(self, stop: StopAsked, dispatcher: Dispatcher) -> None:
        """What an interrupt met, before it is ended."""
        if stop.kind == "interrupted":
            from pytest_batchgate.plugin.atwork import interruption, what_runs

            running = what_runs(dispatcher.state, self.crewing.met or self.pool.at_work())
            if running:
                self.notice(interruption(stop.reason, running))

    def notice(self, text: str) -> None:
        self.bus.publish(Noticed(time.monotonic() - self.began, self.launch.masks.text(text)))

    def ending(self) -> Ending:
        return Ending(
            stop=self.stop,
            continue_on_collection_errors=bool(self.config.option.continue_on_collection_errors),
            nothing_is_fine=self.resumed is not None or self.launch.share is not None,
            loose_errors=self.loose_errors,
            owed=self.bus.owed,
        )

    def settle(self, result: RunResult) -> RunResult:
        """The same at a later moment, when more may have come to light."""
        return self.tally.result(result.wall_s, self.ending())

    def exit_code(self) -> int:
        return self.tally.exit_code(self.ending())

    def finish(self, session: pytest.Session) -> None:
        """After pytest's own summary: the closing table and the verdict."""
        if not self.ran or self.closed:
            return
        at = time.monotonic() - self.began
        if not session.config.option.collectonly:
            result = self.tally.result(at, self.ending())
            self.bus.publish(RunFinished(at, result))
            if result.exit_code and self.is_silent:
                told = PlainReport(lambda *_, **__: None, unicode=False).verdict_line(result)
                sys.stderr.write(f"{told}\n")
        code = self.exit_code()
        session.exitstatus = code
        for failure in self.bus.failures:
            if failure.name == PLAIN or failure.owed:  # who names the others cannot name itself
                what = failure.owed or failure.name
                sys.stderr.write(f"ERROR: {what} failed: {failure.error!r} (exit code {code})\n")
        if self.stop is not None and self.stop.kind == "usage":
            sys.stderr.write(f"ERROR: {self.stop.reason}\n")
        self.close()

    def close(self) -> None:
        """Leave nothing behind.  Idempotent."""
        if not self.closed:
            self.closed = True
            self.pool.close()
            self.guard.close()
            if self.history is not None:
                self.history.close()
            shutil.rmtree(self.run_dir, ignore_errors=True)
