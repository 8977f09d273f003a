"""The trial that finds out whether the agent's disk takes what it writes."""

from pathlib import Path

import pytest

from kcloud_compute import durable
from kcloud_compute.storage import Storage


def test_a_trial_that_works_leaves_nothing_and_ends_the_doubt(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.doubt()
    assert storage.problem() == ""
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "trial").mkdir()  # a second trial would fail
    assert storage.problem() == ""


def test_a_trial_that_fails_says_where_and_why_until_it_works(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    (tmp_path / "trial").mkdir()
    storage.doubt()
    said = f"state: nothing can be written to {tmp_path}: Is a directory; make room or mend the disk"
    assert [storage.problem(), storage.problem()] == [said] * 2
    (tmp_path / "trial").rmdir()
    assert storage.problem() == ""


@pytest.mark.parametrize("left", ["trial", "trial.new"])
def test_what_a_killed_trial_left_is_removed_at_the_start(tmp_path: Path, left: str) -> None:
    assert durable.unfinished_copy(tmp_path / "trial").name == "trial.new"
    (tmp_path / left).write_bytes(b"half")
    Storage(tmp_path)
    assert list(tmp_path.iterdir()) == []
