"""`--batch-resume`: may the last run be continued, and what of it stands."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pytest_batchgate.core.carry import Carried, differences, listed, what_to_carry
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.errors import OptionError
from pytest_batchgate.plugin.identity import (
    CONFIGURATION,
    CONTENT,
    DEPENDENCIES,
    WRITES,
    content_of,
    identity_of,
)
from pytest_batchgate.plugin.launch import Launch
from pytest_batchgate.report.words import plural
from pytest_batchgate.store.checkpoint import NAME, Identity
from pytest_batchgate.store.content import appeared_meanwhile
from pytest_batchgate.store.pastrun import Past, read_past

OPTION = "--batch-resume"
_WHOLE = "Run without it"
# What a test was writing while its run was killed is a little newer than the last that was heard of it.
_AFTER_A_KILL_S = 1.0
_OTHER = {
    CONTENT: "was of other content",
    CONFIGURATION: "had another configuration",
    DEPENDENCIES: "had other dependencies",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The run that is continued, what of it is carried, and what this one is of."""

    past: Past
    carried: Carried
    identity: Identity
    notices: tuple[str, ...]


def resume(launch: Launch, config: Any, folder: Path | None) -> Resumed:
    """Raises OptionError where there is nothing that could be continued.

    ``folder``: ours in pytest's cache; None where that is switched off.
    """
    if folder is None:
        raise OptionError(
            "pytest's cache is switched off, and with it the record of the last run",
            where=OPTION,
            todo=_WHOLE,
        )
    past = read_past(folder / NAME)
    if past is None:
        raise OptionError("there is no run to continue", where=OPTION, todo=_WHOLE)
    if past.identity is None:
        raise OptionError("the last run ended before it was known what it was of", where=OPTION, todo=_WHOLE)
    now, tolerated = _now(launch, config, past, past.identity)
    for kind, words in _OTHER.items():
        before = tolerated if kind == CONTENT else past.identity.get(kind, {})
        found = differences(before, now[kind])
        if found:
            raise OptionError(f"the last run {words}: {listed(found)}", where=OPTION, todo=_WHOLE)
    carried = what_to_carry(past.run, launch.plan)
    left = sorted(name for name, value in tolerated.items() if past.identity[CONTENT].get(name) != value)
    notices = [_told(past, carried)]
    if left:
        notices.append(f"taken for what the last run left behind: {listed(left)}")
    return Resumed(past=past, carried=carried, identity=now, notices=tuple(notices))


def _now(launch: Launch, config: Any, past: Past, identity: Identity) -> tuple[Identity, dict[str, str]]:
    """What this run is of, and the last one's content if it left behind what seems to be from it."""
    try:
        content = content_of(launch, config, identity.get(WRITES, {}))
    except OSError as error:
        words = f"the content cannot be read: {error.strerror or error}"
        raise OptionError(words, where=OPTION, todo=_WHOLE) from None
    last_s = past.last_s + (0.0 if past.ended else _AFTER_A_KILL_S)
    before = content.without(identity.get(CONTENT, {}))
    tolerated = appeared_meanwhile(before, content, started_s=past.started_unix_s, last_s=last_s)
    now = identity_of(launch, config, content, since_s=None)
    return now, tolerated


def _told(past: Past, carried: Carried) -> str:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(past.started_unix_s))
    what = f"{plural(carried.count, 'test')} and {plural(len(carried.commands), 'command')}"
    return f"continues the run of {began}: {what} carried"
