"""What pytest's summary and JUnit report say of a nasty suite, by workers as by plain pytest."""

from __future__ import annotations

import pytest
from plugin_kit import Repo, assert_same

pytestmark = pytest.mark.integration

NASTY = """\
    import enum, logging, sys
    import pytest

    class Colour(enum.Enum):
        RED = 1

    class Odd:
        def __repr__(self):
            return "<Odd>"

    class Badly:
        def __repr__(self):
            raise RuntimeError("no repr")

    def test_properties(record_property):
        for number, value in enumerate(
            [Colour.RED, {1}, Odd(), "a\\udc80b", b"\\xff", None, 1.5, {"a": [1, (2, {3})]}, "\\x00é"]
        ):
            record_property(f"p{number}", value)

    def test_attribute(record_xml_attribute):
        record_xml_attribute("assertions", "7")

    @pytest.fixture(scope="session", autouse=True)
    def suite(record_testsuite_property):
        record_testsuite_property("suite", "said once")

    @pytest.mark.skip
    def test_skip(): pass

    @pytest.mark.skipif(True, reason="cond")
    def test_skipif(): pass

    def test_skip_inside(): pytest.skip("inside")

    def test_importorskip(): pytest.importorskip("no_such_module")

    @pytest.mark.xfail
    def test_xfail(): assert 0

    @pytest.mark.xfail(strict=True, reason="strict")
    def test_xpass_strict(): pass

    @pytest.mark.xfail(reason="lax")
    def test_xpass(): pass

    @pytest.mark.xfail(raises=ValueError)
    def test_xfail_raises(): raise TypeError("t")

    def test_xfail_inside(): pytest.xfail("imperative")

    @pytest.fixture
    def bad_setup(): raise KeyError("setup")

    @pytest.fixture
    def bad_teardown():
        yield
        raise KeyError("teardown")

    @pytest.fixture
    def skips_in_teardown():
        yield
        pytest.skip("late")

    def test_setup_error(bad_setup): pass

    def test_teardown_error(bad_teardown): print("before it")

    def test_failure_and_teardown_error(bad_teardown): assert [1, 2, 3] == [1, 2, 4]

    def test_skip_in_teardown(skips_in_teardown): pass

    @pytest.mark.xfail
    def test_xfail_and_teardown_error(bad_teardown): assert 0

    def test_output():
        print("o\\x00ut\\x1b[31mred")
        sys.stderr.write("e\\udcffrr")
        logging.getLogger("x").warning("a log message")
        assert 0, "with \\x00"

    def test_chain():
        try:
            1 / 0
        except ZeroDivisionError as exc:
            raise ValueError("outer") from exc

    def test_no_repr(): assert Badly() == 1

    def test_base_exception(): raise BaseException("base")

    def test_system_exit(): raise SystemExit(3)

    def test_no_trace(): pytest.fail("no trace", pytrace=False)

    @pytest.mark.parametrize("name", {"x", "y", "z"})
    def test_set(name): pass

    @pytest.mark.parametrize("number", [1, 1, 2], ids=["k", "k", "k"])
    def test_same_ids(number): assert number == 1

    @pytest.mark.parametrize("text", ["a b", "x::y", "[z]", "é", "", "n" * 65536], ids=str)
    def test_odd_ids(text): assert text != "x::y"
"""

SCOPES = """\
    import pytest
    made = []

    @pytest.fixture(scope="package")
    def package():
        made.append("package")

    @pytest.fixture(scope="module")
    def module(package):
        made.append("module")
        yield
        raise OSError("module teardown")

    @pytest.fixture(scope="class")
    def of_class():
        made.append("class")
        yield
        raise OSError("class teardown")

    def test_first(module): assert made == ["package", "module"]

    class TestClass:
        def test_1(self, of_class): assert made.count("class") == 1
        def test_2(self, of_class): assert made.count("class") == 1
        class TestInner:
            def test_inner(self): assert 0

    @pytest.mark.parametrize("p", [1, 2], scope="module")
    def test_p1(p): pass

    @pytest.mark.parametrize("p", [1, 2], scope="module")
    def test_p2(p): pass

    def teardown_module(): raise RuntimeError("as xunit")

    def test_last(module): assert made.count("module") == 1
"""

UNITTEST = """\
    import unittest

    class Methods(unittest.TestCase):
        @classmethod
        def setUpClass(cls): cls.shared = 1
        def setUp(self): self.own = 1
        def test_passes(self): self.assertEqual(self.shared, self.own)
        def test_fails(self): self.assertEqual(1, 2)
        @unittest.skip("skipped")
        def test_skipped(self): pass
        @unittest.expectedFailure
        def test_expected(self): assert 0
        def test_skips(self): self.skipTest("later")

    class BadSetUp(unittest.TestCase):
        @classmethod
        def setUpClass(cls): raise ValueError("class")
        def test_a(self): pass
        def test_b(self): pass

    class BadTearDown(unittest.TestCase):
        @classmethod
        def tearDownClass(cls): raise ValueError("class")
        def test_a(self): pass
        def test_b(self): pass
"""


@pytest.mark.parametrize(("bridge", "family"), [("", "xunit2"), ("plain", "xunit1")], ids=["fast", "plain"])
def test_a_nasty_suite_is_told_as_by_plain_pytest(repo: Repo, bridge: str, family: str) -> None:
    """The reference way of replaying reports and the fast one say what plain pytest says, word for word."""
    repo.write("test_nasty.py", NASTY)
    repo.write("test_scopes.py", SCOPES)
    repo.write("test_unittest.py", UNITTEST)
    plain, gates = repo.both(
        "-rA",
        *("-o", f"junit_family={family}", "-o", "junit_logging=all", "-o", "junit_suite_name=mine"),
        *("-W", "ignore::pytest.PytestWarning"),
        env={"BATCHGATE_BRIDGE": bridge},
    )
    assert_same(plain, gates, code=1)
    assert len(gates.junit.cases) > 50
    for title in ("ERRORS", "FAILURES"):
        assert sorted(gates.section(title).split("\n")) == sorted(plain.section(title).split("\n"))


