"""Migrations make exactly the tables that the code declares, on every database, from empty, however raced."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlmodel import SQLModel

from kcloud_api.conf.placement import PlacementConf
from kcloud_api.db.engine import Database, make_engine
from kcloud_api.db.migration import (
    SchemaOutdated,
    alembic_config,
    head,
    is_current,
    prepare,
    revision,
    upgrade,
)
from kcloud_api.db.modules import modules_named
from kcloud_api.placement import listing, provider_list, providers
from kcloud_api.placement.query import provider_query
from kcloud_api.placement.snapshot.keeper import Keeper
from tests.postgres import fresh_database, postgres_server


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres(server: str) -> Iterator[str]:
    with fresh_database(server) as url:
        yield url


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/kcloud.db"


def differences(url: str) -> list[object]:
    """What Alembic would still change to make the database what the code declares."""
    for _tables in modules_named("tables"):
        pass
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            return list(compare_metadata(context, SQLModel.metadata))
    finally:
        engine.dispose()


def check_from_empty(url: str) -> None:
    assert revision(url) is None
    assert not is_current(url)
    upgrade(url)
    assert is_current(url)
    assert differences(url) == []
    upgrade(url)
    assert is_current(url)


def check_race(url: str) -> None:
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    def start() -> None:
        together.wait()
        try:
            prepare(url, migrate=True)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert is_current(url)


def check_providers_of_the_first_step(url: str) -> None:
    host = uuid4()
    fill_at_the_first_step(url, host.hex if url.startswith("sqlite") else str(host))
    upgrade(url)
    written = datetime(2026, 11, 20, tzinfo=UTC)
    database = Database(url)
    try:
        with database.reading() as session:
            assert providers.get_provider(session, host).updated_at == written
            assert provider_list.latest(listing.providers(session, provider_query([], 39))) == written
            (tree,) = Keeper(database, PlacementConf()).current(session).all_trees()
    finally:
        database.close()
    assert (tree.root.id, tree.root.stocks["VCPU"].used) == (host, 3)


def fill_at_the_first_step(url: str, host: str) -> None:
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "0001")
        with engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO placement_provider (id, name, generation, root_id, origin) "
                    "VALUES (:host, 'host', 0, :host, 'host')"
                ),
                {"host": host},
            )
            connection.execute(
                text(
                    "INSERT INTO placement_inventory VALUES (:host, 'VCPU', :host, 8, 0, 1, 8, 1, 1.0, 3, 5)"
                ),
                {"host": host},
            )
    finally:
        engine.dispose()


def test_what_placement_held_at_the_first_step_is_there_at_the_last_on_sqlite(sqlite: str) -> None:
    check_providers_of_the_first_step(sqlite)


@pytest.mark.postgres
def test_what_placement_held_at_the_first_step_is_there_at_the_last_on_postgresql(postgres: str) -> None:
    check_providers_of_the_first_step(postgres)


def test_history_is_one_line_with_one_head() -> None:
    directory = ScriptDirectory.from_config(alembic_config())
    assert directory.get_heads() == [head()]
    steps = list(directory.walk_revisions())
    assert all(not step.is_merge_point and not step.is_branch_point for step in steps)


def test_sqlite_from_empty_is_what_the_code_declares(sqlite: str) -> None:
    check_from_empty(sqlite)


@pytest.mark.postgres
def test_postgresql_from_empty_is_what_the_code_declares(postgres: str) -> None:
    check_from_empty(postgres)


def test_an_empty_sqlite_database_is_made_on_start_even_in_a_new_folder(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/folder/kcloud.db"
    prepare(url)
    assert is_current(url)


def test_four_processes_may_start_at_once_on_an_empty_sqlite(sqlite: str) -> None:
    check_race(sqlite)


@pytest.mark.postgres
def test_four_processes_may_start_at_once_on_an_empty_postgresql(postgres: str) -> None:
    check_race(postgres)


@pytest.mark.postgres
def test_postgresql_is_not_migrated_unless_asked(postgres: str) -> None:
    with pytest.raises(SchemaOutdated, match="kcloud db upgrade"):
        prepare(postgres)
    engine = make_engine(postgres)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    prepare(postgres, migrate=True)
    prepare(postgres)


def test_every_table_is_named_for_its_service() -> None:
    owners = {module.__name__.split(".")[1] for module in modules_named("tables")}
    for name in SQLModel.metadata.tables:
        assert name.split("_")[0] in owners, name


def test_no_table_refers_to_another_services_tables() -> None:
    for _tables in modules_named("tables"):
        pass
    for table in SQLModel.metadata.tables.values():
        for key in table.foreign_keys:
            assert key.column.table.name.split("_")[0] == table.name.split("_")[0], str(key)
