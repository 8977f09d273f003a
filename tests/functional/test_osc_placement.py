"""osc-placement, the placement plugin of the `openstack` client, unmodified: an operator at work with it."""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.openstack_client import OpenStack
from tests.functional.conftest import Cloud
from tests.functional.test_real_clients import clouds_yaml

pytestmark = pytest.mark.client


@pytest.fixture
def services() -> tuple[str, ...]:
    return ("identity", "placement")


@pytest.fixture
def admin(cloud: Cloud, tmp_path: Path) -> OpenStack:
    entry = clouds_yaml(cloud, tmp_path)
    entry.write_text(
        entry.read_text().replace("  admin:\n", '  admin:\n    placement_api_version: "1.39"\n', 1)
    )
    return OpenStack(entry, "admin", tmp_path / "transcript")


def test_providers_inventories_traits_and_aggregates(admin: OpenStack) -> None:
    host = admin.json("resource", "provider", "create", "host")["uuid"]
    card = admin.json("resource", "provider", "create", "card", "--parent-provider", host)
    assert (card["parent_provider_uuid"], card["root_provider_uuid"]) == (host, host)
    renamed = admin.json("resource", "provider", "set", card["uuid"], "--name", "card0")
    assert (renamed["name"], renamed["parent_provider_uuid"]) == ("card0", host)

    stock = (
        "--resource",
        "VCPU=8",
        "--resource",
        "VCPU:allocation_ratio=2.0",
        "--resource",
        "MEMORY_MB=1024",
    )
    set_rows = admin.json("resource", "provider", "inventory", "set", host, *stock)
    assert {row["resource_class"]: row["total"] for row in set_rows} == {"VCPU": 8, "MEMORY_MB": 1024}
    admin("resource", "provider", "inventory", "set", card["uuid"], "--resource", "PGPU=2")
    words = ("resource", "provider", "inventory", "class", "set", card["uuid"], "PGPU", "--total", "1")
    assert admin.json(*words)["total"] == 1
    assert admin.json("resource", "provider", "inventory", "show", host, "VCPU")["allocation_ratio"] == 2.0

    admin("trait", "create", "CUSTOM_FAST")
    admin("resource", "provider", "trait", "set", card["uuid"], "--trait", "CUSTOM_FAST")
    shown = admin.json("resource", "provider", "trait", "list", card["uuid"])
    assert [row["name"] for row in shown] == ["CUSTOM_FAST"]
    aggregate = str(uuid4())
    generation = str(admin.json("resource", "provider", "show", host)["generation"])
    member = ("--generation", generation, "--aggregate", aggregate)
    admin("resource", "provider", "aggregate", "set", host, *member)
    assert admin.json("resource", "provider", "aggregate", "list", host) == [{"uuid": aggregate}]

    listed = ("resource", "provider", "list")
    assert [row["name"] for row in admin.json(*listed, "--required", "CUSTOM_FAST")] == ["card0"]
    assert [row["name"] for row in admin.json(*listed, "--member-of", aggregate)] == ["host"]
    assert len(admin.json(*listed, "--in-tree", host)) == 2
    assert "404" in admin("resource", "provider", "show", str(uuid4()), fails=True)


def test_candidates_allocations_and_usages(admin: OpenStack) -> None:
    host = admin.json("resource", "provider", "create", "host")["uuid"]
    admin(
        "resource", "provider", "inventory", "set", host, "--resource", "VCPU=8", "--resource", "DISK_GB=10"
    )
    admin("resource", "class", "create", "CUSTOM_THING")
    assert "CUSTOM_THING" in {row["name"] for row in admin.json("resource", "class", "list")}

    found = admin.json("allocation", "candidate", "list", "--resource", "VCPU=2", "--resource", "DISK_GB=4")
    assert [row["resource provider"] for row in found] == [host]
    assert found[0]["allocation"] == "VCPU=2,DISK_GB=4" or found[0]["allocation"] == "DISK_GB=4,VCPU=2"

    consumer, project, user = str(uuid4()), str(uuid4()), str(uuid4())
    who = ("--project-id", project, "--user-id", user, "--consumer-type", "INSTANCE")
    words = ("resource", "provider", "allocation", "set", consumer, "--allocation", f"rp={host},VCPU=2")
    made = admin.json(*words, *who)
    assert [(row["resource_provider"], row["resources"]) for row in made] == [(host, {"VCPU": 2})]
    assert admin.json("resource", "provider", "allocation", "show", consumer) == made
    usage = {row["resource_class"]: row["usage"] for row in admin.json("resource", "usage", "show", project)}
    assert usage["VCPU"] == 2
    shown = admin.json("resource", "provider", "usage", "show", host)
    assert {row["resource_class"]: row["usage"] for row in shown} == {"VCPU": 2, "DISK_GB": 0}

    too_much = (*words[:-1], f"rp={host},VCPU=9")
    assert "409" in admin(*too_much, *who, fails=True)
    assert "409" in admin("resource", "provider", "inventory", "delete", host, fails=True)
    admin("resource", "provider", "allocation", "delete", consumer)
    admin("resource", "provider", "inventory", "delete", host)
    admin("resource", "class", "delete", "CUSTOM_THING")
    admin("resource", "provider", "delete", host)
    assert admin.json("resource", "provider", "list") == []
