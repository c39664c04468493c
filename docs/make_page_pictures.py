"""The docs' pictures of `report.html`: a real run of the example `monorepo` with two mistakes in it.

    python docs/make_page_pictures.py [--into FOLDER]      # into docs/pictures/

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
EXAMPLE = HERE.parent / "examples" / "monorepo"
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
    into: Path = parser.parse_args(argv).into
    into.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as folder:
        page = run_example(Path(folder))
        driver = start_browser(Path(folder))
        try:
            for scheme in ("light", "dark"):
                for width, height in WIDTHS.items():
                    path = into / f"page-{scheme}-{width}.png"
                    path.write_bytes(picture(driver, page, scheme, width, height))
                    print(f"wrote {path.name}")
        finally:
            driver.quit()


def run_example(folder: Path) -> Path:
    """The page of a failed run; a first run, without the mistakes, tells how long the gates take."""
    copy = folder / EXAMPLE.name
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns(".*cache", "__pycache__"))
    _pytest(copy)
    for name, before, after in MISTAKES:
        text = (copy / name).read_text(encoding="utf-8")
        if before not in text:
            raise SystemExit(f"{name} has changed: no {before!r} in it")
        (copy / name).write_text(text.replace(before, after), encoding="utf-8")
    reports = folder / "reports"
    _pytest(copy, f"--batch-report-dir={reports}")
    return reports / "report.html"


def _pytest(folder: Path, *more: str) -> None:
    env = {name: value for name, value in os.environ.items() if not _HIDDEN.match(name)}
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    argv = [sys.executable, "-m", "pytest", "--batch-gates", "--batch-workers=2", "-q", *more]
    subprocess.run(argv, cwd=folder, env=env, check=False, stdout=subprocess.DEVNULL, timeout=300)


def start_browser(folder: Path) -> Chrome:
    program, server = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or server is None:
        raise SystemExit("chromium and chromedriver are needed")
    options = ChromeOptions()
    options.binary_location = program
    for word in (*_QUIET, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(word)
    return Chrome(options=options, service=Service(server))


def picture(driver: Chrome, page: Path, scheme: str, width: int, height: int) -> bytes:
    wanted = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    driver.get(page.as_uri())
    driver.execute_script("document.querySelector('#failures details').open = true")
    driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip})
    return base64.b64decode(shot["data"])


if __name__ == "__main__":
    main(sys.argv[1:])
