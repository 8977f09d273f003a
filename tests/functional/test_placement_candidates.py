"""GET /allocation_candidates over HTTP, with and without the snapshot."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
import pytest
from sqlmodel import SQLModel

from kcloud_api.bus import Bus
from kcloud_api.conf.groups import load_control_plane
from kcloud_api.db.engine import Database
from kcloud_api.main import build_app
from kcloud_api.placement import service as placement
from kcloud_api.placement.inventory import HostInventory, Inventory, ProviderInventory
from tests.functional.conftest import Serve

HEADERS = {"X-Auth-Token": "admin", "OpenStack-API-Version": "placement 1.39"}
TWO_CARDS = "/allocation_candidates?resources_A=PGPU:1&resources_B=PGPU:1&group_policy=isolate"
Client = Iterator[httpx.Client]


def host(number: int, cards: int = 4) -> HostInventory:
    devices = [
        ProviderInventory(
            UUID(int=100 * number + card), f"h{number}_{card}", {"PGPU": Inventory(1)}, frozenset()
        )
        for card in range(1, cards + 1)
    ]
    return HostInventory(UUID(int=number), f"h{number}", {"VCPU": Inventory(8)}, frozenset(), tuple(devices))


@pytest.fixture(params=["true", "false"])
def client(
    request: pytest.FixtureRequest, tmp_path: Path, bus: Bus, serve: Serve, options: tuple[str, ...]
) -> Client:
    url = f"sqlite:///{tmp_path}/kcloud.db"
    overrides = [
        f"database.url={url}",
        "placement.auth_strategy=noauth2",
        f"placement.snapshot={request.param}",
    ]
    database = Database(url)
    SQLModel.metadata.create_all(database.engine)
    with database.transaction() as session:
        for number in range(1, 4):
            placement.sync_host(session, host(number))
    app = build_app(database, load_control_plane(overrides=[*overrides, *options]), bus, ["placement"])
    with httpx.Client(base_url=serve(app), headers=HEADERS) as made:
        yield made
    database.close()


def requests_in(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [str(each["mappings"]) for each in answer.json()["allocation_requests"]]


def test_a_limit_takes_the_first_of_all(client: httpx.Client) -> None:
    everything = requests_in(client.get(TWO_CARDS))
    assert len(everything) == len(set(everything)) == 3 * 4 * 3
    answer = client.get(f"{TWO_CARDS}&limit=13")
    assert requests_in(answer) == everything[:13]
    assert len(answer.json()["provider_summaries"]) == 2 * 5
    assert answer.headers["cache-control"] == "no-cache"
    assert client.get(TWO_CARDS, headers={"OpenStack-API-Version": "placement 1.9"}).status_code == 404


def test_what_somebody_takes_is_no_candidate_any_more(client: httpx.Client) -> None:
    assert not client.get("/allocation_candidates?resources_A=PGPU:2").json()["allocation_requests"]
    for left in (3, 2, 1, 0):
        found = client.get("/allocation_candidates?resources=VCPU:5").json()["allocation_requests"]
        assert len(found) == left
        if found:
            body = {"allocations": found[0]["allocations"], "project_id": "p", "user_id": "u"}
            body |= {"consumer_generation": None, "consumer_type": "INSTANCE"}
            assert client.put(f"/allocations/{uuid4()}", json=body).status_code == 204


@pytest.mark.parametrize("options", [("placement.randomize_allocation_candidates=true",)])
def test_another_order_each_time_holds_the_same(client: httpx.Client) -> None:
    orders = [requests_in(client.get(TWO_CARDS)) for _ in range(5)]
    assert len({tuple(order) for order in orders}) > 1
    assert all(sorted(order) == sorted(orders[0]) for order in orders)


@pytest.mark.parametrize("options", [("placement.max_allocation_candidates=5",)])
def test_an_answer_has_an_end_that_the_operator_sets(client: httpx.Client) -> None:
    assert len(requests_in(client.get(TWO_CARDS))) == 5
    assert len(requests_in(client.get(f"{TWO_CARDS}&limit=7"))) == 5
    assert len(requests_in(client.get(f"{TWO_CARDS}&limit=2"))) == 2


def test_whatever_is_asked_nothing_fails(client: httpx.Client) -> None:
    random = Random(20260101)
    names = ["resources", "required", "member_of", "in_tree", "same_subtree", "root_required", "group_policy"]
    suffixes = ["", "", "_A", "_A", "_B", "1"]
    values = [
        *("VCPU:1", "PGPU:1", "PGPU:1,VCPU:2", "VCPU:9999999999", "COMPUTE_NODE", "!COMPUTE_NODE"),
        *("in:HW_CPU_X86_VMX,COMPUTE_NODE", str(UUID(int=1)), f"!in:{UUID(int=1)}", "_A,_B", "_A"),
        *("none", "isolate", "", "\x00", "\u00e9"),
    ]
    statuses = set()
    for _ in range(150):
        pairs = [("resources", "VCPU:1"), ("resources_A", "PGPU:1")][: random.randint(0, 2)]
        pairs += [
            (random.choice(names) + random.choice(suffixes), random.choice(values))
            for _ in range(random.randint(0, 3))
        ]
        headers = {"OpenStack-API-Version": f"placement 1.{random.randint(10, 39)}"}
        answer = client.get(f"/allocation_candidates?{urlencode(pairs)}", headers=headers)
        assert answer.status_code in (200, 400), (pairs, answer.text)
        statuses.add(answer.status_code)
    assert statuses == {200, 400}
