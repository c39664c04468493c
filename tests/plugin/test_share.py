"""`--batch-shard` and `shards.json`: what is accepted, and what is said of what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_batchgate.core.shards import Share
from pytest_batchgate.errors import OptionError
from pytest_batchgate.plugin.share import find_share, read_shard
from pytest_batchgate.store.shardsfile import document, read_share


def test_shards_are_counted_from_one() -> None:
    assert read_shard("1/1", is_planned=False) == (1, 1)
    assert read_shard("256/256", is_planned=False) == (256, 256)
    assert read_shard("2/4", is_planned=True) == (0, 4)
    assert read_shard("4", is_planned=True) == (0, 4)


@pytest.mark.parametrize(
    "text", ["0/2", "3/2", "1/257", "x/2", "1", "1/", "", "/", "1/2/3", "\u0661/2", "-1/2", "1/" + "9" * 5000]
)
def test_what_is_no_shard_is_refused_in_one_message(text: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_shard(text, is_planned=False)
    form = "Write it as I/N, such as 1/4: I from 1 to N, and N at most 256"
    assert str(caught.value) == f"--batch-shard: {text!r} is no shard. {form}"


def test_the_number_of_a_plans_shards() -> None:
    for text in ("0", "257", "four"):
        with pytest.raises(OptionError, match="Write it as N: I from 1"):
            read_shard(text, is_planned=True)


def test_a_plan_is_found_in_the_first_folder_that_has_one(tmp_path: Path) -> None:
    """The report folder's before the repository's; without one, files go by their path."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, shard in ((here, 1), (there, 2)):
        folder.mkdir()
        (folder / "shards.json").write_text(document({"a.py": shard}, 2))
    found = find_share((2, 2), [None, tmp_path / "missing", here, there])
    assert (found.index, found.count, found.assigned) == (2, 2, {"a.py": 1})
    other = find_share((1, 2), [there])
    assert other.split != found.split, "another plan has another name"
    assert find_share((1, 2), [here]).split == found.split, "the same plan has the same in each shard"
    assert find_share((1, 2), [None, tmp_path]) == Share(index=1, count=2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"schema": 1, "count": 3, "files": {}}', "it plans 3 shards, and this is one of 2"),
        ('{"schema": 2, "count": 2, "files": {}}', "it says of no shards"),
        ('{"schema": 1, "count": 2, "files": {"a": 3}}', "it says of no shards"),
        ('{"schema": 1, "count": true, "files": {}}', "it says of no shards"),
        ('{"schema": 1, "count": 2, "files": []}', "it says of no shards"),
        ('{"schema": 1, "files": {}}', "it says of no shards"),
        ("[" * 100_000, "it says of no shards"),
        ("\udcff", "it says of no shards"),
        ("", "it says of no shards"),
    ],
)
def test_a_plan_that_is_none_is_refused_in_one_message(content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "shards.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(OptionError) as caught:
        read_share(path, 1, 2)
    todo = "Write it anew with --batch-plan=matrix, or remove it"
    assert str(caught.value) == f"{path}: {words}. {todo}"


def test_a_plan_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "shards.json").mkdir()
    with pytest.raises(OptionError, match="it cannot be read: Is a directory"):
        read_share(tmp_path / "shards.json", 1, 2)
