"""Warnings: counted and shown as by plain pytest, whatever the number of workers."""

from __future__ import annotations

import re

import pytest
from plugin_kit import Ran, Repo, assert_same

pytestmark = pytest.mark.integration


def summary(ran: Ran) -> list[str]:
    """The lines of the warnings summary that name a warning, sorted."""
    return sorted(
        line for line in ran.section("warnings summary").splitlines() if re.search(r":\d+: \w+", line)
    )


def test_each_warning_is_told_once(repo: Repo) -> None:
    """At import of a conftest, of a module, while collecting, in a fixture, in a test; from ini and hooks."""
    repo.write("pytest.ini", "[pytest]\nno_such_key = 1\nfilterwarnings =\n    ignore::FutureWarning\n")
    repo.write(
        "conftest.py",
        """\
        import warnings
        warnings.warn("at import")
        def pytest_configure(config): config.issue_config_time_warning(UserWarning("at configure"), 2)
        def pytest_collection_modifyitems(items):
            for item in items: item.warn(UserWarning("item " + item.name))
        """,
    )
    repo.write("sub/conftest.py", "import warnings\nwarnings.warn('sub', DeprecationWarning)\n")
    repo.write("sub/test_s.py", "def test_s(): pass\n")
    repo.files(
        test_a="""
        import warnings
        import pytest
        for _ in range(3):
            warnings.warn("thrice", DeprecationWarning)
        class Mine(UserWarning): pass
        def test_mine(): warnings.warn(Mine("mine é"))
        def test_ignored(): warnings.warn("x", FutureWarning)
        def test_same(): warnings.warn("same"); warnings.warn("same")
        @pytest.fixture
        def f():
            yield
            warnings.warn("in teardown")
        @pytest.mark.no_such_mark
        def test_f(f): pass
        """,
        test_b="import warnings\nwarnings.warn('b')\nclass TestX:\n    def __init__(self): pass\n",
        test_c="def test_c(): pass",
    )
    plain, gates = repo.both()
    assert_same(plain, gates, code=0)
    assert summary(plain) == summary(gates), f"{plain}\n{gates}"
    assert summary(gates)


def test_warnings_made_errors(repo: Repo) -> None:
    repo.files(
        test_a="import warnings\n"
        "def test_a(): warnings.warn('x')\n"
        "def test_b(): warnings.warn('y', FutureWarning)",
        test_b="import warnings\ndef test_c(): warnings.warn('z', DeprecationWarning)",
    )
    assert_same(*repo.both("-W", "error::UserWarning", "-W", "ignore::FutureWarning"), code=1)
