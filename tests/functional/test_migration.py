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
from sqlalchemy import TextClause, Uuid, bindparam, inspect, text
from sqlmodel import SQLModel, select

from kcloud_api.accelerator import service as accelerator
from kcloud_api.accelerator.tables import CertificateRow, LeaseRow
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
from kcloud_api.hosts.tables import HostRow
from kcloud_api.placement import listing, providers
from kcloud_api.placement.query import provider_query
from kcloud_api.placement.snapshot.keeper import Keeper
from tests.placement_blocks import all_trees
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
            assert listing.providers(session, provider_query([], 39), database).modified == written
            (tree,) = all_trees(Keeper(database, PlacementConf()).current(session))
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


def check_devices_of_the_third_step(url: str) -> None:
    """One whole card that a server holds, and one that is free: each is its own only slice."""
    host, held, free, claim, server = (uuid4() for _ in range(5))
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "0003")
        with engine.begin() as connection:
            for device, name in ((held, "pci_1"), (free, "pci_2")):
                connection.execute(device_row(), {"id": device, "host": host, "name": name})
            connection.execute(claim_row(), {"id": claim, "device": held, "server": server})
            connection.execute(server_row(), {"id": server, "host": host})
    finally:
        engine.dispose()
    upgrade(url)
    assert differences(url) == []
    database = Database(url)
    try:
        with database.reading() as session:
            first, second = accelerator.devices(session)
            (kept,) = accelerator.claims_of(session, [server])[server]
            (lease,) = session.exec(select(LeaseRow)).all()
    finally:
        database.close()
    assert [(each.id, each.card, each.kind, each.provider_id) for each in (first, second)] == [
        (held, "pci_1", "whole", held), (free, "pci_2", "whole", free),
    ]  # fmt: skip
    assert (first.generation, first.certified_generation, second.generation) == (1, 0, 0)
    assert (kept.id, kept.generation, kept.kind) == (claim, 1, "whole")
    assert (lease.id, lease.project_id, lease.ended_at) == (claim, "tenant", None)


def device_row() -> TextClause:
    return text(
        "INSERT INTO accelerator_device (id, host_id, name, addresses, vendor_id, product_id, "
        "resource_class, traits, pci_path, state, reason, offered, provider_id, last_seen) "
        "VALUES (:id, :host, :name, '[]', '10de', '2331', 'PGPU', '[]', '[]', 'free', '', true, :id, "
        "'2026-11-20 00:00:00')"
    ).bindparams(bindparam("id", type_=Uuid()), bindparam("host", type_=Uuid()))


def claim_row() -> TextClause:
    return text(
        "INSERT INTO accelerator_claim VALUES (:id, :device, :server, '2026-11-20 00:00:00')"
    ).bindparams(*(bindparam(name, type_=Uuid()) for name in ("id", "device", "server")))


def server_row() -> TextClause:
    return text(
        "INSERT INTO compute_server (id, project_id, user_id, name, state, generation, power_on, flavor, "
        "image_id, image, server_metadata, config_drive, reservation_id, launch_index, placing_attempts, "
        "host_id, power_seen, step_seen, reboot_count, reboot_seen, reboot_hard, console_count, created_at, "
        "updated_at) VALUES (:id, 'tenant', 'u', 'one', 'active', 1, true, '{}', :host, '{}', '{}', false, "
        "'r-1', 0, 0, :host, 'running', '', 0, 0, false, 0, '2026-11-20 00:00:00', '2026-11-20 00:00:00')"
    ).bindparams(bindparam("id", type_=Uuid()), bindparam("host", type_=Uuid()))


def test_whole_cards_of_the_third_step_are_their_own_slices_on_sqlite(sqlite: str) -> None:
    check_devices_of_the_third_step(sqlite)


@pytest.mark.postgres
def test_whole_cards_of_the_third_step_are_their_own_slices_on_postgresql(postgres: str) -> None:
    check_devices_of_the_third_step(postgres)


def check_certificates_of_the_sixth_step(url: str) -> None:
    """A chain of three, a lease that is over, and a host whose reports are numbered."""
    host, device, lease = (uuid4() for _ in range(3))
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "0006")
        with engine.begin() as connection:
            for number in (1, 2, 3):
                ids = {"id": uuid4(), "device": device, "host": host}
                connection.execute(certificate_row(), {**ids, "sequence": number, "hash": f"{number:064}"})
            connection.execute(lease_row(), {"id": lease, "device": device, "server": uuid4()})
            connection.execute(host_row(), {"id": host})
    finally:
        engine.dispose()
    upgrade(url)
    assert differences(url) == []
    database = Database(url)
    try:
        with database.transaction() as session:
            rows = session.exec(select(CertificateRow).order_by(CertificateRow.sequence)).all()  # type: ignore[arg-type]
            assert [row.superseded_at is None for row in rows] == [False, False, True]
            session.exec(select(HostRow)).one().last_sequence = 2**40
            assert accelerator.has_leased(session, device, "tenant")
            ages = accelerator.Ages(certificates=0, leases=0)
            assert accelerator.any_old(session, ages)
            accelerator.forget_old(session, ages)
            (anchor,) = accelerator.anchors_of(session, [device])
            assert (anchor.sequence, anchor.hash) == (2, f"{2:064}")
            assert session.exec(select(LeaseRow)).all() == []
    finally:
        database.close()


def certificate_row() -> TextClause:
    return text(
        "INSERT INTO accelerator_certificate (id, device_id, chain, sequence, host_id, generation, hash, "
        "body, received_at) VALUES (:id, :device, 0, :sequence, :host, :sequence, :hash, "
        "'{\"device\": \"pci_1\"}', '2026-11-20 00:00:00')"
    ).bindparams(*(bindparam(name, type_=Uuid()) for name in ("id", "device", "host")))


def lease_row() -> TextClause:
    return text(
        "INSERT INTO accelerator_lease (id, device_id, server_id, project_id, generation, began_at, "
        "ended_at) VALUES (:id, :device, :server, 'tenant', 1, '2026-11-19 00:00:00', '2026-11-20 00:00:00')"
    ).bindparams(*(bindparam(name, type_=Uuid()) for name in ("id", "device", "server")))


def host_row() -> TextClause:
    return text(
        "INSERT INTO hosts_host (id, name, secret_sha256, epoch, last_sequence, last_seen, state, enabled, "
        "report, report_digest, problems, created_at, updated_at) VALUES (:id, 'h1', '', 1, 7, "
        "'2026-11-20 00:00:00', 'up', true, '{}', 'x', '[]', '2026-11-20 00:00:00', '2026-11-20 00:00:00')"
    ).bindparams(bindparam("id", type_=Uuid()))


def test_certificates_of_the_sixth_step_can_grow_old_on_sqlite(sqlite: str) -> None:
    check_certificates_of_the_sixth_step(sqlite)


@pytest.mark.postgres
def test_certificates_of_the_sixth_step_can_grow_old_on_postgresql(postgres: str) -> None:
    check_certificates_of_the_sixth_step(postgres)


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
