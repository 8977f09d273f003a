"""Many servers, few devices, several controllers: each device goes to one server, and all come back."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from kcloud_api.accelerator.tables import ClaimRow
from kcloud_api.controller import start_loops
from kcloud_api.network.tables import PortRow
from kcloud_api.placement.tables import AllocationRow
from kcloud_common.config import Conf
from tests.functional.conftest import Cloud
from tests.functional.scripted_agent import Obeying, ScriptedAgent, gpu
from tests.functional.servers import Tenant, eventually, make_flavor, make_image
from tests.postgres import fresh_database, postgres_server

SERVERS = 12
CONTROLLERS = 3


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def conf(conf: Conf, request: pytest.FixtureRequest) -> Iterator[Conf]:
    with ExitStack() as running:
        if request.param == "postgresql":
            url = running.enter_context(fresh_database(running.enter_context(postgres_server())))
            conf.database = replace(conf.database, url=url)
        conf.compute = replace(conf.compute, place_interval=0.1)
        yield conf


def test_each_device_goes_to_one_server_and_everything_is_given_back(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    admin, demo = cloud.client(), cloud.client("demo")
    tenant = Tenant(demo, make_flavor(admin, "gpu", resources__PGPU="1"), make_image(demo))
    hosts = [
        ScriptedAgent.enrol(admin, "host-1", [gpu("pci_a", "0000:41:00.0"), gpu("pci_b", "0000:42:00.0")]),
        ScriptedAgent.enrol(admin, "host-2", [gpu("pci_c", "0000:41:00.0")]),
    ]
    for host in hosts:
        host.report()
    with ExitStack() as running:
        for _ in range(CONTROLLERS - 1):
            running.enter_context(start_loops(cloud.database, cloud.bus, cloud.conf))
        for host in hosts:
            running.enter_context(Obeying(host, wait=0.5))
        with ThreadPoolExecutor(4) as asking:
            servers = list(asking.map(lambda n: tenant.boot(f"server-{n}"), range(SERVERS)))

        def statuses() -> list[str]:
            found: list[dict[str, Any]] = demo.get("/compute/v2.1/servers/detail").json()["servers"]
            return sorted(server["status"] for server in found)

        eventually(statuses, lambda seen: seen == ["ACTIVE"] * 3 + ["ERROR"] * (SERVERS - 3), 60)
        with cloud.database.reading() as session:
            claims = session.exec(select(ClaimRow)).all()
            assert len({claim.device_id for claim in claims}) == len(claims) == 3
        with ThreadPoolExecutor(4) as deleting:
            list(deleting.map(tenant.delete, servers))
        eventually(statuses, lambda seen: seen == [], 60)
    with cloud.database.reading() as session:
        for table in (ClaimRow, AllocationRow, PortRow):
            assert session.exec(select(table)).all() == []
    failed = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert failed == []
