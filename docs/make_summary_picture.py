"""The docs' picture of `summary.md`, as a reviewer sees it on GitHub: a real run of the example `monorepo`
with two mistakes in it.

    python docs/make_summary_picture.py [--into FOLDER] [--of SUMMARY.MD]      # into docs/pictures/

GitHub's own renderer is not to be had.  What is asked here follows the same rules: a CommonMark parser with
GitHub's tables, GitHub's style sheet, and mermaid in its strict mode, from npm, in a temporary folder.

Needs the project with its `dev` and `example` extras, and the programs npm, chromium and chromedriver.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from string import Template

from make_page_pictures import HERE, run_example, start_browser
from selenium.webdriver import Chrome

# Mermaid 11, though there is a newer one: GitHub is known to come later.
PACKAGES = ("markdown-it@15", "github-markdown-css@5", "mermaid@11", "@fontsource/noto-color-emoji@5")
WIDTH = 980  # pixels, as wide as GitHub's page of a run leaves it at a usual screen
_PATIENCE_S = 300
_PAGE = Template("""<!doctype html>
<meta charset="utf-8">
<link rel="stylesheet" href="$modules/github-markdown-css/github-markdown-light.css">
<style>
@font-face {
  font-family: Signs; unicode-range: U+2600-27BF, U+FE0F, U+1F000-1FAFF;
  src: url($modules/@fontsource/noto-color-emoji/files/noto-color-emoji-emoji-400-normal.woff2);
}
body {margin: 0}
.markdown-body {padding: 24px 32px; width: $width; font-family: Signs, "Noto Sans", sans-serif}
</style>
<script src="$modules/markdown-it/dist/browser/markdown-it.umd.min.js"></script>
<script src="$modules/mermaid/dist/mermaid.min.js"></script>
<article class="markdown-body"></article>
<script>
const article = document.querySelector("article");
article.innerHTML = markdownit({html: true, linkify: true}).render($text);
for (const code of article.querySelectorAll("code.language-mermaid")) {
  const chart = document.createElement("div");
  chart.className = "mermaid";
  chart.textContent = code.textContent;
  code.parentElement.replaceWith(chart);
}
mermaid.initialize({startOnLoad: false, securityLevel: "strict"});
window.drawn = document.fonts.ready
  .then(() => mermaid.run())
  .then(() => "", (why) => String(why.message || why));
</script>
""")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--into", type=Path, default=HERE / "pictures", metavar="FOLDER")
    parser.add_argument("--of", type=Path, metavar="SUMMARY.MD", help="that one, not a run of the example")
    given = parser.parse_args(argv)
    given.into.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        fetch(home)
        summary = given.of or run_example(home).with_name("summary.md")
        page = render(summary.read_text(encoding="utf-8"), home)
        driver = start_browser(home)
        try:
            (given.into / "summary.png").write_bytes(picture(driver, page))
        finally:
            driver.quit()


def fetch(folder: Path) -> None:
    """The packages of `PACKAGES`, without what they would run when they are installed."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is needed")
    (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
    argv = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    subprocess.run(argv, cwd=folder, check=True, timeout=_PATIENCE_S)


def render(text: str, folder: Path) -> Path:
    """A page beside the packages; ``text`` stands in it as a string that cannot end the script."""
    string = json.dumps(text).replace("<", "\\u003c")
    page = folder / "summary.html"
    html = _PAGE.substitute(modules="node_modules", width=f"{WIDTH - 64}px", text=string)
    page.write_text(html, encoding="utf-8")
    return page


def picture(driver: Chrome, page: Path) -> bytes:
    """The whole page, with its first failure unfolded; a chart that cannot be drawn is an error."""
    screen = {"width": WIDTH, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    driver.get(page.as_uri())
    why = driver.execute_async_script("drawn.then(arguments[0])")
    charts = driver.execute_script("return document.querySelectorAll('.mermaid svg').length")
    if why or not charts:
        raise SystemExit(f"mermaid: {why or 'there is no chart'}")
    height = driver.execute_script(
        "const folded = document.querySelector('details');"
        "if (folded) folded.open = true;"
        "return document.querySelector('article').getBoundingClientRect().bottom"
    )
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    return base64.b64decode(shot["data"])


if __name__ == "__main__":
    main(sys.argv[1:])
