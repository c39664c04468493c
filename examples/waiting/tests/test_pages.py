"""Each test waits as a test of a remote page would."""

import time

import pytest


@pytest.mark.parametrize("page", ["home", "about", "prices", "help", "terms", "press", "jobs", "login"])
def test_page_answers(page: str) -> None:
    time.sleep(0.5)
    assert page.islower()
