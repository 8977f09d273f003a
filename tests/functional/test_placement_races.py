"""Clients racing over HTTP for what is left, against processes of their own: nothing is given out twice, and
only who must be is told to try again."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Barrier
from uuid import UUID, uuid4

import httpx
import pytest

from kcloud_api.db.engine import Database
from tests.e2e.processes import Process
from tests.functional.placement_rooms import (
    CHILD,
    HOST,
    OTHER,
    check_sums,
    claim,
    client,
    code_of,
    make_tree,
    ok,
    put,
)
from tests.postgres import fresh_database

CLIENTS = 32
UNITS = 5
START_SECONDS = 120.0
CONCURRENT_UPDATE = "placement.concurrent_update"
NO_ROOM = "placement.undefined_code"
"""What upstream says of a claim that does not fit."""


@dataclass(frozen=True, slots=True)
class Room:
    """A placement service in processes of its own, and its database."""

    url: str
    database: Database

    def race(self, act: Callable[[int, httpx.Client], httpx.Response]) -> list[httpx.Response]:
        """All clients act at once; their answers."""
        barrier = Barrier(CLIENTS)

        def run(number: int) -> httpx.Response:
            with client(self.url) as asked:
                ok(asked.get("/"))
                barrier.wait()
                return act(number, asked)

        with ThreadPoolExecutor(CLIENTS) as pool:
            return list(pool.map(run, range(CLIENTS)))


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def building(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """One process on SQLite, two on PostgreSQL."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        yield from serve(f"sqlite:///{folder}/kcloud.db", folder, workers=1)
        return
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        yield from serve(url, folder, workers=2)


@pytest.fixture
def room(building: Room) -> Room:
    """With the tree as it was at first."""
    with client(building.url) as asked:
        make_tree(asked, host=1000, child=UNITS)
    return building


def serve(database_url: str, folder: Path, workers: int) -> Iterator[Room]:
    words = ["--services", "placement", "--port", "0", "--database", database_url, "--migrate"]
    words += ["--set", "placement.auth_strategy=noauth2"]
    words += ["--workers", str(workers)] if workers > 1 else []
    process = Process(["kcloud-api", *words], folder / "log")
    database = Database(database_url)
    try:
        url = process.start(seconds=START_SECONDS).removeprefix("ready ")
        yield Room(url, database)
    finally:
        process.stop()
        database.close()


def test_the_last_units_go_to_exactly_as_many_clients_as_there_are(room: Room) -> None:
    answers = room.race(lambda _, asked: put(asked, None, claim({HOST: {"VCPU": 1}, CHILD: {"PGPU": 1}})))
    assert Counter(map(code_of, answers)) == {(204, ""): UNITS, (409, NO_ROOM): CLIENTS - UNITS}
    assert all("would exceed the capacity" in each.text for each in answers if each.status_code == 409)
    with room.database.reading() as session:
        used = check_sums(session)
    assert used == {(HOST, "VCPU"): UNITS, (CHILD, "PGPU"): UNITS, (OTHER, "VCPU"): 0}


def test_clients_with_room_for_all_are_never_told_to_try_again(room: Room) -> None:
    """Each raises the generations of two trees, half of them naming the trees the other way round."""

    def act(number: int, asked: httpx.Client) -> httpx.Response:
        order = (HOST, OTHER) if number % 2 else (OTHER, HOST)
        return put(asked, None, claim({provider: {"VCPU": 2} for provider in order}))

    assert Counter(map(code_of, room.race(act))) == {(204, ""): CLIENTS}
    with room.database.reading() as session:
        assert check_sums(session)[HOST, "VCPU"] == 2 * CLIENTS
    with client(room.url) as asked:
        generations = {
            ok(asked.get(f"/resource_providers/{each}")).json()["generation"] for each in (HOST, OTHER)
        }
    assert generations == {1 + CLIENTS}


def test_of_clients_that_change_one_consumer_only_the_first_had_read_it_right(room: Room) -> None:
    consumer = uuid4()
    with client(room.url) as asked:
        ok(put(asked, consumer, claim({HOST: {"VCPU": 1}})))
    answers = room.race(lambda n, asked: put(asked, consumer, claim({HOST: {"VCPU": n + 2}}, generation=1)))
    assert Counter(map(code_of, answers)) == {(204, ""): 1, (409, CONCURRENT_UPDATE): CLIENTS - 1}
    with room.database.reading() as session:
        check_sums(session)


