"""The unmodified `openstack` client drives a real libvirt guest from the first token to the last trace."""

from pathlib import Path

import pytest

from tests.e2e.cloud import Cloud
from tests.e2e.openstack_client import OpenStack
from tests.e2e.processes import eventually

pytestmark = [pytest.mark.libvirt, pytest.mark.client]


def test_the_usual_session_from_token_to_delete(cloud: Cloud, tiny_image: Path, tmp_path: Path) -> None:
    admin = OpenStack(cloud.clouds_yaml, "kcloud-admin", tmp_path / "transcript")
    demo = OpenStack(cloud.clouds_yaml, "kcloud-demo", tmp_path / "transcript")

    assert demo.json("token", "issue")["id"]
    types = {entry["Type"] for entry in demo.json("catalog", "list")}
    assert {"identity", "compute", "image", "placement"} <= types

    flavor = admin.json(
        "flavor", "create", "--vcpus", "1", "--ram", "256", "--disk", "0",
        "--property", "resources:VCPU=1", "one",
    )  # fmt: skip
    assert flavor["properties"] == {"resources:VCPU": "1"}
    image = demo.json("image", "create", "--disk-format", "qcow2", "--file", tiny_image, "tiny")
    assert demo.json("image", "show", image["id"])["status"] == "active"
    demo("keypair", "create", "--private-key", tmp_path / "key", "mine")
    assert (tmp_path / "key").read_text().startswith("-----BEGIN")

    created = demo.json(
        "server", "create", "--image", "tiny", "--flavor", "one", "--key-name", "mine", "--wait", "first"
    )
    assert created["status"] == "ACTIVE"
    assert [row["Name"] for row in demo.json("server", "list")] == ["first"]
    shown = demo.json("server", "show", "first")
    assert shown["status"] == "ACTIVE"
    assert shown["name"] == "first"
    assert cloud.domains() == {f"kcloud-{shown['id']}"}

    def console() -> str | None:
        text = demo("console", "log", "show", "first")
        return text if "GUEST-READY first" in text else None

    assert "GUEST-PCI" in eventually(console, "the guest reports itself ready", seconds=180, every=1)
    addresses = eventually(
        lambda: demo.json("server", "show", "first")["addresses"], "the guest's address", seconds=60, every=1
    )
    assert str(addresses)

    events = demo.json("server", "event", "list", "first")
    assert [event["Action"] for event in events] == ["create"]
    request = events[0]["Request ID"]
    assert demo.json("server", "event", "show", "first", request)["action"] == "create"

    demo("server", "delete", "--wait", "first")
    assert demo.json("server", "list") == []
    cloud.assert_nothing_left()
