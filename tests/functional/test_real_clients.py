"""The clients that people have: the unmodified `openstack` command, and openstacksdk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import openstack.exceptions
import pytest

from tests.disk_images import MIB, qcow2, raw
from tests.e2e.openstack_client import OpenStack
from tests.functional.conftest import Cloud

# The SDK warns of its own insides.
pytestmark = [
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]

SERVICES = ("identity", "compute", "image", "placement")


@pytest.fixture
def services() -> tuple[str, ...]:
    return SERVICES


def clouds_yaml(cloud: Cloud, folder: Path) -> Path:
    path = folder / "clouds.yaml"
    path.write_text("clouds:\n" + "".join(_entry(cloud, user) for user in ("admin", "demo")))
    return path


def _entry(cloud: Cloud, user: str) -> str:
    return f"""  {user}:
    region_name: RegionOne
    identity_api_version: 3
    auth:
      auth_url: {cloud.url}/identity
      username: {user}
      password: {getattr(cloud.passwords, user)}
      project_name: {user}
      user_domain_id: default
      project_domain_id: default
"""


def image_file(folder: Path, data: bytes) -> Path:
    path = folder / "disk"
    path.write_bytes(data)
    return path


@pytest.mark.client
def test_the_openstack_command_drives_identity_flavors_images_and_keys(cloud: Cloud, tmp_path: Path) -> None:
    file = clouds_yaml(cloud, tmp_path)
    admin, demo = (OpenStack(file, user, tmp_path / "transcript") for user in ("admin", "demo"))

    assert demo.json("token", "issue")["project_id"] == cloud.demo_project_id
    assert set(SERVICES) <= {entry["Type"] for entry in demo.json("catalog", "list")}
    assert admin.json("project", "show", "demo")["id"] == cloud.demo_project_id
    assert {row["Name"] for row in admin.json("role", "list")} >= {"admin", "member", "reader"}
    admin("project", "create", "other")
    admin("user", "create", "--project", "other", "--password", "secret", "eve")
    admin("role", "add", "--project", "other", "--user", "eve", "member")
    names = admin.json("role", "assignment", "list", "--names", "--user", "eve")
    assert [(row["Role"], row["Project"]) for row in names] == [("member", "other@Default")]

    size = ("--vcpus", "1", "--ram", "256", "--disk", "0")
    made = admin.json("flavor", "create", *size, "--property", "resources:PGPU=1", "gpu")
    assert made["properties"] == {"resources:PGPU": "1"}
    assert demo.json("flavor", "show", "gpu")["id"] == made["id"]
    assert [row["Name"] for row in demo.json("flavor", "list")] == ["gpu"]
    admin("flavor", "set", "--property", "trait:CUSTOM_X=required", "gpu")
    admin("flavor", "unset", "--property", "resources:PGPU", "gpu")
    assert demo.json("flavor", "show", "gpu")["properties"] == {"trait:CUSTOM_X": "required"}
    assert "403" in demo("flavor", "create", "--ram", "1", "mine", fails=True)

    data = image_file(tmp_path, qcow2(8 * MIB))
    words = ("image", "create", "--disk-format", "qcow2", "--file", data, "--property", "a=b", "tiny")
    image = demo.json(*words)
    shown = demo.json("image", "show", "tiny")
    assert (shown["id"], shown["status"], shown["virtual_size"]) == (image["id"], "active", 8 * MIB)
    assert [row["Name"] for row in demo.json("image", "list")] == ["tiny"]
    demo("image", "set", "--name", "small", "--min-ram", "64", "tiny")
    demo("image", "save", "--file", tmp_path / "copy", "small")
    assert (tmp_path / "copy").read_bytes() == data.read_bytes()
    lie = image_file(tmp_path, raw())
    complaint = demo("image", "create", "--disk-format", "qcow2", "--file", lie, "lie", fails=True)
    assert "does not match stream data raw" in complaint

    demo("keypair", "create", "--private-key", tmp_path / "key", "mine")
    assert (tmp_path / "key").read_text().startswith("-----BEGIN")
    assert demo.json("keypair", "show", "mine")["fingerprint"]
    assert [row["Name"] for row in demo.json("keypair", "list")] == ["mine"]

    demo("keypair", "delete", "mine")
    demo("image", "delete", "small")
    admin("flavor", "delete", "gpu")
    admin("user", "delete", "eve")
    admin("project", "delete", "other")
    assert demo.json("flavor", "list") == []


@pytest.fixture
def sdk(cloud: Cloud) -> Iterator[Any]:
    connection = openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        region_name="RegionOne",
        auth_url=f"{cloud.url}/identity",
        username="admin",
        password=cloud.passwords.admin,
        project_name="admin",
        user_domain_id="default",
        project_domain_id="default",
    )
    yield connection
    connection.close()


def test_openstacksdk_uploads_finds_and_downloads_an_image(sdk: Any) -> None:  # noqa: ANN401
    data = qcow2()
    formats = {"disk_format": "qcow2", "container_format": "bare"}
    image = sdk.create_image("tiny", data=data, wait=True, **formats)
    assert image.status == "active"
    assert sdk.image.find_image("tiny").id == image.id
    assert [found.name for found in sdk.image.images(sort="name:asc", limit=1)] == ["tiny"]
    assert sdk.image.download_image(image.id).content == data
    assert sdk.image.update_image(image.id, name="small").name == "small"
    sdk.image.delete_image(image.id)
    assert sdk.image.find_image("tiny") is None


def test_openstacksdk_makes_flavors_keys_and_users(sdk: Any) -> None:  # noqa: ANN401
    flavor = sdk.compute.create_flavor(name="one", ram=64, vcpus=1, disk=0)
    sdk.compute.create_flavor_extra_specs(flavor, {"a": "b"})
    assert sdk.compute.find_flavor("one", get_extra_specs=True).extra_specs == {"a": "b"}
    with pytest.raises(openstack.exceptions.ConflictException, match="already exists"):
        sdk.compute.create_flavor(name="one", ram=64, vcpus=1, disk=0)
    project = sdk.identity.create_project(name="other")
    user = sdk.identity.create_user(name="eve", password="secret")
    sdk.grant_role("member", user=user.id, project=project.id)
    assert sdk.identity.find_user("eve").id == user.id
    assert [item.scope["project"]["id"] for item in sdk.identity.role_assignments(user_id=user.id)]
