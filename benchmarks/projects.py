"""The real projects that are measured, and everything about them that is pinned.

The versions are of one time: the suites predate pytest 9.1, which deprecates
iterators as parameters, and two of them turn warnings into errors.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TOOLS = (
    "pytest==9.0.3",
    "pytest-xdist==3.8.0",
    "execnet==2.1.2",
    "psutil==7.2.2",
    "ruff==0.15.6",
    "bandit==1.9.4",
    "tox==4.67.13",
)
MYPY = "mypy==1.19.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One source distribution: what its suite needs, and how its tools are called.

    ``lint``, ``typecheck`` and ``security`` are the words after the virtual
    environment's ``python -m``, so chosen that each tool passes.  ``racy`` are
    node ids (the beginning, and *) whose outcome varies under plain pytest too,
    as soon as something else uses the machine.  ``left_out`` are files that
    the check of outcomes leaves to the fast path alone: the plain one takes
    as long as pytest for each of their tests.
    """

    name: str
    version: str
    needs: tuple[str, ...]
    source: str
    mypy: str = MYPY
    typed: tuple[str, ...] = ()
    bandit_args: tuple[str, ...] = ()
    pytest_args: tuple[str, ...] = ()
    racy: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    install: bool = True  # the project itself, editable
    goals: dict[str, float] = field(default_factory=dict)

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"

    @property
    def tools(self) -> dict[str, tuple[str, ...]]:
        """Gate name to the words after ``python -m``.

        mypy works without its cache, as on a fresh checkout; ruff never mends.
        """
        return {
            "lint": ("ruff", "check", "--no-fix", self.source),
            "typecheck": ("mypy", "--cache-dir=/dev/null", *(self.typed or (self.source,))),
            "security": ("bandit", "-q", "-lll", *self.bandit_args, "-r", self.source),
        }


CLICK = Project(
    name="click",
    version="8.4.0",
    needs=(),
    source="src/click",
    # The pager is terminated, and may or may not have written by then what it was given.
    racy=(
        "tests/test_utils.py::test_echo_via_pager[test5*",
        "tests/test_utils.py::test_echo_via_pager[test6*",
    ),
    goals={"plain": 2.5},
)
PACKAGING = Project(
    name="packaging",
    version="26.2",
    needs=("pretend==1.0.9", "tomli_w==1.2.0", "hypothesis==6.170.15", "pip"),
    source="src/packaging",
    left_out=("tests/test_version.py",),  # 51,000 comparisons of two versions
    goals={"plain": 2.2},
)
JINJA2 = Project(
    name="jinja2",
    version="3.1.6",
    needs=("trio==0.35.0",),
    source="src/jinja2",
    mypy="mypy==1.14.1",
    bandit_args=("-s", "B324"),  # SHA-1 as a cache key
)
ATTRS = Project(
    name="attrs",
    version="26.1.0",
    needs=("hypothesis==6.170.15", "cloudpickle==3.1.2", "pympler==1.1"),
    source="src",
    typed=tuple(  # what its own tox.ini checks
        f"src/{name}.pyi"
        for name in (
            "attrs/__init__",
            "attr/__init__",
            "attr/_typing_compat",
            "attr/_version_info",
            "attr/converters",
            "attr/exceptions",
            "attr/filters",
            "attr/setters",
            "attr/validators",
        )
    ),
    # It fails under every runner on CPython 3.11.0 to 3.11.7.
    pytest_args=("--deselect=tests/test_converters.py::TestPipe::test_wrapped_annotation",),
)
MARSHMALLOW = Project(
    name="marshmallow",
    version="4.4.0",
    needs=("simplejson==4.3.0", "types-simplejson"),
    source="src/marshmallow",
)
# Not a real project: an environment for the sections that make their own tests.
MICRO = Project(name="micro", version="0", needs=(), source=".", install=False)

REAL = (CLICK, PACKAGING, JINJA2, ATTRS, MARSHMALLOW)
