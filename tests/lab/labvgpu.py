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
echo labvgpu > {CARD}/driver_override && echo {LABVGPU} > /sys/bus/pci/drivers_probe &&
cat {CARD}/mdev_supported_types/labvgpu-2/available_instances
"""
UNLOAD = f"""
echo {LABVGPU} > /sys/bus/pci/drivers/labvgpu/unbind; echo > {CARD}/driver_override
rmmod labvgpu && modprobe -r mdev
"""


@contextmanager
def loaded(lab: LabMachine) -> Iterator[None]:
    """Not over a reboot of the lab host."""
    built = modules.built(SOURCES) / "labvgpu.ko"
    lab.remote.run(["sh", "-c", f"cat > {FILE}"], data=built.read_bytes())
    assert lab.run("sh", "-c", LOAD).split() == ["12"]
    try:
        yield
    finally:
        lab.run("sh", "-c", UNLOAD)
