"""On GitHub's runner: annotations, groups of the log, and the job summary."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_batchgate.core.bus import Bus, Subscriber
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import OptionError
from pytest_batchgate.plugin.bridge import Bridge, writes_unicode
from pytest_batchgate.plugin.fence import FENCE, Fence
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.plugin.telling import BridgeTeller
from pytest_batchgate.report.annotations import MOST
from pytest_batchgate.report.github import GithubReport, Group, script
from pytest_batchgate.report.settled import Settle, Settled
from pytest_batchgate.report.summary import Summary
from pytest_batchgate.report.tail import tail
from pytest_batchgate.store.change import changed_files

ANNOTATIONS = "BATCHGATE_ANNOTATIONS"
SUMMARY = "BATCHGATE_SUMMARY"
MOST_SUMMARY_BYTES = 1024 * 1024  # of a step; of a longer one GitHub shows nothing
_LOG_BYTES = 512 * 1024  # read from the end of a log


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``annotations``: most of a level, 0..10.  ``workspace``: where the repository was checked out."""

    annotations: int
    summary: bool
    workspace: Path | None


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Raises OptionError for a value that is none."""
    given = environ.get(ANNOTATIONS, "").strip() or str(MOST)
    if not (given.isascii() and given.isdigit() and int(given[:9]) <= MOST):
        raise OptionError(
            f"{given!r} is no number from 0 to {MOST}",
            where=ANNOTATIONS,
            todo="It says how many annotations of a kind GitHub shows",
        )
    summary = environ.get(SUMMARY, "").strip().lower() or "true"
    if summary not in {"true", "false"}:
        raise OptionError(f"{summary!r} is neither true nor false", where=SUMMARY, todo="Write one of them")
    workspace = environ.get("GITHUB_WORKSPACE")
    return Settings(
        annotations=int(given), summary=summary == "true", workspace=Path(workspace) if workspace else None
    )


def subscribe_github(bus: Bus, launch: Launch, bridge: Bridge, *, began: float, settle: Settle) -> None:
    """Before the closing table is subscribed: the verdict stays the last line.

    ``began``: `time.monotonic` at the run's start.  ``settle``: as `Settled` has it.
    """
    settings = read_settings(os.environ)
    fence = bridge.config.stash[FENCE]
    teller = BridgeTeller(bridge, epoch_s=time.time() - (time.monotonic() - began))
    terminal: Any = bridge.config.pluginmanager.get_plugin("terminalreporter")
    unicode = terminal is None or writes_unicode(terminal)
    subscribers: list[Subscriber] = []
    if settings.summary and (path := fence.hidden.get("GITHUB_STEP_SUMMARY")):
        subscribers.append(Settled(JobSummary(Path(path), teller), settle))
    subscribers.append(
        GithubReport(
            _speaker(fence),
            teller,
            tail=lambda path, most: tail(path, unicode=unicode, lines=most, read_bytes=_LOG_BYTES),
            most=settings.annotations,
            place=placed(launch.rootdir, settings.workspace),
            changed=_changed(launch, settings),
            groups=groups_logs(bridge.config),
            unicode=unicode,
        )
    )
    retried = any(gate.retries.count for gate in launch.plan.claims)
    for subscriber in subscribers:
        if retried:
            from pytest_batchgate.report.attempts import Attempts

            bus.subscribe(Attempts(subscriber))
        else:
            bus.subscribe(subscriber)


def groups_logs(config: Any) -> bool:
    """Unless nearly nothing is to be printed (``-qq``)."""
    return bool(config.option.verbose > -2)


def _speaker(fence: Fence) -> Callable[[Sequence[Group], Sequence[str]], None]:
    def speak(groups: Sequence[Group], orders: Sequence[str]) -> None:
        if groups or orders:
            fence.speak(script(groups, orders, lambda: uuid.uuid4().hex))

    return speak


class JobSummary(Summary):
    """`summary.md`, appended to what the steps of a job show in common."""

    name = "GitHub's job summary"

    def __init__(self, path: Path, teller: BridgeTeller) -> None:
        super().__init__(self._append, teller)
        self._path = path

    def _append(self, page: bytes) -> None:
        """Raises OSError, also where the page would make GitHub show nothing at all."""
        with self._path.open("ab") as file:
            if file.tell() + len(page) > MOST_SUMMARY_BYTES:
                raise OSError("with this one it would be longer than the 1 MiB that GitHub shows")
            file.write(page)


def placed(rootdir: Path, workspace: Path | None) -> Callable[[str], str | None]:
    """Paths as they are called from the workspace; None outside of it.

    Relative ones are meant from the rootdir, which may be a folder of the workspace.  Where the
    rootdir lies elsewhere it is taken for the repository's top.
    """
    root = os.path.realpath(rootdir)
    top = os.path.realpath(workspace) if workspace is not None else root
    if not Path(root).is_relative_to(top):
        top = root

    def place(path: str) -> str | None:
        here = os.path.normpath(os.path.join(root, path))  # noqa: PTH118 -- paths are texts here
        for base, stands_for in ((str(rootdir), root), (str(workspace), top)):
            if here.startswith(f"{base}/"):  # a link led to it
                here = stands_for + here[len(base) :]
        return here[len(top) + 1 :] if here.startswith(f"{top}/") else None

    return place


def _changed(launch: Launch, settings: Settings) -> Callable[[], Collection[str]]:
    environ = dict(os.environ)  # before a conftest changes it
    top = Path(os.path.realpath(settings.workspace or launch.rootdir))

    def changed() -> Collection[str]:
        return changed_files(top, environ)

    return changed
