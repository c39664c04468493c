"""What a run that is started for comparison is told: which tests, in which order, on which workers.

Written by the run that compares, read by the one it starts and by that one's workers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field

from pytest_batchgate.bench.trial import Mark, Trial
from pytest_batchgate.core.valuetypes import dataclass

LANE = "batchgate-lane-"
"""Of the groups that keep the tests of a lane on one worker: the lane's number follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """``folder`` takes the run's events.  ``workers``: 0 is in turn.

    ``order``: node ids, first to last; others come after them, or with ``only`` not at all.
    ``lanes``: the lane of a test, where there is more than one.  ``meet_s``: tests that wait
    for one another, and how long each then waits on.
    """

    folder: str
    gates: tuple[str, ...]
    workers: int
    order: tuple[str, ...] = ()
    only: bool = False
    lanes: Mapping[str, int] = field(default_factory=dict)
    meet_s: Mapping[str, float] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Of the tests in ``order``: by the last one of each, so that the last of all comes last."""
        last_first = dict.fromkeys(name.partition("::")[0] for name in reversed(self.order))
        return tuple(reversed(last_first))

    @property
    def pinned(self) -> Mapping[str, int]:
        """The worker slot of each lane's group."""
        return {lane_group(lane): lane for lane in set(self.lanes.values())}

    def by_file(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in self.files}
        for name in self.order:
            found[name.partition("::")[0]].append(name)
        return found


def lane_group(lane: int) -> str:
    return f"{LANE}{lane}"


def script_of(trial: Trial, *, folder: str, gates: tuple[str, ...]) -> Script:
    lanes = {name: number for number, lane in enumerate(trial.lanes) for name in lane}
    meet_s: dict[str, float] = {}
    if trial.meet_s is not None:
        meet_s = {lane[-1]: wait_s for lane, wait_s in zip(trial.lanes, trial.meet_s, strict=True)}
    return Script(
        folder=folder,
        gates=gates,
        workers=len(trial.lanes),
        order=tuple(dict.fromkeys(name for lane in trial.lanes for name in lane)),
        only=True,
        lanes=lanes if len(trial.lanes) > 1 else {},
        meet_s=meet_s,
        marks=trial.marks,
    )


def to_json(script: Script) -> str:
    return json.dumps(asdict(script))


def from_json(text: str) -> Script:
    """Raises ValueError or TypeError for what `to_json` did not write."""
    told = json.loads(text)
    tuples = ("gates", "order")
    told |= {name: tuple(told[name]) for name in tuples}
    told["marks"] = tuple(tuple(mark) for mark in told["marks"])
    return Script(**told)
