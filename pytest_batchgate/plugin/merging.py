"""`batchgate merge`: the reports of shards joined into those of one run, and judged."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_batchgate import __version__
from pytest_batchgate.core.bus import Bus, Subscriber
from pytest_batchgate.core.events import Event, GateFinished, Noticed, RunFinished, RunResult, RunStarted
from pytest_batchgate.core.joining import Joined, Part, faults, join
from pytest_batchgate.core.model import GateName
from pytest_batchgate.core.tally import Tally
from pytest_batchgate.errors import OptionError, ReportError
from pytest_batchgate.plugin.reporting import JOURNAL, clear, ready_folder, tool_of
from pytest_batchgate.report.attempts import Attempts
from pytest_batchgate.report.htmlreport import HtmlReport
from pytest_batchgate.report.journal import Journal
from pytest_batchgate.report.jsonreport import JsonReport
from pytest_batchgate.report.junit import JunitReport
from pytest_batchgate.report.plain import PlainReport
from pytest_batchgate.report.replay import ReplayTeller, is_whole, read_part
from pytest_batchgate.report.sarif import SarifReport
from pytest_batchgate.report.settled import Settle, Settled
from pytest_batchgate.report.summary import Summary
from pytest_batchgate.report.trace import TraceReport
from pytest_batchgate.store.files import write_atomically

LOGS = "logs"


def merge(folders: Sequence[Path], out: Path | None) -> int:
    """Join the parts in ``folders``, print how the whole ended, write its reports to ``out``; the exit code.

    Raises OptionError if nothing can be written to ``out``, ReportError where not one part can be read.
    """
    paths = list(dict.fromkeys(path for folder in folders for path in _journals(folder, out)))
    if out is not None:
        if any(path.parent.resolve() == out.resolve() for path in paths):
            raise OptionError(
                f"{out} holds the reports of a shard", where="--out", todo="Name another folder"
            )
        out = ready_folder(Path.cwd(), out, option="--out")
    claims: dict[str, int] = {}
    epoch_s: list[float] = []
    parts: list[Part] = []
    problems: list[str] = []
    for path in paths:
        with _collected(problems):
            parts.append(read_part(path, shown=str(path.parent), claims=claims, epoch_s=epoch_s))
    if not parts:
        raise ReportError("there is nothing to join", todo="; ".join(problems))
    names = [GateName(name) for name in claims]
    problems += faults(parts, names)
    with contextlib.ExitStack() as stack:
        if out is None:
            logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batchgate-merge-")))
        else:
            clear(out)
            logs = out / LOGS
        joined = _with_logs(join(parts, names, problems), parts, logs)
        bus = Bus()
        tally = Tally(joined.plan)

        def settle(_: RunResult) -> RunResult:
            return _result(tally, bus, joined)

        bus.subscribe(tally, vital=True)
        if out is not None:
            source = parts[0].source
            _subscribe_reports(bus, out, joined, settle, source=source, epoch_s=epoch_s[0], stack=stack)
        brief = _Brief(problems, logs_stay=out is not None)
        bus.subscribe(Settled(brief, settle), vital=True)
        return _publish(bus, tally, joined)


@contextlib.contextmanager
def _collected(problems: list[str]) -> Iterator[None]:
    """A part that cannot be read is one problem more; the others are judged as well."""
    try:
        yield
    except ReportError as problem:
        problems.append(str(problem))


def _journals(folder: Path, out: Path | None) -> list[Path]:
    """Of a report folder its own; of a folder of report folders theirs.

    What an earlier merge left in ``out`` is no part: it is about to be written anew.
    """

    def is_part(path: Path) -> bool:
        return out is None or path.parent.resolve() != out.resolve() or not is_whole(path)

    own = folder / JOURNAL
    if own.is_file() and is_part(own):
        return [own]
    return [path for path in sorted(folder.glob(f"*/{JOURNAL}")) if is_part(path)] or [own]


def _with_logs(joined: Joined, parts: Sequence[Part], folder: Path) -> Joined:
    """The ends of logs as files: the logs themselves stayed where the commands ran."""
    events: list[Event] = []
    for event in joined.events:
        if isinstance(event, GateFinished) and event.report.log_path is not None:
            name = event.report.name
            lines = next((part.logs[name] for part in parts if part.logs.get(name)), ())
            path = None
            if lines:
                folder.mkdir(exist_ok=True)
                path = str(folder / f"{name}.log")
                write_atomically(Path(path), "\n".join(lines) + "\n")
            event = replace(event, report=replace(event.report, log_path=path))  # noqa: PLW2901
        events.append(event)
    return replace(joined, events=tuple(events))


def _publish(bus: Bus, tally: Tally, joined: Joined) -> int:
    for event in joined.events:
        bus.publish(event)
    bus.publish(RunFinished(joined.ended_s, _result(tally, bus, joined)))
    for failure in bus.failures:
        sys.stderr.write(f"ERROR: {failure.owed or failure.name} failed: {failure.error!r}\n")
    return _result(tally, bus, joined).exit_code


def _result(tally: Tally, bus: Bus, joined: Joined) -> RunResult:
    """As things stand: a report that was asked for and could not be written fails the run."""
    return tally.result(joined.ended_s, replace(joined.ending, owed=bus.owed))


class _Brief:
    """What went on in the shards was told there: here what is amiss, how the gates ended, and the verdict."""

    name = PlainReport.name

    def __init__(self, problems: Collection[str], *, logs_stay: bool) -> None:
        encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
        width = shutil.get_terminal_size((100, 24)).columns
        self._plain = PlainReport(
            _print, width=width, unicode=encoding.startswith("utf"), logs_stay=logs_stay
        )
        self._problems = frozenset(problems)

    def handle(self, event: Event) -> None:
        is_wanted = isinstance(event, (RunStarted, GateFinished, RunFinished))
        if is_wanted or (isinstance(event, Noticed) and event.text in self._problems):
            self._plain.handle(event)


def _print(text: str, /, **_markup: bool) -> None:
    with contextlib.suppress(OSError):  # nobody reads: reports and the verdict are still to come
        print(text, flush=True)


def _subscribe_reports(
    bus: Bus,
    out: Path,
    joined: Joined,
    settle: Settle,
    *,
    source: str,
    epoch_s: float,
    stack: contextlib.ExitStack,
) -> None:
    """The same reports that a run writes.  ``epoch_s``: 0 on the clock that the parts share."""
    started_unix_s = epoch_s + joined.began_s
    teller, run_id = ReplayTeller(joined.began_s), uuid.uuid4().hex

    def writer(name: str) -> Callable[[bytes], None]:
        return lambda content: write_atomically(out / name, content)

    file = stack.enter_context((out / JOURNAL).open("wb"))
    junit = JunitReport(writer("junit.xml"), teller, started_unix_s=started_unix_s)
    stack.callback(junit.close)
    journal = Journal(file.write, teller, run_id=run_id, started_unix_s=started_unix_s)
    others: list[Subscriber] = [
        junit,
        JsonReport(writer("report.json"), run_id=run_id),
        SarifReport(writer("findings.sarif"), tool_of=tool_of, fallback=source, version=__version__),
        TraceReport(writer("trace.json"), teller, run_id=run_id),
        # The last ones, for they tell the verdict.
        Settled(HtmlReport(writer("report.html"), teller, run_id=run_id), settle),
        Settled(Summary(writer("summary.md"), teller), settle),
    ]
    every: list[Subscriber] = [journal, *map(Attempts, others)]
    for subscriber in every:
        bus.subscribe(subscriber, owed=str(out / subscriber.name))
