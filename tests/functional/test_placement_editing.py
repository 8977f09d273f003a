"""Changes that clients of the Placement API make to trees and names: every row about them follows."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlmodel import Session, select

from kcloud_api.db.engine import Database
from kcloud_api.placement.tables import AllocationRow, ChangeRow, InventoryRow, ProviderRow
from tests.postgres import fresh_database, postgres_server
from tests.upstream.databases import sqlite_copies
from tests.upstream.maker import Maker
from tests.upstream.stage import serving

ADMIN = {"X-Auth-Token": "admin", "OpenStack-API-Version": "placement 1.39"}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite_copies(tmp_path)("editing")
        return
    from kcloud_api.db.migration import upgrade

    with postgres_server() as server, fresh_database(server) as url:
        upgrade(url)
        yield url


@pytest.fixture
def client(database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    with (
        serving(database_url, tmp_path) as url,
        httpx.Client(base_url=url, headers=ADMIN, verify=False) as made,
    ):
        yield made


@pytest.fixture
def make(client: httpx.Client) -> Iterator[Maker]:
    with Maker(str(client.base_url)) as made:
        yield made


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    database = Database(database_url)
    with database.reading() as opened:
        yield opened
    database.close()


def test_what_is_below_a_moved_provider_comes_along(
    client: httpx.Client, make: Maker, session: Session
) -> None:
    old, new = make.provider("old"), make.provider("new")
    numa = make.provider("numa", parent=old)
    gpu = make.provider("gpu", parent=numa)
    make.inventory(gpu, "PGPU", 1)
    last = session.exec(select(ChangeRow.seq).order_by(ChangeRow.seq.desc())).first() or 0  # type: ignore[union-attr]
    session.rollback()
    moved = client.put(f"/resource_providers/{numa}", json={"name": "numa", "parent_provider_uuid": new})
    assert moved.json()["root_provider_uuid"] == new
    roots = dict(session.exec(select(ProviderRow.name, ProviderRow.root_id)).all())
    assert (roots["numa"], roots["gpu"], roots["old"]) == (UUID(new), UUID(new), UUID(old))
    assert session.exec(select(InventoryRow.root_id)).all() == [UUID(new)]
    touched = session.exec(select(ChangeRow.root_id).where(ChangeRow.seq > last)).all()  # type: ignore[operator]
    assert set(touched) == {UUID(old), UUID(new)}
    loop = client.put(f"/resource_providers/{numa}", json={"name": "numa", "parent_provider_uuid": gpu})
    assert (loop.status_code, "creating loop" in loop.text) == (400, True)
    alone = client.put(f"/resource_providers/{numa}", json={"name": "numa", "parent_provider_uuid": None})
    assert alone.json()["root_provider_uuid"] == numa


def test_a_renamed_class_is_renamed_wherever_it_is_used(
    client: httpx.Client, make: Maker, session: Session
) -> None:
    host = make.provider("host")
    make.inventory(host, "CUSTOM_WATT", 9)
    make.allocation(host, {"CUSTOM_WATT": 2}, project="p", user="u")
    old = {"OpenStack-API-Version": "placement 1.6"}
    answer = client.put("/resource_classes/CUSTOM_WATT", json={"name": "CUSTOM_JOULE"}, headers=old)
    assert (answer.status_code, answer.json()["name"]) == (200, "CUSTOM_JOULE")
    assert session.exec(select(AllocationRow.resource_class)).all() == ["CUSTOM_JOULE"]
    usages = client.get(f"/resource_providers/{host}/usages").json()["usages"]
    assert usages == {"CUSTOM_JOULE": 2}
    assert client.get("/resource_classes/CUSTOM_WATT").status_code == 404
    assert client.delete("/resource_classes/CUSTOM_JOULE").status_code == 409


def test_a_removed_provider_leaves_nothing_behind(
    client: httpx.Client, make: Maker, session: Session
) -> None:
    aggregate = str(UUID(int=7))
    host = make.provider("host", aggregate)
    make.inventory(host, "VCPU", 4)
    make.traits(host, "HW_NUMA_ROOT")
    assert client.delete(f"/resource_providers/{host}").status_code == 204
    make.provider("host", uuid=host)
    assert client.get(f"/resource_providers/{host}/aggregates").json()["aggregates"] == []
    assert client.get(f"/resource_providers/{host}/traits").json()["traits"] == []
    assert session.exec(select(InventoryRow.provider_id)).all() == []


def test_a_ratio_beyond_all_counting_is_stored(client: httpx.Client, make: Maker) -> None:
    host = make.provider("host")
    make.inventory(host, "VCPU", 2**31 - 1, allocation_ratio=3.4e38)
    shown = client.get(f"/resource_providers/{host}/inventories/VCPU").json()
    assert shown["allocation_ratio"] == pytest.approx(3.4e38)
    assert len(client.get("/resource_providers?resources=VCPU:5").json()["resource_providers"]) == 1
