"""Small repositories that use one plugin of others, run by plain pytest and by `--batch-gates`.

The files beside this one are called ``eco_*.py`` so that an ordinary run leaves them alone:
they need the plugins that they are about, and `.ci/ecosystem` makes environments that have them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "plugin"))

from plugin_kit import Ran, Repo, assert_same

__all__ = ["Home", "Ran", "assert_same", "section"]


class Home(Repo):
    """A repository in whose runs the named plugins are all there is beside ours.

    They are loaded by their entry points, as pytest loads them by itself where nothing
    else is installed.
    """

    always = ()

    def __init__(self, root: Path, *plugins: str) -> None:
        super().__init__(root / "repo")
        self._plugins = plugins

    def _run(self, argv: Sequence[str], shown: Sequence[str], env: Mapping[str, str] | None, cwd: str) -> Ran:
        alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **(env or {})}
        names = self._plugins if "no:batchgate" in argv else (*self._plugins, "batchgate")
        loaded = [word for name in names for word in ("-p", name)]
        return super()._run([*loaded, *argv], shown, alone, cwd)


def section(ran: Ran, begin: str, end: str = "") -> list[str]:
    """The lines after the first that contains ``begin``, up to one with ``end``, or an empty one."""
    lines = iter(ran.lines)
    for line in lines:
        if begin in line:
            break
    found = []
    for line in lines:
        if (end and end in line) or not (end or line.strip()):
            break
        found.append(line.rstrip())
    return found
