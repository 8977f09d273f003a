"""kill -9 of the agent, the control plane and libvirtd at five points of a boot and of a delete.

Every server must end ACTIVE, deleted, or in ERROR with a reason, and nothing may leak. The points are
moments that can be seen from outside: what is on the host's disk and what libvirt shows. One of them hits a
fault of libvirt's own (hypervisor_drivers/libvirt/power.py, pull_plug): there the server ends in ERROR, its
fault tells the operator how to mend libvirt, and the test does as told.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import openstack.exceptions
import pytest

from tests.e2e.cloud import Cloud
from tests.e2e.processes import eventually

pytestmark = [pytest.mark.libvirt, pytest.mark.slow]

VICTIMS = ("agent", "control", "libvirtd")


@pytest.fixture(scope="module")
def prepared(cloud: Cloud, tiny_image: Path) -> tuple[str, str]:
    """Image and flavor ids; the first boot also fills the host's image cache, so that kills hit the rest."""
    admin = cloud.connection("kcloud-admin")
    image = cloud.upload("tiny", tiny_image)
    flavor = admin.create_flavor("one", ram=128, vcpus=1, disk=0)
    server = create(cloud, (image, flavor.id))
    settle_boot(cloud, server)
    delete(cloud, server)
    settle_delete(cloud, server)
    return image, flavor.id


def create(cloud: Cloud, prepared: tuple[str, str]) -> str:
    image, flavor = prepared
    server = cloud.connection().compute.create_server(
        name="victim", image_id=image, flavor_id=flavor, networks="auto"
    )
    return str(server.id)


def delete(cloud: Cloud, server: str) -> None:
    cloud.connection().compute.delete_server(server, ignore_missing=False)


def settle_boot(cloud: Cloud, server: str) -> str:
    """The state in which the boot ended; ERROR must say why."""

    def settled() -> str | None:
        with contextlib.suppress(openstack.exceptions.SDKException):
            shown = cloud.connection().compute.get_server(server)
            if shown.status == "ERROR":
                assert shown.fault["message"], "an ERROR without a reason"
            return shown.status if shown.status in ("ACTIVE", "ERROR") else None
        return None

    return eventually(settled, f"server {server} settles", seconds=90, every=0.2)


def settle_delete(cloud: Cloud, server: str) -> None:
    def gone() -> bool:
        try:
            cloud.connection().compute.get_server(server)
        except openstack.exceptions.NotFoundException:
            return True
        except openstack.exceptions.SDKException:
            return False
        return False

    eventually(gone, f"server {server} is gone", seconds=90, every=0.2)
    cloud.assert_nothing_left()


def reached(look: Callable[[], bool], *, seconds: float = 10) -> None:
    """Wait for the moment, or go on if it passed unseen: the kill then falls a little later."""
    end = time.monotonic() + seconds
    while not look() and time.monotonic() < end:
        time.sleep(0.001)


def boot_points(cloud: Cloud, server: str) -> dict[str, Callable[[], bool]]:
    folder = cloud.host_dir / "servers" / server
    return {
        "answered": lambda: True,
        "folder": folder.exists,
        "disk": (folder / "disk.qcow2").exists,
        "defined": lambda: cloud.is_defined(server),
        "process": lambda: cloud.has_process(server),
    }


def delete_points(cloud: Cloud, server: str) -> dict[str, Callable[[], bool]]:
    folder = cloud.host_dir / "servers" / server
    return {
        "answered": lambda: True,
        "stopping": lambda: not cloud.has_process(server),
        "undefined": lambda: not cloud.is_defined(server),
        "disk-gone": lambda: not (folder / "disk.qcow2").exists(),
        "folder-gone": lambda: not folder.exists(),
    }


BOOT_POINTS = ("answered", "folder", "disk", "defined", "process")
DELETE_POINTS = ("answered", "stopping", "undefined", "disk-gone", "folder-gone")


@contextlib.contextmanager
def alive_again(cloud: Cloud, victim: str) -> Iterator[None]:
    """Kill it now; bring it back on leaving."""
    cloud.kill(victim)
    yield
    cloud.revive(victim)


@pytest.mark.parametrize("point", BOOT_POINTS)
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_boot_survives_a_kill(cloud: Cloud, prepared: tuple[str, str], victim: str, point: str) -> None:
    server = create(cloud, prepared)
    reached(boot_points(cloud, server)[point])
    with alive_again(cloud, victim):
        pass
    if settle_boot(cloud, server) == "ERROR":
        mend(cloud, server)
    delete(cloud, server)
    settle_delete(cloud, server)


def mend(cloud: Cloud, server: str) -> None:
    """Do what the fault tells the operator to do. Nothing else may end a boot in ERROR here."""
    fault = cloud.connection("kcloud-admin").compute.get_server(server).fault
    told = re.search(r"Stop libvirtd, remove its status file (\S+) under /run/libvirt", fault["details"])
    assert told is not None, fault
    cloud.kill("libvirtd")
    (cloud.libvirtd.folder / "run" / told.group(1)).unlink()
    cloud.revive("libvirtd")


@pytest.mark.parametrize("point", DELETE_POINTS)
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_delete_survives_a_kill(cloud: Cloud, prepared: tuple[str, str], victim: str, point: str) -> None:
    server = create(cloud, prepared)
    assert settle_boot(cloud, server) == "ACTIVE"
    delete(cloud, server)
    reached(delete_points(cloud, server)[point])
    with alive_again(cloud, victim):
        pass
    settle_delete(cloud, server)