def test_of_clients_that_make_one_consumer_only_one_does(room: Room) -> None:
    consumer = uuid4()
    answers = room.race(lambda n, asked: put(asked, consumer, claim({HOST: {"VCPU": n + 1}})))
    assert Counter(map(code_of, answers)) == {(204, ""): 1, (409, CONCURRENT_UPDATE): CLIENTS - 1}
    with room.database.reading() as session:
        check_sums(session)


def test_old_clients_that_know_no_generations_all_succeed_and_the_last_one_counts(room: Room) -> None:
    consumer = uuid4()
    old = {"OpenStack-API-Version": "placement 1.27"}

    def act(number: int, asked: httpx.Client) -> httpx.Response:
        body = claim({(HOST, OTHER)[number % 2]: {"VCPU": number + 1}})
        del body["consumer_generation"], body["consumer_type"]
        return asked.put(f"/allocations/{consumer}", json=body, headers=old)

    assert Counter(map(code_of, room.race(act))) == {(204, ""): CLIENTS}
    with room.database.reading() as session:
        used = check_sums(session)
    assert 1 <= used[HOST, "VCPU"] + used[OTHER, "VCPU"] <= CLIENTS


def test_claims_moves_and_releases_at_once_neither_deadlock_nor_lose_count(room: Room) -> None:
    """Each client claims, moves to the other tree together with a second consumer, and gives both back."""

    def act(number: int, asked: httpx.Client) -> httpx.Response:
        random = Random(number)
        first, second = sorted((uuid4(), uuid4()), key=lambda _: random.random())
        here, there = (HOST, OTHER) if number % 2 else (OTHER, HOST)
        for _ in range(3):
            ok(put(asked, first, claim({here: {"VCPU": 2}})))
            both = {
                str(first): claim({there: {"VCPU": 1}}, generation=1),
                str(second): claim({there: {"VCPU": 3}, here: {"VCPU": 1}}),
            }
            ok(asked.post("/allocations", json=both))
            answer = ok(asked.delete(f"/allocations/{first}"))
            ok(asked.delete(f"/allocations/{second}"))
        return answer

    assert Counter(map(code_of, room.race(act))) == {(204, ""): CLIENTS}
    with room.database.reading() as session:
        assert not any(check_sums(session).values())


def test_reshapes_and_claims_at_once_keep_every_sum(room: Room) -> None:
    """One half claims of the class that the other half moves between host and child."""
    consumers = [uuid4() for _ in range(CLIENTS)]

    def act(number: int, asked: httpx.Client) -> httpx.Response:
        if number % 2:
            return put(asked, consumers[number], claim({HOST: {"VCPU": 1}}))
        return reshape(asked, consumers)

    outcomes = Counter(map(code_of, room.race(act)))
    assert outcomes[204, ""] >= 1
    assert all(status in (204, 409) for status, _ in outcomes), outcomes
    with room.database.reading() as session:
        check_sums(session)


def reshape(asked: httpx.Client, consumers: list[UUID]) -> httpx.Response:
    """Move all VCPU to the child, as far as this client can see who holds any."""
    providers = {
        each: ok(asked.get(f"/resource_providers/{each}")).json()["generation"] for each in (HOST, CHILD)
    }
    moved = {}
    for consumer in consumers:
        held = ok(asked.get(f"/allocations/{consumer}")).json()
        if held["allocations"]:
            generation = held["consumer_generation"]
            moved[str(consumer)] = claim({CHILD: {"VCPU": 1}}, generation=generation)
    stocks: dict[UUID, dict[str, object]] = {
        HOST: {},
        CHILD: {"PGPU": {"total": UNITS}, "VCPU": {"total": 1000}},
    }
    inventories = {
        str(each): {"resource_provider_generation": generation, "inventories": stocks[each]}
        for each, generation in providers.items()
    }
    body = {"inventories": inventories, "allocations": moved}
    return asked.post("/reshaper", json=body, headers={"X-Roles": "service"})
