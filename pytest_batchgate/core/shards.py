"""One run on several machines: which of them runs a file, and which one a command.

Every shard must come to the same answer by itself, whatever its own record says.  So a file's shard
is a matter of `shards.json`, which one machine wrote for all of them (`split`), and of the file's path
alone where that names none (`by_hash`): a file that is newer than the plan still runs in exactly one.

Commands belong to the first shard.  What tests gates need runs in each shard, for it is needed
there; of the others' commands a test may still ask by a marker (`sparing`).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import field

from pytest_batchgate.core.model import Estimates, GateName
from pytest_batchgate.core.plan import Plan
from pytest_batchgate.core.valuetypes import dataclass

MOST_SHARDS = 256  # the jobs that GitHub lets a matrix have
FIRST = 1  # the shard that commands belong to
# A job bills whole minutes and takes some of them to set up: less work than this is not worth another.
WORTH_A_SHARD_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What shard ``index`` of ``count`` runs, from 1.

    ``assigned``: the shard of each file that was planned for; others go by their path.
    ``split``: what that plan is called, the same in all shards that have the same one.
    """

    index: int
    count: int
    assigned: Mapping[str, int] = field(default_factory=dict)
    split: str = "by path"

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def shard_of(self, path: str) -> int:
        return self.assigned.get(path) or by_hash(path, self.count)

    def owns(self, path: str) -> bool:
        return self.shard_of(path) == self.index


def by_hash(path: str, count: int) -> int:
    """The shard, from 1, of a file that nobody planned for: the same on every machine."""
    return zlib.crc32(path.encode("utf-8", "surrogateescape")) % count + 1


def split(files: Mapping[str, float], count: int, *, first_s: float = 0.0) -> dict[str, int]:
    """The shard, from 1, of each file: longest first, each to the shard with the least to do.

    ``files``: expected seconds.  ``first_s``: what the first shard has to do besides.  No shard
    exceeds another by more than its longest file (the first one: or ``first_s``).
    """
    loads = [0.0] * count
    loads[FIRST - 1] = first_s
    numbers = [0] * count
    assigned = {}
    for path in sorted(files, key=lambda path: (-files[path], path)):
        # Of equally loaded shards the one with fewer files: those that take no time spread, too.
        least = min(range(count), key=lambda shard: (loads[shard], numbers[shard], shard))
        loads[least] += files[path]
        numbers[least] += 1
        assigned[path] = least + 1
    return assigned


def expected_files(estimates: Estimates) -> dict[str, float]:
    """Seconds that each recorded file takes, its collection included."""
    return {path: took_s + estimates.collects.get(path, 0.0) for path, took_s in estimates.files.items()}


def worth_s(plan: Plan, estimates: Estimates) -> float:
    """Expected seconds of what the first shard alone does."""
    spare = spare_commands(plan)
    return sum(estimates.commands.get(name, 0.0) for name in spare if not plan.gate(name).is_service)


def worth(files: Mapping[str, float], first_s: float) -> int:
    """How many shards are worth their start, by record; 1 without one."""
    count = round((sum(files.values()) + first_s) / WORTH_A_SHARD_S)
    return max(1, min(count, len(files), MOST_SHARDS))


def spare_commands(plan: Plan) -> frozenset[GateName]:
    """Commands that no tests gate needs: the first shard's, unless a test asks for one by a marker."""
    needed: set[GateName] = set()
    todo = [gate.name for gate in plan.gates if gate.kind == "tests"]
    while todo:
        for need in plan.needs[todo.pop()]:
            if need not in needed:
                needed.add(need)
                todo.append(need)
    return frozenset(gate.name for gate in plan.gates if gate.kind == "command" and gate.name not in needed)


def spared(plan: Plan, share: Share) -> frozenset[GateName]:
    """Commands that the shard leaves to the first one."""
    return frozenset() if share.index == FIRST else spare_commands(plan)
