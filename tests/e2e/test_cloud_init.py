"""A stock Debian with its own cloud-init reads our config drive."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.e2e.cloud import Cloud
from tests.e2e.processes import eventually

pytestmark = [pytest.mark.libvirt, pytest.mark.slow]

USER_DATA = """#!/bin/sh
echo "USER-DATA-RAN on $(hostname) as $(id -un)" > /dev/ttyS0
echo "AUTHORIZED $(cat /home/*/.ssh/authorized_keys /root/.ssh/authorized_keys)" > /dev/ttyS0
echo USER-DATA-END > /dev/ttyS0
"""


def test_cloud_init_takes_name_key_and_user_data(cloud: Cloud, debian_image: Path) -> None:
    admin, demo = cloud.connection("kcloud-admin"), cloud.connection()
    image = cloud.upload("debian", debian_image)
    flavor = admin.create_flavor("debian", ram=1024, vcpus=1, disk=3)
    public = Ed25519PrivateKey.generate().public_key()
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    key = demo.compute.create_keypair(name="debian", public_key=line)
    server = demo.compute.create_server(
        name="sunbeam",
        image_id=image,
        flavor_id=flavor.id,
        key_name=key.name,
        networks="auto",
        user_data=base64.b64encode(USER_DATA.encode()).decode(),
    )
    server = demo.compute.wait_for_server(server, wait=120)

    def console() -> str | None:
        text = str(demo.compute.get_server_console_output(server)["output"])
        return text if "USER-DATA-END" in text else None

    text = eventually(console, "cloud-init ran the user data", seconds=480, every=3)
    assert "USER-DATA-RAN on sunbeam as root" in text
    assert line in text
    demo.delete_server(server.id, wait=True)
    cloud.assert_nothing_left()
