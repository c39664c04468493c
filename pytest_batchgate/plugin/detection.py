"""No configuration: what was detected, told and, with `--batch-init`, written down."""

from __future__ import annotations

import os
import sys

import pytest

from pytest_batchgate.config.detect import Detected, detect
from pytest_batchgate.config.initfile import INIT_NAME, init_text
from pytest_batchgate.config.source import find_source
from pytest_batchgate.config.testlayout import PytestSettings
from pytest_batchgate.errors import ConfigError
from pytest_batchgate.report.words import harmless, plural


def detect_gates(config: pytest.Config) -> Detected:
    """The gates of a repository that configures none.  Raises ConfigError where there are none."""
    settings = PytestSettings(**{name: _words(config, name) for name in PytestSettings.__dataclass_fields__})
    return detect(config.rootpath, settings=settings)


def _words(config: pytest.Config, name: str) -> tuple[str, ...]:
    value = config.getini(name)
    # pytest gives `testpaths` and the like as lists; a plugin may have declared another type.
    return tuple(map(str, value)) if isinstance(value, list) else ()


def told(detected: Detected) -> list[str]:
    """What was found and what was left out, a line each."""
    lines = ["batchgate: no configuration, so these gates were detected (--batch-init writes them down):"]
    lines += [f"  {found}" for found in detected.found]
    if detected.left_out:
        lines.append("  left out:")
        lines += [f"    {what}: {why}" for what, why in detected.left_out]
    return [harmless(line) for line in lines]


def told_briefly(detected: Detected) -> str:
    """The same in one line, for a quiet run."""
    names = ", ".join(gate.name for gate in detected.config.gates)
    left = ", ".join(what for what, _ in detected.left_out)
    return harmless(f"detected gates: {names}" + (f"; left out: {left}" if left else ""))


def write_init(config: pytest.Config) -> int:
    """`--batch-init`: write batchgate.yaml; the exit code.  Raises ConfigError, and replaces no file."""
    source = find_source(config.rootpath, None)
    if source is not None:
        raise ConfigError(
            "the repository is configured already", where=source.display, todo="Nothing was written"
        )
    detected = detect_gates(config)
    path = config.rootpath / INIT_NAME
    try:
        # Exclusively: between the look above and here somebody else may have written one.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(init_text(detected))
    except FileExistsError:
        raise ConfigError("the file exists", where=INIT_NAME, todo="Nothing was written") from None
    except OSError as error:
        raise ConfigError(f"the file cannot be written: {error.strerror}", where=str(path)) from None
    gates = plural(len(detected.config.gates), "gate")
    sys.stdout.write("\n".join([f"wrote {INIT_NAME}: {gates}", *told(detected)[1:]]) + "\n")
    return 0
