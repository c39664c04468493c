"""The schema: one table of keys from which reading, JSON Schema and documentation come.

A new key is one row here, one field in `core.model`, one line in `build`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_batchgate.config.kinds import (
    VARIABLE_PATTERN,
    Choice,
    Duration,
    Env,
    Flag,
    InsidePath,
    Items,
    Number,
    Regex,
    Size,
    SuitePath,
    Text,
    Url,
    Whole,
    name,
)
from pytest_batchgate.config.records import (
    CountOrRecord,
    Expression,
    GateKind,
    Key,
    Record,
    Run,
    Window,
    WindowValue,
)
from pytest_batchgate.config.tree import Place
from pytest_batchgate.core.model import Breaker, Ready, Retries

_COMMANDS: frozenset[GateKind] = frozenset({"command", "service"})
_ONE_SHOT: frozenset[GateKind] = frozenset({"command"})
_TESTS: frozenset[GateKind] = frozenset({"tests"})
_ENDING: frozenset[GateKind] = frozenset({"command", "tests"})  # a service is never retried


def _table(keys: Iterable[Key]) -> Mapping[str, Key]:
    return {key.name: key for key in keys}


def _renamed(values: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key.replace("-", "_")): value for key, value in values.items()}


def _build_ready(values: dict[str, Any], place: Place) -> Ready:
    del place
    return Ready(**_renamed(values, {"timeout": "timeout_s"}))


def _build_retries(values: dict[str, Any], place: Place) -> Retries:
    del place
    return Retries(**_renamed(values, {"delay": "delay_s", "max-delay": "max_delay_s"}))


def _build_breaker(values: dict[str, Any], place: Place) -> Breaker:
    window: WindowValue = values.pop("window", WindowValue())
    if window.failures is not None:
        if values.setdefault("threshold", window.failures) != window.failures:
            raise place.child("window").error(
                f"says {window.failures} failures, and `threshold` says {values['threshold']}",
                "Remove `threshold`",
            )
        values["window"] = window.size
    return Breaker(**_renamed(values, {"cooldown": "cooldown_s"}))


READY_KEYS = _table(
    [
        Key(
            name="port", kind=Whole(1, 65535), doc="Ready when its own process tree listens on this TCP port"
        ),
        Key(name="url", kind=Url(), doc="Ready when a GET of this address answers without an error"),
        Key(name="line", kind=Regex(), doc="Ready when a line of its output matches this regular expression"),
        Key(name="timeout", kind=Duration(), default="30s", doc="How long it may take to become ready"),
    ]
)

RETRIES_KEYS = _table(
    [
        Key(name="count", kind=Whole(0, 100), doc="Runs after the first one, at most"),
        Key(name="delay", kind=Duration(positive=False), default="1s", doc="Pause before the first retry"),
        Key(
            name="backoff",
            kind=Choice(("exponential", "constant")),
            default="exponential",
            doc="Whether the pause grows by `factor` after each retry",
        ),
        Key(name="factor", kind=Number(1, 100), default="2", doc="What the pause is multiplied by"),
        Key(name="max-delay", kind=Duration(positive=False), default="60s", doc="The longest pause"),
        Key(
            name="jitter",
            kind=Flag(),
            default="true",
            doc="Vary pauses at random, so that gates do not retry in step",
        ),
        Key(
            name="on",
            kind=Items(Choice(("failed", "timed-out", "crashed")), minimum=1),
            default="[failed, timed-out, crashed]",
            doc="The states that are retried",
        ),
        Key(name="match", kind=Regex(), doc="Retry only failures whose text it finds"),
    ]
)

BREAKER_KEYS = _table(
    [
        Key(name="threshold", kind=Whole(1), default="5", doc="Failures that open the breaker"),
        Key(
            name="window",
            kind=Window(),
            default="consecutive",
            doc="`consecutive`, or `N/M`: N failures in the last M (N is then the threshold)",
        ),
        Key(
            name="cooldown",
            kind=Duration(positive=False),
            default="0s",
            doc="Pause before it is tried again; `0s`: it stays open",
        ),
        Key(name="probes", kind=Whole(1), default="1", doc="Tests that must pass to close it again"),
        Key(name="match", kind=Regex(), doc="Count only failures whose text it finds"),
    ]
)

READY = Record("`ready`", READY_KEYS, _build_ready, one_of=("port", "url", "line"))
RETRIES = Record("`retries`", RETRIES_KEYS, _build_retries, required=("count",))
BREAKER = Record("`breaker`", BREAKER_KEYS, _build_breaker)

KIND_KEYS = ("run", "tests", "paths")
"""The keys that make a gate a command or a tests gate; they have no defaults."""

GATE_KEYS = _table(
    [
        Key(
            name="run",
            kind=Run(),
            on=_COMMANDS,
            doc="The command: a string of shell words, a list of arguments, or `{shell: LINE}`",
        ),
        Key(
            name="tests",
            kind=Expression(),
            on=_TESTS,
            doc="An expression as for `pytest -m`, or `true`: every test that no other gate took",
        ),
        Key(
            name="paths",
            kind=Items(SuitePath("a file or folder inside the rootdir"), minimum=1),
            on=_TESTS,
            doc="The tests in these files and folders, narrowed by `tests` if that is given too",
        ),
        Key(
            name="needs",
            kind=Items(name("a gate's name")),
            default="[]",
            doc="Gates that must be good first; if one is not, this gate is `skipped`",
        ),
        Key(
            name="stage",
            kind=name("a stage's name"),
            doc="Its stage: for `stages` and `--batch-select stage:NAME`",
        ),
        Key(name="tags", kind=Items(name("a tag")), default="[]", doc="Labels for `--batch-select tag:NAME`"),
        Key(
            name="required",
            kind=Flag(),
            default="true",
            doc="`false`: never fails the run; satisfies `needs` once ended in any state but `skipped`",
        ),
        Key(
            name="when",
            kind=Choice(("needs-passed", "always")),
            default="needs-passed",
            doc="`always`: runs once its needs have ended, whatever their state",
        ),
        Key(
            name="priority",
            kind=Whole(-100, 100),
            default="0",
            doc="Higher first among the ready; among equals the longest remaining path first",
        ),
        Key(name="max-workers", kind=Whole(1), on=_TESTS, doc="The most workers that run it at once"),
        Key(
            name="weight",
            kind=Whole(1),
            default="1",
            on=_ONE_SHOT,
            doc="Worker slots it takes; never more than there are",
        ),
        Key(
            name="resources",
            kind=Items(Text("the name of a resource")),
            default="[]",
            doc="Names of mutexes: two gates that share one never overlap",
        ),
        Key(name="env", kind=Env(), doc="Environment variables to add"),
        Key(
            name="cwd",
            kind=InsidePath(),
            on=_COMMANDS,
            doc="Working directory, inside the rootdir, which is the default",
        ),
        Key(
            name="ready",
            kind=READY,
            on=_COMMANDS,
            doc="Makes the command a service: it runs while gates need it, and passes when it is ready",
        ),
        Key(
            name="timeout",
            kind=Duration(),
            default="30m",
            doc="For the whole gate; after it the state is `timed-out`",
        ),
        Key(
            name="grace",
            kind=Duration(positive=False),
            default="10s",
            doc="Between SIGTERM and SIGKILL; after a signal to the run, at most 3 s",
        ),
        Key(
            name="test-timeout",
            kind=Duration(),
            on=_TESTS,
            doc="For one test: its worker is replaced, the test fails, the others go on",
        ),
        Key(
            name="memory-limit",
            kind=Size(),
            doc="Resident memory of the process tree; past it the gate is killed and `failed`",
        ),
        Key(
            name="leaks",
            kind=Choice(("fail", "warn", "ignore")),
            default="warn",
            doc="What processes left behind mean for the outcome; they are always ended",
        ),
        Key(
            name="retries",
            kind=CountOrRecord(Whole(0, 100), RETRIES, lambda count: Retries(count=count)),
            default="0",
            on=_ENDING,
            doc="Retries after a failure: a number, or the keys below. Of tests, only the failed are retried",
        ),
        Key(
            name="fail-on-flaky",
            kind=Flag(),
            default="false",
            on=_ENDING,
            doc="`true`: a pass on a retry fails the gate",
        ),
        Key(
            name="breaker",
            kind=BREAKER,
            on=_ENDING,
            doc="Stops a gate that fails again and again: the keys below",
        ),
        Key(
            name="allow-empty",
            kind=Flag(),
            default="false",
            on=_TESTS,
            doc="`true`: selecting no test is fine",
        ),
        Key(
            name="parser",
            kind=name("a parser's name"),
            on=_ONE_SHOT,
            doc="What reads its output: `ruff`, `flake8`, `mypy`, `ty`, `bandit`, `pip-audit`, `sarif`, "
            "`junit`, `text`, or one from a hook. Chosen by the program when left out",
        ),
        Key(
            name="report",
            kind=InsidePath("a file inside the rootdir"),
            on=_ONE_SHOT,
            doc="A JUnit or SARIF file that it writes; missing or older than its start, the gate fails",
        ),
        Key(
            name="cache",
            kind=Choice(("auto", "on", "off")),
            default="auto",
            doc="Whether a pass is remembered while nothing it depends on changes",
        ),
        Key(
            name="inputs",
            kind=Items(Text("a file pattern")),
            doc="Files the outcome depends on, for `cache`; all that git would track by default",
        ),
    ]
)

TOP_KEYS = _table(
    [
        Key(name="version", kind=Whole(1, 1), doc="The schema's version: 1. Optional in TOML"),
        Key(
            name="workers",
            kind=Whole(0, word="auto"),
            default="auto",
            doc="Size of the pool. `auto`: the usable CPUs; `0`: everything in turn in one worker",
        ),
        Key(name="fail-fast", kind=Flag(), default="false", doc="Stop the run when a required gate fails"),
        Key(
            name="collect",
            kind=Choice(("auto", "once", "whole")),
            default="auto",
            doc="`whole` when a plugin must see all tests at once; `auto` knows which do, and says so",
        ),
        Key(
            name="unclaimed",
            kind=Choice(("error", "warn", "ignore")),
            default="error",
            doc="What tests that no gate takes mean",
        ),
        Key(
            name="max-worker-restarts",
            kind=Whole(0),
            doc="Crashed workers that are replaced, in all; 4 times `workers` by default",
        ),
        Key(
            name="stages",
            kind=Items(name("a stage's name")),
            default="[]",
            doc="Stages in order: a gate with `stage` needs every gate of the stages before it",
        ),
        Key(
            name="nested-threads",
            kind=Choice(("share", "leave")),
            default="share",
            doc="`share`: tools and libraries that start threads of their own get their worker's part of the "
            "CPUs (`OMP_NUM_THREADS` and the like), unless these are set; `leave`: nothing is set",
        ),
        Key(
            name="mask",
            kind=Items(Text("the name of a variable", VARIABLE_PATTERN)),
            default="[]",
            doc="Variables whose values (4 characters or more) show as `***` everywhere. So do those of "
            "`*TOKEN*`, `*SECRET*`, `*PASSWORD*` and `*API_KEY*` (8 or more)",
        ),
    ]
)
"""The plain keys of the file.  `defaults`, `profiles` and `gates` hold gates and are read by `load`."""

CONTAINERS: Mapping[str, str] = {
    "defaults": "Any key of a gate, for every gate that lacks it and that it fits",
    "profiles": "Named parts of a configuration; `--batch-profile NAME` merges one over the rest",
    "gates": "The gates, by name",
}
