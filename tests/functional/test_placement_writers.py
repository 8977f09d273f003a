"""Every way to write a provider tree says so in the journal: what memory holds is what the database says."""

from collections.abc import Iterator
from random import Random
from uuid import UUID

import httpx
import pytest

from kcloud_api.bus import Bus
from kcloud_api.conf.groups import load_control_plane
from kcloud_api.conf.placement import PlacementConf
from kcloud_api.db.engine import Database
from kcloud_api.http.live import LiveServer, listen
from kcloud_api.main import build_app
from kcloud_api.placement import service as placement
from kcloud_api.placement.inventory import HostInventory, Inventory, ProviderInventory
from kcloud_api.placement.snapshot.keeper import Keeper
from kcloud_api.placement.tree import Tree
from tests.placement_blocks import all_trees
from tests.placement_watch import Watch
from tests.thoroughness import examples

AGGREGATES = [str(UUID(int=0xA0 + number)) for number in range(3)]
TRAITS = ["HW_CPU_X86_AVX2", "STORAGE_DISK_SSD", "MISC_SHARES_VIA_AGGREGATE"]
CLASSES = ["VCPU", "MEMORY_MB", "PGPU"]


@pytest.fixture
def client(any_database: Database) -> Iterator[httpx.Client]:
    conf = load_control_plane(
        overrides=[f"database.url={any_database.url}", "placement.auth_strategy=noauth2"]
    )
    bus = Bus("memory://")
    server = LiveServer(build_app(any_database, conf, bus, ["placement"]), listen("127.0.0.1", 0))
    server.start()
    headers = {"X-Auth-Token": "admin", "X-Roles": "admin,service", "OpenStack-API-Version": "placement 1.39"}
    with httpx.Client(base_url=server.url, headers=headers, verify=False, timeout=60) as made:
        yield made
    server.close()
    bus.close()


