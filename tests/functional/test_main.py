"""`kcloud-api` as a process: what it prints, what it refuses, and two workers on PostgreSQL."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from kcloud_api.main import main
from tests.e2e.processes import Process, eventually, worker_pids
from tests.postgres import fresh_database, postgres_server

Start = Callable[..., tuple[Process, str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(words...)` runs kcloud-api on a free port until the test ends; returns process and URL."""
    running: list[Process] = []

    def run(*words: str) -> tuple[Process, str]:
        process = Process(["kcloud-api", "--port", "0", *words], tmp_path / f"log-{len(running)}")
        running.append(process)
        return process, process.start().removeprefix("ready ")

    yield run
    for process in running:
        process.stop()


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/kcloud.db"


@pytest.fixture
def _signals_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_all_services_are_served_under_prefixes_and_sqlite_is_migrated(start: Start, sqlite: str) -> None:
    _, url = start("--database", sqlite)
    services = httpx.get(f"{url}/").json()["services"]
    assert set(services) == {"accelerator", "compute", "identity", "image", "kcloud", "placement"}
    for name in services:
        assert httpx.get(f"{url}/{name}/").status_code in (200, 300, 401, 404), name
    assert httpx.get(f"{url}/healthcheck").text == "OK"


@pytest.mark.slow
def test_placement_alone_is_served_at_the_root_with_noauth2(start: Start, sqlite: str) -> None:
    _, url = start(
        "--database", sqlite, "--services", "placement", "--set", "placement.auth_strategy=noauth2"
    )
    assert "versions" in httpx.get(f"{url}/").json()
    assert httpx.get(f"{url}/resource_providers").status_code == 401
    answer = httpx.get(f"{url}/resource_providers", headers={"X-Auth-Token": "admin"})
    assert answer.json() == {"resource_providers": []}
    assert httpx.get(f"{url}/resource_providers", headers={"X-Auth-Token": "bob:p"}).status_code == 403


@pytest.mark.slow
def test_two_services_are_served_under_their_prefixes(start: Start, sqlite: str) -> None:
    _, url = start("--database", sqlite, "--services", "identity,image")
    assert set(httpx.get(f"{url}/").json()["services"]) == {"identity", "image"}


@pytest.mark.usefixtures("_signals_as_they_were")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--services", "telephony"], "telephony"),
        (["--set", "api.prot=1"], "prot"),
        (["--set", "placement.auth_strategy=noauth2", "--host", "0.0.0.0"], "loopback"),
        (["--config-file", "/nowhere/kcloud.conf"], "nowhere"),
        (["--set", "api.policy_file=/nowhere/policy.yaml"], "nowhere"),
    ],
)
def test_what_makes_no_sense_is_said_and_ends_with_2(
    sqlite: str, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["--port", "0", "--database", sqlite, *words]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


@pytest.mark.usefixtures("_signals_as_they_were")
def test_a_port_in_use_is_said_and_ends_with_2(sqlite: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port), "--database", sqlite]) == 2
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.slow
def test_a_signal_ends_it_cleanly(start: Start, sqlite: str) -> None:
    process, _ = start("--database", sqlite, "--services", "identity")
    assert process.stop() == 0


@pytest.mark.postgres
def test_two_workers_on_postgresql_answer_together_and_a_killed_one_is_replaced(start: Start) -> None:
    with postgres_server() as server, fresh_database(server) as database:
        process, url = start("--database", database, "--migrate", "--workers", "2")
        before = worker_pids(process.pid)
        assert len(before) == 2

        def ask(_number: int) -> int:
            return httpx.get(f"{url}/healthcheck", timeout=30).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, range(40))) == {200}
        victim = before.pop()
        os.kill(victim, signal.SIGKILL)
        assert ask(0) == 200
        eventually(lambda: len(worker_pids(process.pid) - {victim}) == 2, "the worker is replaced")
        assert process.stop() == 0


@pytest.mark.postgres
def test_workers_end_when_their_parent_is_killed(start: Start) -> None:
    with postgres_server() as server, fresh_database(server) as database:
        process, _ = start("--database", database, "--migrate", "--workers", "2")
        workers = worker_pids(process.pid)
        process.kill()
        eventually(
            lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), "the workers are gone"
        )


@pytest.mark.postgres
def test_placement_alone_on_two_workers_reads_on_each_what_was_written_on_any(start: Start) -> None:
    with postgres_server() as server, fresh_database(server) as database:
        words = ("--services", "placement", "--set", "placement.auth_strategy=noauth2", "--workers", "2")
        process, url = start("--database", database, "--migrate", *words)
        assert len(worker_pids(process.pid)) == 2
        version = {"X-Auth-Token": "admin", "OpenStack-API-Version": "placement latest"}
        # Each has a connection of its own, and the workers share them out.
        clients = [httpx.Client(base_url=url, headers=version, timeout=30) for _ in range(12)]
        for number, client in enumerate(clients):
            made = client.post("/resource_providers", json={"name": f"host-{number}"})
            assert made.status_code == 200
            path = f"/resource_providers/{made.json()['uuid']}/inventories"
            stock = {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 4}}}
            assert client.put(path, json=stock).status_code == 200
            seen = [
                len(one.get("/allocation_candidates?resources=VCPU:4").json()["allocation_requests"])
                for one in clients
            ]
            assert set(seen) == {number + 1}
        for client in clients:
            client.close()
