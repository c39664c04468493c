"""The docs' pictures of `report.html`: a real run of the example `monorepo` with two mistakes in it, and a
real benchmark of the example `waiting`.

    python docs/make_page_pictures.py [--into FOLDER] [run] [benchmark]      # both, into docs/pictures/

Needs the project with its `dev` and `example` extras, and the programs chromium and chromedriver.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
WIDTHS = {1280: 1480, 390: 1480}  # and how much of the page's height is shown, in pixels
# file, text, and what stands there instead
MISTAKES = (
    ("packages/orders/src/orders/__init__.py", "percent(TAX_PERCENT)", "percent(TAX_PERCENT + 1)"),
    ("packages/orders/src/orders/__init__.py", "import os\n", "import os\nimport sys\n"),
)
_HIDDEN = re.compile(r"^(CI$|GITHUB|PYTEST|BATCHGATE)")
_QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--into", type=Path, default=HERE / "pictures", metavar="FOLDER")
    parser.add_argument("what", nargs="*", metavar="run|benchmark")
    given = parser.parse_args(argv)
    into: Path = given.into
    into.mkdir(exist_ok=True)
    what = given.what or ["run", "benchmark"]
    with tempfile.TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        driver = start_browser(home)
        try:
            if "run" in what:
                page = run_example(home)
                for scheme in ("light", "dark"):
                    for width, height in WIDTHS.items():
                        shot = picture(driver, page, scheme, width, height)
                        (into / f"page-{scheme}-{width}.png").write_bytes(shot)
            if "benchmark" in what:
                shot = picture(driver, run_benchmark(home), "light", 1100, 0, of="#benchmark")
                (into / "page-benchmark.png").write_bytes(shot)
        finally:
            driver.quit()


def run_example(folder: Path) -> Path:
    """The page of a failed run; a first run, without the mistakes, tells how long the gates take."""
    copy = _copied("monorepo", folder)
    _pytest(copy)
    for name, before, after in MISTAKES:
        text = (copy / name).read_text(encoding="utf-8")
        if before not in text:
            raise SystemExit(f"{name} has changed: no {before!r} in it")
        (copy / name).write_text(text.replace(before, after), encoding="utf-8")
    reports = folder / "reports"
    _pytest(copy, f"--batch-report-dir={reports}")
    return reports / "report.html"


def run_benchmark(folder: Path) -> Path:
    reports = folder / "reports"
    asked = ("--batch-benchmark=1,2,4,8", "--batch-rounds=3", f"--batch-report-dir={reports}")
    _pytest(_copied("waiting", folder), *asked)
    return reports / "report.html"


def _copied(example: str, folder: Path) -> Path:
    copy = folder / example
    shutil.copytree(EXAMPLES / example, copy, ignore=shutil.ignore_patterns(".*cache", "__pycache__"))
    return copy


def _pytest(folder: Path, *more: str) -> None:
    env = {name: value for name, value in os.environ.items() if not _HIDDEN.match(name)}
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    argv = [sys.executable, "-m", "pytest", "--batch-gates", "--batch-workers=2", "-q", *more]
    subprocess.run(argv, cwd=folder, env=env, check=False, stdout=subprocess.DEVNULL, timeout=900)


def start_browser(folder: Path) -> Chrome:
    program, server = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or server is None:
        raise SystemExit("chromium and chromedriver are needed")
    options = ChromeOptions()
    options.binary_location = program
    for word in (*_QUIET, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(word)
    return Chrome(options=options, service=Service(server))


def picture(
    driver: Chrome, page: Path, scheme: str, width: int, height: int, *, of: str | None = None
) -> bytes:
    """The page from its top; ``of``: that section alone, whatever its height."""
    wanted = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
    screen = {"width": width, "height": height or 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    driver.get(page.as_uri())
    if of is None:
        driver.execute_script("document.querySelector('#failures details').open = true")
    driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    top = 0
    if of is not None:
        box = "const box = document.querySelector(arguments[0]).getBoundingClientRect();"
        top, height = driver.execute_script(f"{box} return [box.top + scrollY - 20, box.height + 40]", of)
    clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
    wanted_shot = {"clip": clip, "captureBeyondViewport": of is not None}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", wanted_shot)
    return base64.b64decode(shot["data"])


if __name__ == "__main__":
    main(sys.argv[1:])
