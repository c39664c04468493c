"""What else is around: other plugins, pytest's own configuration, CI, variables, optional programs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata

from pytest_batchgate.doctor.check import Check, Section
from pytest_batchgate.doctor.versions import version_of

SECTION = Section("surroundings")

_WORKERS = re.compile(r"-n\S*|--numprocesses(=.*)?|--dist=.*")
# Services that run jobs, by the variable each of them sets.
_CI = {
    "GITHUB_ACTIONS": "GitHub Actions",
    "GITLAB_CI": "GitLab CI",
    "JENKINS_URL": "Jenkins",
    "BUILDKITE": "Buildkite",
    "CIRCLECI": "CircleCI",
    "TF_BUILD": "Azure Pipelines",
    "TEAMCITY_VERSION": "TeamCity",
    "TRAVIS": "Travis CI",
    "BITBUCKET_BUILD_NUMBER": "Bitbucket Pipelines",
    "CI": "a CI service",
}
_TELLING = {
    "PYTHONDONTWRITEBYTECODE": (
        "every worker compiles every module again",
        "Unset it: with compiled modules at hand workers start faster",
    ),
    "PYTHONPROFILEIMPORTTIME": ("every worker prints its imports", "Unset it"),
    "BATCHGATE_BRIDGE": ("chooses how reports reach pytest's hooks", "Unset it unless you look for a fault"),
    "BATCHGATE_GC": ("changes when garbage is collected", "Unset it unless you look for a fault"),
}


def check_surroundings(environ: Mapping[str, str], addopts: Sequence[str]) -> Iterator[Check]:
    """``addopts``: the words of the ini file's."""
    yield from _plugins()
    yield from _options(environ, addopts)
    service = next((text for name, text in _CI.items() if environ.get(name)), None)
    yield SECTION.ok("ci", f"{service}" if service is not None else "none seen")
    for name, (text, todo) in _TELLING.items():
        if environ.get(name):
            yield SECTION.note(name, f"is set: {text}", todo)
    if environ.get("BATCHGATE"):
        gate = environ.get("BATCHGATE_GATE", "?")
        yield SECTION.note("BATCHGATE", f"is set: this runs inside gate {gate!r} of another run")
    yield from _optional()


def _plugins() -> Iterator[Check]:
    from pytest_batchgate.plugin.whole import PLUGINS

    names = {point.dist.name for point in metadata.entry_points(group="pytest11") if point.dist is not None}
    installed = {re.sub(r"[-_.]+", "-", name).lower() for name in names}
    needy = sorted(installed & PLUGINS.keys())
    for name in needy:
        when = "when its options are used" if PLUGINS[name] else "always"
        text = f"must see all tests at once: with it every worker collects everything ({when})"
        yield SECTION.note(name, text, "`collect: once` forbids that; uninstall it if nobody uses it")
    others = sorted(installed - set(needy) - {"pytest-batchgate"})
    yield SECTION.ok("plugins", ", ".join(others) if others else "no others")


def _options(environ: Mapping[str, str], addopts: Sequence[str]) -> Iterator[Check]:
    text = environ.get("PYTEST_ADDOPTS", "")
    try:
        typed = shlex.split(text)
    except ValueError as error:
        yield SECTION.problem("PYTEST_ADDOPTS", f"cannot be split into words: {error}", "Close the quote")
        return
    if any(_WORKERS.fullmatch(word) for word in typed):
        todo = "Remove it: the gates have their own workers (--batch-workers=N)"
        yield SECTION.problem("PYTEST_ADDOPTS", "`-n` there counts as typed, and is refused", todo)
    if any(_WORKERS.fullmatch(word) for word in addopts):
        yield SECTION.note("addopts", "`-n` there is ignored: the gates have their own workers")
    for word in ("--pdb", "--trace", "--sw", "--stepwise", "--setup-show"):
        if word in addopts or word in typed:
            todo = f"Remove `{word}` from addopts and PYTEST_ADDOPTS"
            yield SECTION.problem("addopts", f"`{word}` cannot work across worker processes", todo)


def _optional() -> Iterator[Check]:
    rich = version_of("rich")
    yield SECTION.ok("rich", rich if rich is not None else "not installed (optional)")
    git = shutil.which("git")
    if git is None:
        yield SECTION.note("git", "not found", "Nothing needs it yet; what compares with a commit will")
        return
    try:
        done = subprocess.run([git, "--version"], capture_output=True, timeout=10, check=False, text=True)
        told = done.stdout.strip().removeprefix("git version ")
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        yield SECTION.note("git", f"{git} does not answer: {type(error).__name__}", "Mend or remove it")
    else:
        yield SECTION.ok("git", f"{git}, {told}")
