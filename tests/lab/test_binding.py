"""Binding and returning devices on a real kernel: afterwards sysfs reads, byte for byte, as it did before."""

from uuid import uuid4

import pytest

from kcloud_cli.lab.machine import NPU_ADDRESS
from tests.lab.machine import LabMachine

pytestmark = pytest.mark.lab


@pytest.fixture
def journal() -> str:
    """A folder on the lab host that is not there yet; like all below /run, it is gone with the machine."""
    return f"/run/journal-{uuid4()}"


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        pytest.param([NPU_ADDRESS], [NPU_ADDRESS], id="alone in its group, with a driver"),
        pytest.param(["0000:01:00.0"], ["0000:01:00.0"], id="alone in its group, without a driver"),
        pytest.param(
            ["0000:02:00.0"], ["0000:02:00.0", "0000:02:00.1"], id="one of two functions takes both"
        ),
        pytest.param(["0000:03:00.0"], ["0000:03:00.0"], id="with virtual functions switched off"),
    ],
)
def test_what_was_bound_is_returned_as_it_was(
    lab: LabMachine, journal: str, wanted: list[str], taken: list[str]
) -> None:
    claim = str(uuid4())
    before = lab.view()

    bound = lab.script("bind.py", "prepare", claim, journal, *wanted)
    assert sorted(bound["taken"]) == taken
    assert {lab.driver(address) for address in taken} == {"vfio-pci"}
    again = lab.script("bind.py", "prepare", claim, journal, *wanted)
    assert again == bound

    released = lab.script("bind.py", "release", claim, journal)
    assert released == {"prepared": {}}
    assert lab.view() == before
    assert lab.run("ls", "-A", journal).split() == []


def test_the_namespace_is_back_after_its_controller_was_returned(lab: LabMachine, journal: str) -> None:
    claim = str(uuid4())
    lab.script("bind.py", "prepare", claim, journal, NPU_ADDRESS)
    lab.script("bind.py", "release", claim, journal)
    read = (
        f"for _ in 1 2 3 4 5 6 7 8 9 10; do set -- /sys/bus/pci/devices/{NPU_ADDRESS}/nvme/nvme*/nvme*n1;"
        ' [ -b /dev/$(basename "$1") ] && break; sleep 1; done;'
        ' head -c 15 /dev/$(basename "$1")'
    )
    assert lab.run("sh", "-c", read) == "KCLOUD-NVME-NS1"


def test_a_group_with_a_stranger_is_refused_and_nothing_is_touched(lab: LabMachine, journal: str) -> None:
    before = lab.view()
    answer = lab.script("bind.py", "prepare", str(uuid4()), journal, "0000:0a:02.0")
    assert answer["refused"] == "NotViable"
    assert "0000:0a:01.0" in answer["reason"]
    assert answer["prepared"] == {}
    assert lab.view() == before


def test_the_hosts_own_disk_is_refused(lab: LabMachine, journal: str) -> None:
    before = lab.view()
    answer = lab.script("bind.py", "prepare", str(uuid4()), journal, "0000:00:02.0")
    assert answer["refused"] == "DeviceBusy"
    assert lab.view() == before


def test_a_device_held_by_one_claim_is_refused_to_another(lab: LabMachine, journal: str) -> None:
    first, second = str(uuid4()), str(uuid4())
    before = lab.view()
    lab.script("bind.py", "prepare", first, journal, NPU_ADDRESS)
    answer = lab.script("bind.py", "prepare", second, journal, NPU_ADDRESS)
    assert answer["refused"] == "DeviceBusy"
    assert first in answer["reason"]
    lab.script("bind.py", "release", first, journal)
    assert lab.view() == before
