"""Databases and clients for tests of allocations: both kinds of database, a small tree, and its true sums."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID, uuid4

import httpx
from sqlalchemy import func, select
from sqlmodel import Session, col

from kcloud_api.placement.capacity import capacity
from kcloud_api.placement.tables import AllocationRow, ConsumerRow, InventoryRow

NEWEST = "placement 1.39"
HOST = UUID(int=1)
CHILD = UUID(int=2)
OTHER = UUID(int=3)


@contextmanager
def client(url: str, version: str = NEWEST) -> Iterator[httpx.Client]:
    headers = {"X-Auth-Token": "admin", "OpenStack-API-Version": version}
    with httpx.Client(base_url=url, headers=headers, verify=False, timeout=60) as opened:
        yield opened


def make_provider(
    asked: httpx.Client, uuid: UUID, stocks: Mapping[str, object], parent: UUID | None = None
) -> None:
    """With inventories: an amount, or all fields."""
    body: dict[str, object] = {"name": f"provider-{uuid.int}", "uuid": str(uuid)}
    if parent is not None:
        body["parent_provider_uuid"] = str(parent)
    ok(asked.post("/resource_providers", json=body))
    inventories = {
        name: stock if isinstance(stock, dict) else {"total": stock} for name, stock in stocks.items()
    }
    put = {"resource_provider_generation": 0, "inventories": inventories}
    ok(asked.put(f"/resource_providers/{uuid}/inventories", json=put))


def make_tree(asked: httpx.Client, host: int, child: int) -> None:
    """A host with a child, and another host, with so many VCPU and PGPU; instead of any that there are."""
    for uuid in (OTHER, CHILD, HOST):
        for consumer in asked.get(f"/resource_providers/{uuid}/allocations").json().get("allocations", ()):
            asked.delete(f"/allocations/{consumer}")
        asked.delete(f"/resource_providers/{uuid}")
    make_provider(asked, HOST, {"VCPU": host})
    make_provider(asked, CHILD, {"PGPU": child}, parent=HOST)
    make_provider(asked, OTHER, {"VCPU": host})


def claim(
    amounts: Mapping[UUID, Mapping[str, int]], generation: int | None = None, **more: object
) -> dict[str, object]:
    """The body of PUT /allocations/{consumer}."""
    return {
        "allocations": {str(provider): {"resources": dict(each)} for provider, each in amounts.items()},
        "project_id": "project",
        "user_id": "user",
        "consumer_generation": generation,
        "consumer_type": "INSTANCE",
        **more,
    }


def put(asked: httpx.Client, consumer: UUID | None, body: Mapping[str, object]) -> httpx.Response:
    return asked.put(f"/allocations/{consumer or uuid4()}", json=body)


def ok(answer: httpx.Response) -> httpx.Response:
    assert answer.is_success, f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text}"
    return answer


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"] if answer.status_code >= 400 else ""


def check_sums(session: Session) -> Mapping[tuple[UUID, str], int]:
    """What is used is what allocations say, what is free is the rest, nothing is given out twice, and no
    consumer is without allocations nor the other way round; what is used."""
    said = {
        (provider, name): int(used)
        for provider, name, used in session.connection().execute(
            select(
                col(AllocationRow.provider_id), col(AllocationRow.resource_class),
                func.sum(AllocationRow.used),
            ).group_by(col(AllocationRow.provider_id), col(AllocationRow.resource_class))
        )
    }  # fmt: skip
    found = {}
    for row in session.exec(select(InventoryRow)).scalars():  # type: ignore[call-overload]
        key = (row.provider_id, row.resource_class)
        found[key] = row.used
        most = capacity(row.total, row.reserved, row.allocation_ratio)
        assert row.used == said.pop(key, 0)
        assert row.used + row.free == most
        assert row.used <= most
    assert not said
    connection = session.connection()
    holders = set(connection.execute(select(col(AllocationRow.consumer_id))).scalars())
    assert holders == set(connection.execute(select(col(ConsumerRow.id))).scalars())
    return found
