"""The docs' pictures come from real runs, and the script that makes them works."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_every_picture_is_there_and_shown_somewhere() -> None:
    texts = "".join(page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *DOCS.glob("*.md")])
    shown = set(re.findall(r"pictures/([\w-]+\.(?:svg|png))", texts))
    assert shown == {picture.name for picture in (DOCS / "pictures").iterdir()}


@pytest.mark.integration
@pytest.mark.slow
def test_the_live_picture_can_be_made_again(tmp_path: Path) -> None:
    script = [sys.executable, str(DOCS / "make_pictures.py"), "--into", str(tmp_path), "live"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    svg = (tmp_path / "live.svg").read_text(encoding="utf-8")
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", svg), "a picture fetches something"
    for word in ("static", "running", "passed", "waiting", "lint"):
        assert word in svg, word


@pytest.mark.integration
@pytest.mark.slow
def test_the_pictures_of_the_page_can_be_made_again(tmp_path: Path) -> None:
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("needs the programs chromium and chromedriver (.ci/browser installs them)")
    script = [sys.executable, str(DOCS / "make_page_pictures.py"), "--into", str(tmp_path), "run"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == ["page-dark-1280.png", "page-dark-390.png", "page-light-1280.png", "page-light-390.png"]
    for path in tmp_path.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert 20_000 < path.stat().st_size < 250_000, path.name


@pytest.mark.integration
@pytest.mark.slow
def test_the_picture_of_the_summary_can_be_made_again(tmp_path: Path) -> None:
    """The script fails where mermaid cannot draw the chart."""
    if not all(map(shutil.which, ("npm", "chromium", "chromedriver"))):
        pytest.skip("needs the programs npm, chromium and chromedriver (.ci/browser installs the last two)")
    script = [sys.executable, str(DOCS / "make_summary_picture.py"), "--into", str(tmp_path)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = tmp_path.iterdir()
    assert made.read_bytes().startswith(b"\x89PNG")
    assert 20_000 < made.stat().st_size < 200_000
