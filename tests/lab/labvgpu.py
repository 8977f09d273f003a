"""Gives the card at LABVGPU mediated devices for a while, by a driver that is built for the lab host."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kcloud_cli.lab import modules
from tests.lab.lab_cards import LABVGPU
from tests.lab.machine import LabMachine

SOURCES = Path(__file__).parent / "modules"
FILE = "/run/labvgpu.ko"
CARD = f"/sys/bus/pci/devices/{LABVGPU}"
LOAD = f"""
modprobe mdev && insmod {FILE} &&
echo labvgpu > {CARD}/driver_override && echo {LABVGPU} > /sys/bus/pci/drivers_probe
"""
UNLOAD = f"""
echo {LABVGPU} > /sys/bus/pci/drivers/labvgpu/unbind; echo > {CARD}/driver_override
rmmod labvgpu && modprobe -r mdev
"""


def load(lab: LabMachine) -> None:
    """Until the lab host starts anew."""
    built = modules.built(SOURCES) / "labvgpu.ko"
    lab.remote.run(["sh", "-c", f"cat > {FILE}"], data=built.read_bytes())
    lab.run("sh", "-c", LOAD)


@contextmanager
def loaded(lab: LabMachine) -> Iterator[None]:
    load(lab)
    assert lab.run("cat", f"{CARD}/mdev_supported_types/labvgpu-2/available_instances").split() == ["12"]
    try:
        yield
    finally:
        lab.run("sh", "-c", UNLOAD)
