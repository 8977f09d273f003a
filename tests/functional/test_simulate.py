"""`kcloud up --simulate`: machines that nobody has, cut, used up and cleaned through the public API."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from kcloud_cli.main import main
from tests.e2e.processes import Process, eventually
from tests.functional.servers import Tenant, make_flavor, make_image
from tests.functional.test_layout_command import EXAMPLES
from tests.functional.test_up import FAST, client, hosts

TREES = "t4,l40s-x2,hgx-h100"
LAYOUTS = {
    "t4": {"match": "10de:1eb8", "cuts": [{"kind": "mdev", "type": "nvidia-234", "count": 1}]},
    "l40s-x2": {
        "match": "10de:26b9",
        "cuts": [{"kind": "vendor-vf", "type": "1155", "count": 2, "resource_class": "CUSTOM_HALF"}],
    },
}
ROOMS = {"resources:VGPU": 4, "resources:CUSTOM_HALF": 4, "resources:PGPU": 8}
"""What the three machines have then: slices of four T4 and of two L40S, and eight whole H100."""


@contextmanager
def simulated(trees: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Process, str]]:
    """A cloud and its URL; `kcloud` commands meet it, too."""
    data = folder / "data"
    words = ("--data-dir", str(data), "--port", "0", "--simulate", trees, *FAST)
    process = Process(["kcloud", "up", *words], folder / "log")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(data / "clouds.yaml"))
    monkeypatch.delenv("OS_CLOUD", raising=False)
    try:
        yield process, process.start(seconds=120).removeprefix("ready ")
    finally:
        process.stop()


def devices(admin: httpx.Client, **narrowed: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.get("/kcloud/v1/devices", params=narrowed).json()["devices"]
    return found


def stands(host: str) -> bool:
    return main(["layout", "status", host]) == 0


def test_slices_of_simulated_machines_are_used_up_cleaned_and_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with simulated(TREES, tmp_path, monkeypatch) as (process, url):
        with client(url, tmp_path / "data") as admin, client(url, tmp_path / "data", "kcloud-demo") as demo:
            assert set(hosts(admin)) == set(TREES.split(","))
            for host, cards in LAYOUTS.items():
                body = {"name": host, "target": {"kind": "host", "hosts": [host]}, "cards": [cards]}
                assert admin.post("/kcloud/v1/layouts", json=body).status_code == 201
            for host in LAYOUTS:
                eventually(lambda host=host: stands(host), f"{host} is cut", every=0.5)  # type: ignore[misc]
            tenants = _fill(admin, demo)
            held = [each for each in devices(admin) if each["claim"]]
            assert {each["state"] for each in held} == {"attached"}
            assert len(held) == sum(ROOMS.values()) == len(devices(admin))
            chosen = {each["kind"]: each for each in held}
            assert set(chosen) == {"mdev", "vendor-vf", "whole"}
            _give_back_and_verify(tenants, chosen, admin)
        before = {each["id"]: (each["name"], each["claim"]) for each in _all(url, tmp_path)}
        process.stop()
        url = process.start(seconds=120).removeprefix("ready ")
        assert {each["id"]: (each["name"], each["claim"]) for each in _all(url, tmp_path)} == before
        _operate(url, tmp_path, next(iter(chosen.values())), capsys)


def _all(url: str, folder: Path) -> list[dict[str, Any]]:
    with client(url, folder / "data") as admin:
        return devices(admin)


def _fill(admin: httpx.Client, demo: httpx.Client) -> Tenant:
    """Boot servers until there is no slice of any sort left; one more is told why it gets none."""
    image = make_image(demo)
    quota = {"quota_set": {"instances": 100, "cores": 100, "ram": 100_000}}
    project = demo.get("/identity/v3/auth/projects").json()["projects"][0]["id"]
    admin.put(f"/compute/v2.1/os-quota-sets/{project}", json=quota)
    ids: list[str] = []
    for wanted, room in ROOMS.items():
        tenant = Tenant(demo, make_flavor(admin, wanted.replace(":", "-"), **{wanted: "1"}), image)
        ids += [tenant.boot(f"{wanted}-{number}") for number in range(room)]
    for server in ids:
        tenant.wait(server, "ACTIVE", seconds=60)
    refused = tenant.wait(tenant.boot("one-too-many"), "ERROR", seconds=60)
    assert "PGPU" in refused["fault"]["message"]
    tenant.delete(refused["id"])
    return tenant


def _give_back_and_verify(tenant: Tenant, chosen: dict[str, dict[str, Any]], admin: httpx.Client) -> None:
    for device in chosen.values():
        tenant.delete(device["claim"]["server_id"])
    for device in chosen.values():
        eventually(lambda device=device: tenant.is_gone(device["claim"]["server_id"]), "it is gone")  # type: ignore[misc]
        (now,) = [each for each in devices(admin) if each["id"] == device["id"]]
        assert (now["state"], now["held_back"], now["certified_generation"]) == ("free", "", 1)
        (certificate,) = admin.get(f"/kcloud/v1/devices/{device['id']}/certificates").json()["certificates"]
        assert certificate["generation"] == 1
        assert main(["device", "verify", device["id"]]) == 0
        assert main(["device", "verify", device["id"], "--os-cloud", "kcloud-demo"]) == 0


def _operate(url: str, folder: Path, device: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """An operator takes a device out of use, and puts it back after a burn-in."""
    name = f"{device['host']}/{device['name']}"
    assert main(["device", "quarantine", name, "--reason", "its fan is loud"]) == 0
    capsys.readouterr()
    assert main(["device", "show", name]) == 0
    assert "its fan is loud" in capsys.readouterr().out
    assert main(["device", "release", name]) == 0
    with client(url, folder / "data") as admin:

        def burnt_in() -> bool:
            (now,) = [each for each in devices(admin) if each["id"] == device["id"]]
            return bool(now["release_done"]) and (now["state"], now["held_back"]) == ("free", "")

        eventually(burnt_in, "the burn-in is passed")
    capsys.readouterr()
    assert main(["device", "certificates", name, "--json"]) == 0
    chain = folder / "chain.json"
    chain.write_text(capsys.readouterr().out)
    assert [each["occasion"] for each in json.loads(chain.read_text())["certificates"]] == [
        "lease",
        "burn-in",
    ]
    assert main(["device", "verify", "--file", str(chain)]) == 0
    altered = folder / "altered.json"
    altered.write_text(chain.read_text().replace("burn-in", "lease"))
    assert main(["device", "verify", "--file", str(altered), "--keys", str(chain)]) == 1
    altered.write_text("{}")
    assert main(["device", "verify", "--file", str(altered)]) == 2


def test_the_examples_of_the_documentation_cut_simulated_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those whose hosts the page starts with --simulate."""
    trees = ("t4-x1", "l40s-x1", "flex170-x1", "rngd-x1")
    examples = {host: text for host in trees for text in EXAMPLES if f'hosts = ["{host}"]' in text}
    assert set(examples) == set(trees)
    with (
        simulated(",".join(trees), tmp_path, monkeypatch) as (_process, url),
        client(url, tmp_path / "data") as admin,
    ):
        for host, text in examples.items():
            (tmp_path / f"{host}.toml").write_text(text)
            assert main(["layout", "create", str(tmp_path / f"{host}.toml")]) == 0
        for host in trees:
            eventually(lambda host=host: stands(host), f"{host} is cut", every=0.5)  # type: ignore[misc]
        kinds = {host: {each["kind"] for each in devices(admin, host=host)} for host in trees}
        assert kinds == dict(zip(trees, ({"mdev"}, {"vendor-vf"}, {"xe-vf"}, {"vf"}), strict=True))
        assert len(devices(admin)) == 4 + 4 + 4 + 8
    assert "Traceback" not in capsys.readouterr().err + (tmp_path / "log").read_text()
