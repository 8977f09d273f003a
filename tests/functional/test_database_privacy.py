"""What the database holds stays there: its file is its owner's, and its errors repeat no values."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from kcloud_api.db.engine import make_engine


@pytest.fixture
def _careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_careless_umask")
def test_the_files_of_a_new_database_are_their_owners_alone(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/kcloud.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    engine.dispose()
    assert modes == {"kcloud.db": 0o600, "kcloud.db-wal": 0o600, "kcloud.db-shm": 0o600}


def test_an_error_does_not_repeat_what_was_to_be_stored(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/kcloud.db")
    with pytest.raises(StatementError) as refused, engine.begin() as connection:
        connection.execute(text("SELECT :hash, :bad"), {"hash": "hush", "bad": {}})
    assert "hush" not in str(refused.value)
    engine.dispose()
    assert make_engine("postgresql+psycopg://nobody@127.0.0.1:1/none").hide_parameters
