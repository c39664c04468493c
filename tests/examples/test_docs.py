"""The docs hold together: every page can be found, and every link leads somewhere."""

from __future__ import annotations

import re
from argparse import SUPPRESS
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_batchgate.plugin.options import add_options

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("examples/**/*.md")])
FENCE = re.compile(r"^(`{3,}).*?^\1$", re.MULTILINE | re.DOTALL)


def text_of(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> Iterator[str]:
    """Those within the repository; pictures are links too."""
    for found in re.finditer(r"\]\(([^)\s]+)\)", text_of(page)):
        if not found[1].startswith(("https:", "http:", "mailto:")):
            yield found[1]


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings: small letters, signs dropped, blanks as dashes."""
    heads = (
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head)
        for head in re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    )
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES])
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_has_every_page() -> None:
    index = DOCS / "README.md"
    listed = {link.partition("#")[0] for link in links(index)}
    assert {page.name for page in DOCS.glob("*.md")} - {index.name} <= listed


def test_every_option_has_its_place() -> None:
    """The reference names all that `pytest --help` does, and nothing else."""
    parser = pytest.Parser(_ispytest=True)
    add_options(parser)
    options = parser.getgroup("batchgate").options
    shown = {name for option in options if option.attrs()["help"] is not SUPPRESS for name in option.names()}
    assert shown == set(re.findall(r"--(?:no-)?batch-[a-z-]+", text_of(DOCS / "options.md")))
