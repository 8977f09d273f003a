"""`GET /kcloud/v1/explain` says of a flavor what its server would be told, of machines and devices too."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from kcloud_api.compute import explaining
from kcloud_api.db.engine import Database
from kcloud_cli.explain import text
from tests.functional.conftest import Cloud
from tests.functional.test_device_choice import eight_gpus, gpus, policy
from tests.functional.test_device_choice_cells import LARGE, Place, machine, numa
from tests.functional.test_explain import kcloud

BITS = {"hw__maxphysaddr_mode": "emulate", "hw__maxphysaddr_bits": "46"}


@pytest.fixture
def database(woken_database: Database) -> Database:
    return woken_database


@pytest.fixture
def place(cloud: Cloud) -> Place:
    return Place(cloud)


def ask(place: Place, specs: dict[str, str], more: str = "", client: httpx.Client | None = None) -> Any:  # noqa: ANN401 - JSON
    flavor = place.tenant(specs).flavor
    answer = (client or place.admin).get(f"/kcloud/v1/explain?flavor={flavor}{more}")
    assert answer.status_code == 200, answer.text
    return answer.json()["explanation"]


def test_a_flavor_is_refused_in_the_words_of_its_servers_faults(place: Place) -> None:
    place.host(machine(1, bits=39), eight_gpus()[:6])
    place.host(machine(1, cpus=1, bits=40))
    for specs in (
        numa(2), LARGE, BITS, numa(1, **LARGE), numa(1, **gpus(5)), gpus(3, **policy("same-switch")),
        gpus(5, **policy("same-numa")),
    ):  # fmt: skip
        message, details = place.fault(specs)
        told = ask(place, specs)
        assert message == f"No valid host was found. {told['message']}"
        assert told["remaining"] == told["untried"] == 0
        assert told["nearest_misses"]
        for one in told["nearest_misses"]:
            assert f"{one['host']['name']}: {one['code']}: {one['message']}" in details


def test_the_command_says_how_many_hosts_lack_what_beside_one_that_serves(place: Place) -> None:
    place.host(machine(8, total=8))
    place.host(machine(8, 0, total=8))
    place.host(machine(8, 8, total=8))
    place.host(machine(4, 0, total=8))
    assert text(ask(place, numa(2, **LARGE))).splitlines() == [
        "4 hosts, of which 1 can serve this.",
        "",
        "REMOVED  LEFT  REASON              THESE HOSTS",
        "1        3     too_few_numa_nodes  has fewer than 2 NUMA nodes (hw:numa_nodes=2)",
        "2        1     too_few_free_pages  have too few pages free for 2048 MEMORY_MB "
        "(hw:mem_page_size=1048576 on 2 NUMA nodes)",
        "",
        "NEAREST  REASON              THIS HOST",
        "host-2   too_few_free_pages  hw:mem_page_size=1048576 on 2 NUMA nodes: needs 2048 MiB in such "
        "pages, has 8192 left",
        "host-4   too_few_free_pages  hw:mem_page_size=1048576 on 2 NUMA nodes: needs 2048 MiB in such "
        "pages, has 4096 left",
        "host-1   too_few_numa_nodes  hw:numa_nodes=2: has 1 NUMA node",
    ]  # fmt: skip


def test_pages_are_counted_as_a_server_would_find_them(place: Place) -> None:
    """No report came since they were promised."""
    place.host(machine(2, total=2))
    assert ask(place, LARGE)["remaining"] == 1
    place.placed(LARGE)
    (missed,) = ask(place, LARGE)["nearest_misses"]
    assert missed["message"].endswith("has 0 left")


def test_a_tenant_reads_the_counts_and_no_host_and_no_amount_of_one(place: Place) -> None:
    place.host(machine(8))
    told, seen = (ask(place, numa(2), client=client) for client in (place.demo, place.admin))
    assert (told["message"], told["constraints"]) == (seen["message"], seen["constraints"])
    assert told["constraints"][-1]["code"] == "too_few_numa_nodes"
    (kind,) = told["nearest_misses"]
    assert kind.keys().isdisjoint({"host", "has"})
    assert "host-1" not in str(told)


def test_no_more_hosts_are_described_than_asked_for(place: Place) -> None:
    for _ in range(12):
        place.host(machine(8))
    assert [len(ask(place, numa(2), f"&limit={limit}")["nearest_misses"]) for limit in (0, 11)] == [0, 11]
    assert len(ask(place, numa(2))["nearest_misses"]) == 10


def test_of_very_many_hosts_the_rest_is_said_not_to_have_been_looked_at(
    place: Place, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(explaining, "MOST_HOSTS", 2)
    for _ in range(3):
        place.host(machine(8))
    flavor = place.tenant(numa(2)).flavor
    told = place.admin.get(f"/kcloud/v1/explain?flavor={flavor}").json()["explanation"]
    assert (told["hosts"], told["remaining"], told["untried"]) == (3, 1, 1)
    assert told["message"] == (
        "2 hosts have fewer than 2 NUMA nodes (hw:numa_nodes=2); 1 host has the amounts and was looked at no "
        "further. What would help: ask for a flavor with fewer NUMA nodes, or have such a host added."
    )
    assert text(told).startswith(
        "3 hosts, of which 0 can serve this, and 1 may: it has the amounts, and was looked at no further.\n"
    )
    asked = kcloud(cloud, tmp_path, "explain", "--flavor", flavor)
    assert asked.returncode == 1, "that some host can serve it is not known"
    monkeypatch.setattr(explaining, "MOST_HOSTS", 3)
    assert ask(place, numa(2))["untried"] == 0
