"""The schema in a real PostgreSQL, asked by psql; PGHOST and PGUSER come from the gate `database`."""

from __future__ import annotations

import os
import subprocess

import pytest

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif("SHELF_POSTGRES" not in os.environ, reason="needs --batch-profile=postgres"),
]


def sql(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [os.environ["PSQL"], "-qtAX", "-v", "ON_ERROR_STOP=1", "-c", text],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_value_is_kept() -> None:
    done = sql("insert into shelf (key, value) values ('a', '1') returning value")
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr


@pytest.mark.depends_on("test_a_value_is_kept")
def test_a_key_is_there_once() -> None:
    done = sql("insert into shelf (key, value) values ('a', '2')")
    assert done.returncode != 0
    assert "shelf_pkey" in done.stderr


@pytest.mark.parametrize("key", ["", "a b"])
def test_keys_that_are_none(key: str) -> None:
    done = sql(f"insert into shelf (key, value) values ('{key}', '')")
    assert done.returncode != 0
    assert "shelf_key_check" in done.stderr
