"""From samples, which count CPU from the start of each process, to how much is used at a time.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pytest_batchgate.core.events import CommandUse, Sampled, WorkerUse
from pytest_batchgate.core.model import GateName


class Load(NamedTuple):
    """``cores``: CPU seconds per second."""

    cores: float
    rss_bytes: int


class Loads:
    """How busy everything was between the last two samples."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, float, Load]] = {}  # when, the CPU until then, and what followed
        self.workers: dict[str, Load] = {}
        self.commands: dict[GateName, Load] = {}
        self.doing: dict[str, WorkerUse] = {}  # what each worker was seen doing

    def take(self, event: Sampled) -> None:
        before, self._seen = self._seen, {}
        self.doing = {use.worker: use for use in event.workers}
        self.workers = {use.worker: self._load(use.worker, use, event.at, before) for use in event.workers}
        self.commands = {
            # no worker is called like this
            use.gate: self._load(f"gate {use.gate}", use, use.looked_at, before)
            for use in event.commands
        }

    def _load(
        self,
        name: str,
        use: WorkerUse | CommandUse,
        at: float,
        before: Mapping[str, tuple[float, float, Load]],
    ) -> Load:
        seen_at, cpu_s, load = before.get(name, (at, use.cpu_s, Load(0.0, 0)))
        cores = load.cores  # until it is looked at again
        if at > seen_at:
            cores = max(0.0, use.cpu_s - cpu_s) / (at - seen_at)  # less CPU: another process by now
        load = Load(cores, use.rss_bytes)
        self._seen[name] = (at, use.cpu_s, load)
        return load

    def of_gate(self, gate: GateName) -> Load | None:
        """A command's, or that of the workers which run tests of this gate; None if nothing is known."""
        if gate in self.commands:
            return self.commands[gate]
        loads = [self.workers[name] for name, use in self.doing.items() if use.gate == gate]
        if not loads:
            return None
        return Load(sum(load.cores for load in loads), sum(load.rss_bytes for load in loads))
