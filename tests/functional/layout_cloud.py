"""A cloud on each kind of database in turn: a test module that imports these has them, not conftest's.

Every table is made once in a run; each test works on a copy.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from kcloud_api.bus import Bus
from kcloud_api.db.engine import Database
from tests.functional.conftest import opened
from tests.postgres import fresh_database

__all__ = ["database", "empty_file", "empty_postgres"]


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SQLite with every table, and nobody has it open."""
    path = tmp_path_factory.mktemp("empty") / "kcloud.db"
    for _made in opened(f"sqlite:///{path}"):
        pass
    return path


@pytest.fixture(scope="session")
def empty_postgres(postgres_url: str) -> Iterator[str]:
    """The URL of such a database."""
    with fresh_database(postgres_url) as url:
        for _made in opened(url):
            pass
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path, bus: Bus) -> Iterator[Database]:
    """With every table; what it commits wakes whoever waits on the cloud's bus."""
    if request.param == "sqlite":
        path = tmp_path / "copy.db"
        shutil.copyfile(request.getfixturevalue("empty_file"), path)
        yield from _waking(f"sqlite:///{path}", bus)
        return
    empty, name = request.getfixturevalue("empty_postgres"), f"kcloud_{uuid4().hex}"
    server, _, template = empty.rpartition("/")
    plain = f"{server}/postgres".replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        yield from _waking(f"{server}/{name}", bus)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _waking(url: str, bus: Bus) -> Iterator[Database]:
    made = Database(url, wake=bus.wake)
    yield made
    made.close()
