"""The whole cloud as an operator would spread it: API workers, controller and agent, each a process of its
own, with PostgreSQL and a broker between them."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from kcloud_api.db.engine import Database
from kcloud_api.manage import Passwords, bootstrap
from tests.e2e.processes import Process, worker_pids
from tests.functional.conftest import FAST_BCRYPT
from tests.functional.scripted_agent import enrolment_token
from tests.functional.servers import Tenant, make_flavor, make_image

START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Timers:
    """How long each process waits when nobody wakes it, in seconds."""

    place: float
    poll: float
    report: float

    def control(self) -> dict[str, str]:
        return {
            "compute.place_interval": str(self.place),
            "hosts.poll_wait": str(self.poll),
            # A host that reports this seldom is no silent one.
            "hosts.down_after": str(10 * max(self.poll, self.report)),
        }


@dataclass(frozen=True, slots=True)
class Distributed:
    """A running cloud. `tenant` boots servers as the admin."""

    url: str
    api: Process
    controller: Process
    tenant: Tenant

    @property
    def workers(self) -> set[int]:
        return worker_pids(self.api.pid)

    def log(self) -> str:
        """What API workers and controller have said so far."""
        return self.api.log.read_text() + self.controller.log.read_text()


@contextmanager
def distributed_cloud(folder: Path, database_url: str, bus_url: str, timers: Timers) -> Iterator[Distributed]:
    """Two API workers, a controller and an agent with the fake hypervisor, on an empty database."""
    shared = ["--database", database_url, "--bus", bus_url]
    for name, value in timers.control().items():
        shared += ["--set", f"{name}={value}"]
    own = ["--migrate", "--workers", "2", "--port", "0", "--set", f"image.store_dir={folder}/images"]
    api = Process(["kcloud-api", *shared, *own], folder / "api.log")
    controller = Process(["kcloud-controller", *shared], folder / "controller.log")
    with contextlib.ExitStack() as running:
        running.callback(api.stop)
        url = api.start(seconds=START_SECONDS).removeprefix("ready ")
        admin = running.enter_context(_admin(url, database_url))
        running.callback(controller.stop)
        controller.start(seconds=START_SECONDS)
        (folder / "token").write_text(enrolment_token(admin, "node-1"))
        agent = Process(["kcloud-compute", *_agent_words(folder, url, timers)], folder / "agent.log")
        running.callback(agent.stop)
        agent.start(seconds=START_SECONDS)
        yield Distributed(url, api, controller, Tenant(admin, make_flavor(admin), make_image(admin)))


def _agent_words(folder: Path, url: str, timers: Timers) -> list[str]:
    options = {
        "agent.api_url": url,
        "agent.host": "node-1",
        "agent.state_dir": f"{folder}/state",
        "agent.enrol_token": f"{folder}/token",
        "agent.hypervisor": "fake",
        "agent.report_interval": str(timers.report),
        "agent.poll_wait": str(timers.poll),
        # Nothing of the machine that runs the tests is offered to anybody.
        "devices.offer": "ffff:fffe",
    }
    return [word for name, value in options.items() for word in ("--set", f"{name}={value}")]


@contextmanager
def _admin(url: str, database_url: str) -> Iterator[httpx.Client]:
    """The first user, made as an operator would, and logged in."""
    passwords = Passwords()
    database = Database(database_url)
    try:
        bootstrap(database, url, passwords, password_rounds=FAST_BCRYPT)
    finally:
        database.close()
    domain = {"id": "default"}
    user = {"name": "admin", "domain": domain, "password": passwords.admin}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": "admin", "domain": domain}},
    }
    answer = httpx.post(f"{url}/identity/v3/auth/tokens", json={"auth": auth}, timeout=30)
    assert answer.status_code == 201, answer.text
    headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield client
