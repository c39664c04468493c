"""Lines for what runs whole runs and has no session of its own: `--batch-verify`, `--batch-benchmark`."""

from __future__ import annotations

import sys

import pytest
from _pytest.config import create_terminal_writer

from pytest_batchgate.report.words import clip, harmless

_WIDTH = 500  # characters of a line with words of others in it


class Lines:
    """Written as pytest's own are; ``verbosity`` as its ``-v`` and ``-q`` count it."""

    def __init__(self, config: pytest.Config) -> None:
        self._writer = create_terminal_writer(config, sys.stdout)
        self.verbosity: int = config.option.verbose
        self.unicode = (sys.stdout.encoding or "ascii").lower().replace("-", "").startswith("utf")

    def line(self, text: str, **markup: bool) -> None:
        """One line, harmless and clipped, seen at once.  ``markup``: red, green, yellow, bold."""
        self._writer.line(clip(harmless(text, unicode=self.unicode), _WIDTH), **markup)
        self._writer.flush()
