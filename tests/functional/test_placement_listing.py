"""Lists of providers that are too long for one piece: read while they are sent, all of one moment."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete, insert
from sqlmodel import col
from starlette.types import Message

from kcloud_api.bus import Bus
from kcloud_api.conf.groups import load_control_plane
from kcloud_api.db.engine import Database
from kcloud_api.main import build_app
from kcloud_api.placement import listing, providers
from kcloud_api.placement.provider_views import provider
from kcloud_api.placement.query import ProviderQuery
from kcloud_api.placement.streaming import Streamed
from kcloud_api.placement.tables import Origin, ProviderRow, ProviderTraitRow
from tests.functional.conftest import Serve

COUNT = 2 * listing.PIECE + 7
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
NEWEST = BEGINNING + timedelta(seconds=COUNT - 1)
JSON = "application/json"


def fill(database: Database) -> None:
    """Roots with one child each, and names that JSON must quote."""
    rows = []
    for number in range(COUNT):
        root = UUID(int=2 * (number // 2) + 1)
        own = root if number % 2 == 0 else UUID(int=number + 1 << 64)
        at = BEGINNING + timedelta(seconds=number)
        rows.append(
            {
                "id": own, "name": f'{number:05} "é\\', "generation": number, "root_id": root,
                "parent_id": None if own == root else root, "origin": Origin.API, "created_at": at,
                "updated_at": at,
            }
        )  # fmt: skip
    with database.transaction() as session:
        session.connection().execute(insert(ProviderRow), rows)


def in_use(database: Database) -> int:
    """Connections that somebody holds."""
    return database.engine.pool.checkedout()  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def client(any_database: Database, bus: Bus, serve: Serve) -> Iterator[httpx.Client]:
    fill(any_database)
    conf = load_control_plane(
        overrides=[f"database.url={any_database.url}", "placement.auth_strategy=noauth2"]
    )
    url = serve(build_app(any_database, conf, bus, ["placement"]))
    headers = {"X-Auth-Token": "admin", "OpenStack-API-Version": "placement 1.39"}
    with httpx.Client(base_url=url, headers=headers) as made:
        yield made


def test_a_long_list_is_whole_and_says_when_it_changed(client: httpx.Client, any_database: Database) -> None:
    answer = client.get("/resource_providers")
    assert answer.status_code == 200
    assert "content-length" not in answer.headers
    assert answer.headers["content-type"] == JSON
    assert answer.headers["openstack-api-version"] == "placement 1.39"
    assert parsedate_to_datetime(answer.headers["last-modified"]) == NEWEST
    shown = answer.json()["resource_providers"]
    assert [each["generation"] for each in shown] == list(range(COUNT))
    with any_database.reading() as session:
        for each in (shown[0], shown[listing.PIECE - 1], shown[listing.PIECE], shown[-1]):
            assert each == provider(providers.get_provider(session, UUID(each["uuid"])), 39, "")
    assert in_use(any_database) == 0


def test_what_fits_in_one_piece_has_a_length_and_the_same_words(
    client: httpx.Client, any_database: Database
) -> None:
    with any_database.transaction() as session:
        rows = [{"provider_id": UUID(int=n), "trait": "HW_CPU_X86_AVX2", "origin": "api"} for n in (1, 3)]
        session.connection().execute(insert(ProviderTraitRow), rows)
    some = client.get("/resource_providers", params={"required": "HW_CPU_X86_AVX2"})
    assert int(some.headers["content-length"]) == len(some.content)
    assert parsedate_to_datetime(some.headers["last-modified"]) == BEGINNING + timedelta(seconds=2)
    everything = client.get("/resource_providers").json()["resource_providers"]
    assert some.json()["resource_providers"] == [everything[0], everything[2]]
    tree = client.get("/resource_providers", params={"in_tree": str(UUID(int=1))})
    assert tree.json()["resource_providers"] == everything[:2]
    nothing = client.get("/resource_providers", params={"required": "HW_CPU_X86_VMX"})
    assert nothing.json() == {"resource_providers": []}
    refused = client.get("/resource_providers", params={"required": "CUSTOM_UNKNOWN"})
    assert (refused.status_code, refused.json()["errors"][0]["status"]) == (400, 400)


def test_what_is_written_meanwhile_is_not_in_the_list(any_database: Database) -> None:
    fill(any_database)
    with any_database.reading() as session:
        found = listing.providers(session, ProviderQuery(), any_database)
    assert not found.complete
    assert found.modified == NEWEST
    with any_database.transaction() as session:
        last = delete(ProviderRow).where(col(ProviderRow.generation) > listing.PIECE)
        session.connection().execute(last)
    pieces = [found.first, *found.rest]
    assert [len(rows) for rows in pieces] == [listing.PIECE, listing.PIECE, 7]
    assert [row[2] for rows in pieces for row in rows] == list(range(COUNT))
    found.close()
    found.close()
    assert in_use(any_database) == 0


def test_who_stops_reading_holds_no_connection(any_database: Database) -> None:
    fill(any_database)
    with any_database.reading() as session:
        found = listing.providers(session, ProviderQuery(), any_database)
        assert in_use(any_database) == 1
    next(found.rest)
    found.close()
    assert in_use(any_database) == 0


def endless() -> Iterator[bytes]:
    while True:
        yield b"x"


def test_a_client_that_has_gone_ends_the_reading() -> None:
    sent: list[Message] = []
    closed: list[bool] = []

    async def play() -> None:
        left = asyncio.Event()

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)
            if len(sent) == 3:
                left.set()

        await Streamed(endless(), lambda: closed.append(True), JSON)({"path": "/"}, receive, send)

    asyncio.run(play())
    assert closed == [True]
    assert all(message.get("more_body") for message in sent[1:])


@pytest.mark.parametrize("way", ["stalled", "broken"])
def test_a_list_that_cannot_go_on_breaks_off(way: str) -> None:
    sent: list[Message] = []
    closed: list[bool] = []

    def broken() -> Iterator[bytes]:
        yield b"x"
        raise OSError("the database has gone")

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("not reached")

    async def send(message: Message) -> None:
        sent.append(message)
        if way == "stalled" and "body" in message:
            await never()

    pieces = broken() if way == "broken" else endless()
    answer = Streamed(pieces, lambda: closed.append(True), JSON, patience=0.01 if way == "stalled" else 60)
    if way == "broken":
        with pytest.raises(OSError, match="gone"):
            asyncio.run(answer({"path": "/"}, never, send))
    else:
        asyncio.run(answer({"path": "/"}, never, send))
    assert closed == [True]
    assert all(message.get("more_body") for message in sent[1:])


def test_a_name_with_a_nul_is_refused_on_either_database(client: httpx.Client) -> None:
    made = client.post("/resource_providers", json={"name": "a\0b"})
    asked = client.get("/resource_providers", params={"name": "a\0b"})
    for answer in (made, asked):
        assert answer.status_code == 400
        assert "'name' holds a NUL character" in answer.json()["errors"][0]["detail"]
    assert client.get("/traits/CUSTOM_%00").status_code == 404
