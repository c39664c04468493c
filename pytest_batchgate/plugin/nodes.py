"""Workers as plugins know them from pytest-xdist: `pytest_configure_node` and its kin.

pytest-cov, pytest-rerunfailures, pytest-django and others speak to a worker through
a node: they add to ``node.workerinput`` before it starts and read ``node.workeroutput``
when it is gone.  A `Node` has what they use of xdist's, and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_batchgate.core.events import Event, WorkerStopped
from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.workers import wire


@dataclass(eq=False)
class Gateway:
    """Stands in for the execnet gateway of one worker."""

    id: str
    spec: Any  # execnet's XSpec
    info: Mapping[str, Any] = field(default_factory=dict)

    def _rinfo(self) -> SimpleNamespace:
        """What execnet knows of the other side, as far as the worker has told it."""
        known = {
            "platform": sys.platform,
            "version_info": tuple(sys.version_info),
            "executable": sys.executable,
            "cwd": os.getcwd(),  # noqa: PTH109 (text is what execnet gives)
            "pid": None,
        }
        told = {name: self.info[name] for name in ("version_info", "executable", "cwd") if name in self.info}
        return SimpleNamespace(**{**known, **told, "platform": self.info.get("sysplatform", sys.platform)})


@dataclass(eq=False)
class Node:
    """Stands in for xdist's ``WorkerController``."""

    config: pytest.Config
    gateway: Gateway
    nodemanager: SimpleNamespace
    workerinput: dict[str, Any]
    workeroutput: dict[str, Any] = field(default_factory=dict)
    workerinfo: Mapping[str, Any] | None = None
    shutting_down: bool = False

    def __repr__(self) -> str:
        return f"<Node {self.gateway.id}>"


class Nodes:
    """A subscriber that calls xdist's hooks for the workers of a run."""

    name = "hooks of xdist"

    def __init__(self, specs: Sequence[Any], run_id: str) -> None:
        """``specs``: an execnet XSpec per slot."""
        self._specs = list(specs)
        self._run_id = run_id
        self._manager: SimpleNamespace | None = None
        # A slot's next worker may be configured before the end of the last one is told.
        self._nodes: dict[str, list[Node]] = {}
        self._count = 0  # of workers that came up, or were lost

    def configure(self, config: pytest.Config, slot: int, workerinput: dict[str, Any]) -> dict[str, Any]:
        """Let plugins add to what the worker is told; returns that, as builtins."""
        if self._manager is None:
            self._manager = SimpleNamespace(
                config=config, specs=self._specs, roots=[], testrunuid=self._run_id, group=None
            )
            config.option.numprocesses = len(self._specs)
            config.hook.pytest_xdist_setupnodes(config=config, specs=self._specs)
        gateway = Gateway(f"gw{slot}", self._specs[slot])
        node = Node(config, gateway, self._manager, workerinput)
        self._nodes.setdefault(gateway.id, []).append(node)
        config.hook.pytest_xdist_newgateway(gateway=gateway)
        config.hook.pytest_configure_node(node=node)
        if hasattr(config.option, "randomly_seed"):  # also with `-p no:xdist`, where nobody else tells it
            node.workerinput.setdefault("randomly_seed", config.option.randomly_seed)
        plain: dict[str, Any] = wire.plain(node.workerinput)
        return plain

    def ready(self, worker: str, info: Mapping[str, Any]) -> None:
        node = self._nodes[worker][-1]
        node.workerinfo = node.gateway.info = {**info, "id": worker, "spec": node.gateway.spec}
        self._counted(node.config)
        node.config.hook.pytest_testnodeready(node=node)

    def ended(self, worker: str, output: Mapping[str, Any]) -> None:
        """The worker's last words; `WorkerStopped` follows."""
        self._nodes[worker][0].workeroutput = dict(output)

    def handle(self, event: Event) -> None:
        if isinstance(event, WorkerStopped) and self._nodes.get(event.worker):
            node = self._nodes[event.worker].pop(0)
            node.shutting_down = True
            if node.workerinfo is None and event.reason is None:
                return  # dropped before it was up: nobody waited for what it would have said
            if node.workerinfo is None:
                self._counted(node.config)
            node.config.hook.pytest_testnodedown(node=node, error=event.reason)

    def _counted(self, config: pytest.Config) -> None:
        """From how many workers something is to be heard: syrupy deletes no snapshot while one is missing."""
        self._count += 1
        config.option.numprocesses = self._count
