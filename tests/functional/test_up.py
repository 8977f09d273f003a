"""`kcloud up` on pretended hosts: what ready means, how it ends, and what the next start finds."""

import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from kcloud_cli.main import main
from tests.e2e.processes import Process, eventually
from tests.libvirtd import private_libvirtd
from tests.postgres import fresh_database, postgres_server

FAST = ("--set", "identity.password_rounds=4")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def cloud(data: Path, tmp_path: Path) -> Iterator[Process]:
    """Not started yet."""
    words = ("--data-dir", str(data), "--port", "0", "--hypervisor", "fake", "--hosts", "2", *FAST)
    process = Process(["kcloud", "up", *words], tmp_path / "log")
    yield process
    process.stop()


@pytest.fixture
def _signals_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def credentials(data: Path, cloud: str = "kcloud-admin") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((data / "clouds.yaml").read_text())["clouds"][cloud]
    return found


def client(url: str, data: Path, cloud: str = "kcloud-admin") -> httpx.Client:
    """Logs in with what clouds.yaml says, and nothing else."""
    auth = credentials(data, cloud)["auth"]
    user = {
        "name": auth["username"],
        "password": auth["password"],
        "domain": {"name": auth["user_domain_name"]},
    }
    project = {"name": auth["project_name"], "domain": {"name": auth["project_domain_name"]}}
    body = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": project},
        }
    }
    answer = httpx.post(f"{auth['auth_url']}/auth/tokens", json=body)
    assert answer.status_code == 201, answer.text
    return httpx.Client(base_url=url, headers={"X-Auth-Token": answer.headers["X-Subject-Token"]}, timeout=30)


def hosts(admin: httpx.Client) -> dict[str, dict[str, Any]]:
    return {host["name"]: host for host in admin.get("/kcloud/v1/hosts").json()["hosts"]}


def test_ready_means_that_hosts_and_credentials_are_there(cloud: Process, data: Path) -> None:
    line = cloud.start()
    url = line.removeprefix("ready ")
    assert stat.S_IMODE((data / "clouds.yaml").stat().st_mode) == 0o600
    assert credentials(data)["auth"]["auth_url"] == f"{url}/identity/v3"
    with client(url, data) as admin:
        found = hosts(admin)
        assert set(found) == {"fake-1", "fake-2"}
        assert {host["state"] for host in found.values()} == {"up"}
        for host in found.values():
            devices = admin.get(f"/kcloud/v1/hosts/{host['id']}").json()["devices"]
            assert [device["resource_class"] for device in devices] == ["PGPU"]
    with client(url, data, "kcloud-demo") as demo:
        assert demo.get("/kcloud/v1/hosts").status_code == 403


@pytest.mark.slow
def test_only_the_ready_line_is_on_stdout(cloud: Process, data: Path, tmp_path: Path) -> None:
    cloud.start()
    lines = [line for line in cloud.log.read_text().splitlines() if line.startswith("ready ")]
    assert len(lines) == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_seconds_and_the_next_start_finds_the_same_hosts(
    cloud: Process, data: Path, how: signal.Signals
) -> None:
    url = cloud.start().removeprefix("ready ")
    password = credentials(data)["auth"]["password"]
    with client(url, data) as admin:
        before = {name: host["id"] for name, host in hosts(admin).items()}
    began = time.monotonic()
    assert cloud.stop(how) == 0
    assert time.monotonic() - began < 10
    url = cloud.start().removeprefix("ready ")
    assert credentials(data)["auth"]["password"] == password
    with client(url, data) as admin:
        assert {name: host["id"] for name, host in hosts(admin).items()} == before


@pytest.mark.slow
def test_after_a_kill_the_next_start_works_too(cloud: Process, data: Path) -> None:
    cloud.start()
    cloud.kill()
    url = cloud.start().removeprefix("ready ")
    with client(url, data) as admin:
        eventually(
            lambda: {host["state"] for host in hosts(admin).values()} == {"up"}, "both hosts are up again"
        )


@pytest.mark.slow
def test_a_password_that_an_operator_has_changed_stays_changed(cloud: Process, data: Path) -> None:
    url = cloud.start().removeprefix("ready ")
    with client(url, data) as admin:
        user = admin.get("/identity/v3/users?name=demo").json()["users"][0]["id"]
        answer = admin.patch(f"/identity/v3/users/{user}", json={"user": {"password": "chosen-by-hand"}})
        assert answer.status_code == 200
    cloud.stop()
    cloud.start()
    auth = credentials(data, "kcloud-demo")["auth"]
    user_body = {"name": "demo", "password": "chosen-by-hand", "domain": {"id": "default"}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user_body}}}}
    assert httpx.post(f"{auth['auth_url']}/auth/tokens", json=body).status_code == 201


@pytest.mark.slow
def test_a_second_cloud_on_the_same_folder_is_refused(cloud: Process, data: Path, tmp_path: Path) -> None:
    cloud.start()
    second = Process(
        ["kcloud", "up", "--data-dir", str(data), "--port", "0", "--hosts", "0", *FAST], tmp_path / "second"
    )
    second.launch()
    assert second.wait() == 2
    assert f"process {cloud.pid}" in second.log.read_text()


@pytest.mark.usefixtures("_signals_as_they_were")
def test_a_simulated_machine_that_there_is_not_is_refused_before_anything_starts(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--data-dir", str(data), "--simulate", "t4,a-tree"]) == 2
    said = capsys.readouterr().err
    assert "'a-tree'" in said
    assert "hgx-h100" in said
    assert not data.exists()


@pytest.mark.usefixtures("_signals_as_they_were")
@pytest.mark.parametrize("setting", ["image.stoer=1", "agent.stoer=1", "nowhere.x=1", "x"])
def test_a_setting_that_makes_no_sense_is_refused_before_anything_starts(
    data: Path, capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    words = ["up", "--data-dir", str(data), "--port", "0", "--hypervisor", "fake", "--set", setting]
    assert main(words) == 2
    assert setting.partition("=")[0].rpartition(".")[2] in capsys.readouterr().err
    assert not (data / "kcloud.db").exists()


@pytest.mark.libvirt
def test_with_libvirt_the_first_host_is_this_machine_and_the_others_are_pretended(
    data: Path, tmp_path: Path
) -> None:
    with private_libvirtd(tmp_path / "libvirtd") as libvirtd:
        words = ("--data-dir", str(data), "--port", "0", "--hosts", "2", *FAST)
        process = Process(["kcloud", "up", *words, "--set", f"libvirt.uri={libvirtd.uri}"], tmp_path / "log")
        try:
            url = process.start().removeprefix("ready ")
            with client(url, data) as admin:
                found = {name: host["report"]["hypervisor_type"] for name, host in hosts(admin).items()}
            assert found.pop("fake-1") == "fake"
            assert [kind.lower() for kind in found.values()] == ["qemu"]
        finally:
            process.stop()


@pytest.mark.postgres
def test_on_postgresql_with_two_workers_the_same_cloud_comes_up(data: Path, tmp_path: Path) -> None:
    with postgres_server() as server, fresh_database(server) as database:
        words = ("--data-dir", str(data), "--port", "0", "--hypervisor", "fake", *FAST)
        process = Process(
            ["kcloud", "up", *words, "--database", database, "--workers", "2"], tmp_path / "log"
        )
        try:
            url = process.start(seconds=120).removeprefix("ready ")
            with client(url, data) as admin:
                assert {host["state"] for host in hosts(admin).values()} == {"up"}
            assert not (data / "kcloud.db").exists()
        finally:
            assert process.stop() == 0
