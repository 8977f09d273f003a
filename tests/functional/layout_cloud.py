"""A cloud on each kind of database in turn: a test module that imports `database` has it for conftest's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from kcloud_api.bus import Bus
from kcloud_api.db.engine import Database
from kcloud_api.db.modules import modules_named
from tests.postgres import fresh_database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path, bus: Bus) -> Iterator[Database]:
    """With every table; what it commits wakes whoever waits on the cloud's bus."""
    if request.param == "sqlite":
        yield from _opened(f"sqlite:///{tmp_path}/kcloud.db", bus)
        return
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        yield from _opened(url, bus)


def _opened(url: str, bus: Bus) -> Iterator[Database]:
    for _tables in modules_named("tables"):
        pass
    made = Database(url, wake=bus.wake)
    SQLModel.metadata.create_all(made.engine)
    yield made
    made.close()
