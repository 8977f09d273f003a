"""Wake-ups over a real RabbitMQ: between two buses, and through a cloud of separate processes.

How quick a wake-up is is shown by timers that are far too long to explain what happens, not by a stopwatch.
"""

import os
import queue
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from kcloud_api.broker import TICK_SECONDS
from kcloud_api.bus import Bus
from tests.e2e.processes import eventually
from tests.functional.distributed import Distributed, Timers, distributed_cloud
from tests.functional.servers import NEWEST, Tenant
from tests.postgres import fresh_database, postgres_server
from tests.rabbitmq import RabbitMQ, rabbitmq_server

pytestmark = [pytest.mark.rabbitmq, pytest.mark.slow]

NEVER = Timers(place=3600, poll=300, report=3600)
"""Longer than the test may take: what happens was woken."""
SOON = Timers(place=1, poll=2, report=5)
"""What happens without a broker happens by these."""
PATIENCE = 60.0
"""A fifth of the shortest of NEVER, for machines that are busy with other things."""


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitMQ]:
    with rabbitmq_server() as running:
        yield running


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    with fresh_database(server_url) as url:
        yield url


class Ear:
    """A bus as another process would have it, and what it hears."""

    def __init__(self, url: str) -> None:
        self.bus = Bus(url)
        self._heard: queue.Queue[str] = queue.Queue()
        self.bus.subscribe("", self._heard.put)

    def hears(self, topic: str, seconds: float) -> bool:
        """Is this topic among what is heard until then? What came before it is forgotten."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                heard = self._heard.get(timeout=left)
            except queue.Empty:
                return False
            if heard.startswith(topic):
                return True
        return False

    def is_reached_by(self, other: Bus, word: str) -> bool:
        """For `eventually`: nobody can know when the broker has bound a queue."""
        other.wake([word])
        return self.hears(word, 0.5)


@contextmanager
def two_buses(url: str) -> Iterator[tuple[Ear, Ear]]:
    """Both are connected, in both directions."""
    one, other = Ear(url), Ear(url)
    try:
        connect(one, other, "first-contact")
        yield one, other
    finally:
        for ear in (one, other):
            ear.bus.close()


def connect(one: Ear, other: Ear, word: str) -> None:
    eventually(lambda: other.is_reached_by(one.bus, f"{word}-1"), "the other hears the one")
    eventually(lambda: one.is_reached_by(other.bus, f"{word}-2"), "the one hears the other")


def test_a_wake_up_reaches_another_process_at_once(broker: RabbitMQ) -> None:
    with two_buses(broker.url) as (one, other):
        for number in range(20):
            one.bus.wake([f"server:{number}"])
            # Twenty of them, each within a fraction of the tick at which an idle connection is looked after.
            assert other.hears(f"server:{number}", TICK_SECONDS / 5)


def test_a_broker_that_was_killed_and_came_back_carries_wake_ups_again(broker: RabbitMQ) -> None:
    with two_buses(broker.url) as (one, other):
        broker.kill()
        began = time.monotonic()
        one.bus.wake(["while-it-is-down"])
        assert time.monotonic() - began < 1
        broker.start()
        connect(one, other, "second-contact")


@pytest.mark.postgres
def test_only_wake_ups_can_explain_how_soon_a_server_is_active(
    broker: RabbitMQ, database_url: str, tmp_path: Path
) -> None:
    with distributed_cloud(tmp_path, database_url, broker.url, NEVER) as cloud:
        for name in ("one", "two"):
            # The first may be luck: an agent that just came asks more often than one that waits.
            server = cloud.tenant.boot(name)
            cloud.tenant.wait(server, "ACTIVE", PATIENCE)
            assert cloud.tenant.show(server)["OS-EXT-SRV-ATTR:host"] == "node-1"
        cloud.tenant.delete(server)
        cloud.tenant.wait_gone(server, PATIENCE)


@pytest.mark.postgres
def test_a_server_is_committed_before_202_is_said_so_that_the_other_worker_knows_it(
    broker: RabbitMQ, database_url: str, tmp_path: Path
) -> None:
    with distributed_cloud(tmp_path, database_url, broker.url, SOON) as cloud:
        one, other = sorted(cloud.workers)
        for number in range(5):
            with only(one, other):
                server = create(cloud, f"server-{number}")
            with only(other, one), new_connection(cloud) as client:
                answer = client.get(f"/compute/v2.1/servers/{server}")
                assert answer.status_code == 200, answer.text
            one, other = other, one


@pytest.mark.postgres
def test_without_a_broker_timers_do_the_work_and_wake_ups_return_with_it(
    broker: RabbitMQ, database_url: str, tmp_path: Path
) -> None:
    with distributed_cloud(tmp_path, database_url, broker.url, SOON) as cloud:
        cloud.tenant.wait(cloud.tenant.boot("before"), "ACTIVE", PATIENCE)
        broker.kill()
        cloud.tenant.wait(cloud.tenant.boot("without"), "ACTIVE", PATIENCE)
        broker.start()
        # Three processes with a thread in each direction; each says so when it is back.
        eventually(lambda: cloud.log().count("bus_connected") >= 6, "all are connected again")
        with two_buses(broker.url) as (ear, _):
            server = cloud.tenant.boot("after")
            assert ear.hears("place", PATIENCE), "from the API"
            assert ear.hears("assignment:", PATIENCE), "from the controller"
            cloud.tenant.wait(server, "ACTIVE", PATIENCE)


@contextmanager
def only(running: int, paused: int) -> Iterator[None]:
    """Every new connection of the block is this worker's: the other is stopped by the kernel."""
    assert running != paused
    os.kill(paused, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(paused, signal.SIGCONT)


def new_connection(cloud: Distributed) -> httpx.Client:
    """The tenant's, on a connection that no worker holds yet."""
    token = cloud.tenant.client.headers["X-Auth-Token"]
    return httpx.Client(base_url=cloud.url, headers={"X-Auth-Token": token, **NEWEST}, timeout=30)


def create(cloud: Distributed, name: str) -> str:
    with new_connection(cloud) as client:
        return Tenant(client, cloud.tenant.flavor, cloud.tenant.image).boot(name)
