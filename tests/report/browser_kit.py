"""A real Chromium without a window, and what a page did in it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

_QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip
REQUIRED = "TESTS_CHROMIUM"
"""Set by `.ci/run`: Chromium must be there, and this is its program, by name or path."""


class Browser:
    """One Chromium for many pages."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, path: Path, *, width: int = 1280, dark: bool = False) -> None:
        """A fresh page of that width, in the theme that the system wants."""
        scheme = "dark" if dark else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.driver.get("about:blank")
        self.told()
        self.driver.get(path.as_uri())

    def send(self, command: str, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, parameters)

    def run(self, script: str, *arguments: Any) -> Any:
        """What the statements return in the page."""
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def text(self, selector: str) -> str:
        """As it is shown; an element that is missing is an error."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def told(self) -> tuple[list[str], list[str]]:
        """What the console complained of, and the addresses that were asked for, since the last time."""
        complaints = [str(entry["message"]) for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]
        asked = []
        for entry in self.driver.get_log("performance"):  # type: ignore[no-untyped-call]
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked.append(message["params"]["request"]["url"])
        return complaints, asked


def browser() -> Iterator[Browser]:
    """A fixture's body: skips where there is no Chromium, unless `REQUIRED` says that there must be one."""
    program, server = chromium(), shutil.which("chromedriver")
    if program is None or server is None:
        said = "needs the programs chromium and chromedriver (.ci/browser installs them)"
        if REQUIRED in os.environ:
            pytest.fail(said)
        pytest.skip(said)
    if REQUIRED not in os.environ:
        pytest.importorskip("selenium")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        for word in (*_QUIET, f"--user-data-dir={profile}"):
            options.add_argument(word)
        driver = Chrome(options=options, service=Service(server))
        try:
            yield Browser(driver)
        finally:
            driver.quit()


def chromium() -> str | None:
    return shutil.which(os.environ.get(REQUIRED) or "chromium")
