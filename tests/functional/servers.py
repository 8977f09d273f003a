"""What tests about servers share: a flavor, an image, and a way to wait for what loops do."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

NEWEST = {"OpenStack-API-Version": "compute 2.100"}
RAW_IMAGE = b"\x00" * 1024 * 1024

Seen = TypeVar("Seen")


def eventually(look: Callable[[], Seen], right: Callable[[Seen], bool], seconds: float = 10.0) -> Seen:
    """Look until it is right; the last thing seen is in the failure."""
    until = time.monotonic() + seconds
    while not right(seen := look()):
        assert time.monotonic() < until, f"still {seen!r} after {seconds} s"
        time.sleep(0.02)
    return seen


def make_flavor(admin: httpx.Client, name: str = "small", **extra_specs: str) -> str:
    flavor = {"name": name, "ram": 256, "vcpus": 1, "disk": 1}
    answer = admin.post("/compute/v2.1/flavors", json={"flavor": flavor}, headers=NEWEST)
    assert answer.status_code == 200, answer.text
    flavor_id: str = answer.json()["flavor"]["id"]
    if extra_specs:
        specs = {key.replace("__", ":"): value for key, value in extra_specs.items()}
        path = f"/compute/v2.1/flavors/{flavor_id}/os-extra_specs"
        assert admin.post(path, json={"extra_specs": specs}).status_code == 200
    return flavor_id


def make_image(client: httpx.Client, **more: Any) -> str:  # noqa: ANN401 - JSON
    body = {"name": "tiny", "disk_format": "raw", "container_format": "bare", **more}
    answer = client.post("/image/v2/images", json=body)
    assert answer.status_code == 201, answer.text
    image_id: str = answer.json()["id"]
    stored = client.put(
        f"/image/v2/images/{image_id}/file",
        content=RAW_IMAGE,
        headers={"Content-Type": "application/octet-stream"},
    )
    assert stored.status_code == 204, stored.text
    return image_id


@dataclass
class Tenant:
    """A client that boots servers from one image and one flavor."""

    client: httpx.Client
    flavor: str
    image: str

    def ask(self, name: str = "one", **more: Any) -> httpx.Response:  # noqa: ANN401
        server = {"name": name, "imageRef": self.image, "flavorRef": self.flavor, "networks": "auto", **more}
        server = {key: value for key, value in server.items() if value is not None}
        return self.client.post("/compute/v2.1/servers", json={"server": server}, headers=NEWEST)

    def boot(self, name: str = "one", **more: Any) -> str:  # noqa: ANN401
        answer = self.ask(name, **more)
        assert answer.status_code == 202, answer.text
        server_id: str = answer.json()["server"]["id"]
        return server_id

    def show(self, server_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/compute/v2.1/servers/{server_id}", headers=NEWEST)
        assert answer.status_code == 200, answer.text
        view: dict[str, Any] = answer.json()["server"]
        return view

    def wait(self, server_id: str, status: str, seconds: float = 10.0) -> dict[str, Any]:
        return eventually(lambda: self.show(server_id), lambda view: view["status"] == status, seconds)

    def act(self, server_id: str, action: str, value: Any = None) -> httpx.Response:  # noqa: ANN401
        path = f"/compute/v2.1/servers/{server_id}/action"
        return self.client.post(path, json={action: value}, headers=NEWEST)

    def delete(self, server_id: str) -> None:
        assert self.client.delete(f"/compute/v2.1/servers/{server_id}").status_code == 204

    def is_gone(self, server_id: str) -> bool:
        return self.client.get(f"/compute/v2.1/servers/{server_id}").status_code == 404

    def wait_gone(self, server_id: str, seconds: float = 10.0) -> None:
        eventually(lambda: self.is_gone(server_id), bool, seconds)

    def actions(self, server_id: str) -> list[dict[str, Any]]:
        answer = self.client.get(f"/compute/v2.1/servers/{server_id}/os-instance-actions", headers=NEWEST)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["instanceActions"]
        return found