class Writer:
    """Writes what comes to mind through everything that is public; what is refused is refused."""

    def __init__(self, client: httpx.Client, database: Database, dice: Random) -> None:
        self.client = client
        self.database = database
        self.dice = dice
        self.every = {name for name in dir(self) if name.startswith("do_")}
        self.done: set[str] = set()

    def write(self) -> str:
        # What has not been done yet often needs others to be done before it.
        never = sorted(self.every - self.done)
        name = self.dice.choice(never if never and self.dice.random() < 0.5 else sorted(self.every))
        answer = getattr(self, name)()
        if answer is None or answer.status_code < 300:
            self.done.add(name)
        else:
            assert answer.status_code in (400, 404, 409), answer.text
        return name

    def provider(self) -> str:
        return str(UUID(int=self.dice.randint(1, 8)))

    def generation(self, provider: str) -> int:
        answer = self.client.get(f"/resource_providers/{provider}")
        return int(answer.json()["generation"]) if answer.status_code == 200 else 0

    def do_create(self) -> httpx.Response:
        provider = self.provider()
        parent = {"parent_provider_uuid": self.provider()} if self.dice.random() < 0.6 else {}
        return self.client.post(
            "/resource_providers", json={"name": f"n{provider}", "uuid": provider, **parent}
        )

    def do_move(self) -> httpx.Response:
        provider = self.provider()
        parent = self.dice.choice([None, self.provider()])
        body = {"name": f"n{provider}{self.dice.randint(0, 9)}", "parent_provider_uuid": parent}
        return self.client.put(f"/resource_providers/{provider}", json=body)

    def do_delete(self) -> httpx.Response:
        return self.client.delete(f"/resource_providers/{self.provider()}")

    def do_inventories(self) -> httpx.Response:
        provider = self.provider()
        chosen = self.dice.sample(CLASSES, self.dice.randint(0, 3))
        body = {
            "resource_provider_generation": self.generation(provider),
            "inventories": {name: {"total": self.dice.randint(4, 9)} for name in chosen},
        }
        return self.client.put(f"/resource_providers/{provider}/inventories", json=body)

    def do_inventory(self) -> httpx.Response:
        provider = self.provider()
        body = {"resource_provider_generation": self.generation(provider), "total": self.dice.randint(4, 9)}
        path = f"/resource_providers/{provider}/inventories"
        if self.dice.random() < 0.5:
            return self.client.post(path, json={"resource_class": self.dice.choice(CLASSES), **body})
        return self.client.put(f"{path}/{self.dice.choice(CLASSES)}", json=body)

    def do_drop_inventory(self) -> httpx.Response:
        path = f"/resource_providers/{self.provider()}/inventories"
        return self.client.delete(self.dice.choice([path, f"{path}/{self.dice.choice(CLASSES)}"]))

    def do_traits(self) -> httpx.Response:
        provider = self.provider()
        chosen = self.dice.sample(TRAITS, self.dice.randint(0, 3))
        body = {"resource_provider_generation": self.generation(provider), "traits": chosen}
        return self.client.put(f"/resource_providers/{provider}/traits", json=body)

    def do_drop_traits(self) -> httpx.Response:
        return self.client.delete(f"/resource_providers/{self.provider()}/traits")

    def do_aggregates(self) -> httpx.Response:
        provider = self.provider()
        chosen = self.dice.sample(AGGREGATES, self.dice.randint(0, 3))
        body = {"resource_provider_generation": self.generation(provider), "aggregates": chosen}
        return self.client.put(f"/resource_providers/{provider}/aggregates", json=body)

    def do_allocate(self) -> httpx.Response:
        consumer, body = self._allocations()
        return self.client.put(f"/allocations/{consumer}", json=body)

    def do_allocate_several(self) -> httpx.Response:
        return self.client.post("/allocations", json=dict(self._allocations() for _ in range(2)))

    def do_release(self) -> httpx.Response:
        return self.client.delete(f"/allocations/{self._consumer()}")

    def do_reshape(self) -> httpx.Response:
        provider = self.provider()
        inventories = {
            "resource_provider_generation": self.generation(provider),
            "inventories": {name: {"total": self.dice.randint(4, 9)} for name in CLASSES},
        }
        body = {"inventories": {provider: inventories}, "allocations": {}}
        return self.client.post("/reshaper", json=body)

    def do_sync(self) -> None:
        number = self.dice.randint(100, 102)
        cards = tuple(
            ProviderInventory(UUID(int=1000 * number + card), f"{number}-{card}", {"PGPU": Inventory(1)})
            for card in range(self.dice.randint(0, 3))
        )
        host = HostInventory(UUID(int=number), f"h{number}", {"VCPU": Inventory(8)}, children=cards)
        with self.database.transaction() as session:
            placement.sync_host(session, host)

    def do_shut(self) -> None:
        with self.database.transaction() as session:
            placement.set_host_available(
                session, UUID(int=self.dice.randint(100, 102)), self.dice.random() < 0.5
            )

    def _consumer(self) -> str:
        return str(UUID(int=0xC0 + self.dice.randint(0, 2)))

    def _allocations(self) -> tuple[str, dict[str, object]]:
        consumer = self._consumer()
        held = self.client.get(f"/allocations/{consumer}").json()
        name = self.dice.choice(CLASSES)
        found = self.client.get("/resource_providers", params={"resources": f"{name}:1"}).json()
        able = [each["uuid"] for each in found["resource_providers"]] or [self.provider()]
        chosen = self.dice.sample(able, self.dice.randint(1, min(2, len(able))))
        body: dict[str, object] = {
            "allocations": {each: {"resources": {name: 1}} for each in chosen},
            "project_id": "p", "user_id": "u", "consumer_type": "INSTANCE",
            "consumer_generation": held.get("consumer_generation"),
        }  # fmt: skip
        return consumer, body


def trees(keeper: Keeper, database: Database) -> list[Tree]:
    with database.reading() as session:
        return list(all_trees(keeper.current(session)))


def test_whoever_writes_says_so(any_database: Database, client: httpx.Client) -> None:
    watch = Watch(any_database)
    writer = Writer(client, any_database, Random(11))
    keeper = Keeper(any_database, PlacementConf())
    writes = 0
    while writes < examples(800) or writer.done != writer.every:
        written, writes = writer.write(), writes + 1
        assert watch.silent == [], written
        assert trees(keeper, any_database) == trees(Keeper(any_database, PlacementConf()), any_database), (
            written
        )
        assert writes < 2000, f"never done: {writer.every - writer.done}"