SUBTESTS = """\
    import unittest

    class T(unittest.TestCase):
        def test_e(self):
            for i in range(3):
                with self.subTest("msg", i=i, o=object):
                    self.assertNotEqual(i, 1)

    def test_fixture(subtests):
        for i in range(3):
            with subtests.test("m", i=i, text="it's", j={"a": 1}):
                assert i != 1
        with subtests.test():
            pass

    def test_all_pass(subtests):
        with subtests.test(a=1):
            pass
"""


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="subtests are built into pytest 9")
def test_subtests_are_told_as_by_plain_pytest(repo: Repo) -> None:
    repo.write("test_subtests.py", SUBTESTS)
    assert_same(*repo.both("-rA"), code=1)


KINDS = """\
    import pytest

    def pytest_collect_file(parent, file_path):
        if file_path.suffix == ".yaml" and file_path.name.startswith("test"):
            return YamlFile.from_parent(parent, path=file_path)

    class YamlFile(pytest.File):
        def collect(self):
            for line in self.path.read_text().split():
                yield YamlItem.from_parent(self, name=line)

    class YamlItem(pytest.Item):
        def runtest(self):
            if "bad" in self.name:
                raise ValueError("is bad")
        def repr_failure(self, excinfo):
            return "usecase failed: " + str(excinfo.value)
        def reportinfo(self):
            return self.path, 0, f"usecase: {self.name}"
"""


def test_other_kinds_of_tests_are_told_as_by_plain_pytest(repo: Repo) -> None:
    """Doctests share their files with modules; items of a YAML file have repeated names."""
    repo.write("conftest.py", KINDS)
    repo.write("test_cases.yaml", "one one bad_two three")
    repo.write("mod.py", 'def f():\n    """\n    >>> f()\n    2\n    """\n    return 1\n')
    repo.write("test_both.py", '"""\n>>> 2\n2\n"""\ndef test_f():\n    """\n    >>> 1\n    1\n    """\n')
    repo.write("test_text.txt", ">>> 1\n1\n\n>>> 1 + 1\n3\n")
    repo.write("more.rst", ">>> 1\n1\n")
    args = ("--doctest-modules", "--doctest-glob=*.rst", "--doctest-glob=test*.txt", "-rA", "--tb=short")
    assert_same(*repo.both(*args), code=1)
    assert_same(*repo.both("test_cases.yaml::one", "test_both.py", *args), code=0)


def test_a_missing_fixture_is_told_as_by_plain_pytest(repo: Repo) -> None:
    """Its message lists the fixtures there are: workers have two more, known from xdist."""
    repo.files(test_a="def test_a(no_such_fixture): pass")
    plain, gates = repo.both()

    def told(text: str) -> str:
        return text.replace(" testrun_uid,", "").replace(", worker_id", "")

    assert told(plain.section("ERRORS")) == told(gates.section("ERRORS"))
    assert plain.short_summary == gates.short_summary, f"{plain}\n{gates}"
    assert (plain.counts, plain.code) == (gates.counts, gates.code)


def test_a_session_fixture_that_fails_at_the_end_fails_the_run(repo: Repo) -> None:
    """Each worker tears its own down; each failure is an error, as with plain pytest its one."""
    fixture = (
        "import pytest\n@pytest.fixture(scope='session')\ndef s():\n    yield\n    raise ValueError('late')\n"
    )
    repo.write("conftest.py", fixture)
    repo.files(test_a="def test_a(s): pass", test_b="def test_b(s): pass")
    ran = repo.gates()
    errors = [case for case in ran.junit.cases if "error" in case.kinds]
    assert ran.code == 1, ran
    assert 1 <= len(errors) <= 2, ran
    assert "ValueError: late" in ran.section("ERRORS"), ran
    assert "pytest_batchgate" not in ran.section("ERRORS"), ran


@pytest.mark.parametrize("bridge", ["", "plain"])
def test_plugins_hear_the_same_reports(repo: Repo, bridge: str) -> None:
    """A plugin that listens hears start, three phases and end of each test, in both ways."""
    repo.write(
        "conftest.py",
        """\
        import pytest
        class Listener:
            def __init__(self): self.heard = []
            def pytest_runtest_logreport(self, report):
                self.heard.append((report.nodeid, report.when, report.outcome, tuple(report.location[::2]),
                                   sorted(k for k in report.keywords if "repo" not in k),
                                   type(report.duration), report.start <= report.stop, report.fspath))
            def pytest_sessionfinish(self):
                for line in sorted(map(str, self.heard)): print("\\nHEARD", line)
        def pytest_configure(config):
            if not hasattr(config, "workerinput"):
                config.pluginmanager.register(Listener())
        """,
    )
    repo.files(
        test_a="""
        import pytest
        pytestmark = pytest.mark.filterwarnings("ignore")
        def test_a(): pass
        class TestC:
            @pytest.mark.parametrize("x", [1, "a[b]", "slow"])
            def test_m(self, x): pass
        @pytest.mark.usefixtures("tmp_path")
        def test_b(): assert 0
        """
    )
    plain, gates = repo.both(env={"BATCHGATE_BRIDGE": bridge})

    def heard(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith("HEARD")]

    assert heard(plain.out) == heard(gates.out), f"{plain}\n{gates}"
    assert len(heard(gates.out)) == 15
