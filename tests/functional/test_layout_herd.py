"""A layout for all wakes every host at once: what others ask of the control plane is answered meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx
import pytest
from sqlmodel import Session

from kcloud_api.hosts import agent_routes, reporting
from kcloud_common.wire import Assignment
from tests.functional.conftest import LOAD_NO_CERTIFICATES, Cloud
from tests.functional.scripted_agent import ScriptedAgent
from tests.functional.servers import eventually

HOSTS = 48
"""More than there are threads for requests in one process."""


def test_other_requests_are_answered_while_every_host_reads_its_new_layout(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = cloud.client()
    agent = ScriptedAgent.enrol(admin, "host-1")
    after = agent.pull().generation
    read, may_end, reading = reporting.assignment, threading.Event(), threading.Semaphore(0)

    def slow(session: Session, host_id: UUID) -> Assignment:
        reading.release()
        assert may_end.wait(60)
        return read(session, host_id)

    monkeypatch.setattr(reporting, "assignment", slow)

    def poll(_number: int) -> int:
        url = f"{cloud.url}/kcloud/v1/hosts/{agent.host_id}/assignment"
        asked = {"after": after, "wait": 60}
        answer = httpx.get(url, params=asked, headers=agent.headers, timeout=90, verify=LOAD_NO_CERTIFICATES)
        return answer.status_code

    with ThreadPoolExecutor(HOSTS) as pool:
        polls = pool.map(poll, range(HOSTS))
        topic = f"assignment:{agent.host_id}"
        try:
            eventually(lambda: len(cloud.bus._listeners(topic)), lambda waiting: waiting == HOSTS, 60)
            made = admin.post(
                "/kcloud/v1/layouts", json={"name": "all", "target": {"kind": "all"}, "cards": []}
            )
            assert made.status_code == 201
            assert reading.acquire(timeout=60)
            few = 1
            while reading.acquire(timeout=2):
                few += 1
            # Some read, none comes to an end, and all others want to: yet there are threads for others.
            assert few == agent_routes.ASSIGNMENTS_AT_ONCE
            for _ in range(3):
                assert admin.get("/kcloud/v1/layouts", timeout=30).status_code == 200
            assert not may_end.is_set()
        finally:
            may_end.set()
        assert set(polls) == {200}
