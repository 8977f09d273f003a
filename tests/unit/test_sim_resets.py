"""The fake kernel's resets, and the harm that a test can plan for them; config space, counters, knobs."""

import errno
from pathlib import Path

import pytest

from vfio.errors import SysfsError
from vfio.scan import DEVICES, scan
from vfio.sim.trees import build
from vfio.testing import GIB, MIB, FakeFunction, FakeHost, Harm

CARD = "0000:21:00.0"
HERE = f"{DEVICES}/{CARD}"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return build("rngd-x1", tmp_path)


def test_a_reset_is_done_by_the_first_method_that_is_allowed(host: FakeHost) -> None:
    sysfs = host.sysfs()
    sysfs.write(f"{HERE}/reset", "1")
    sysfs.write(f"{HERE}/reset_method", "bus")
    sysfs.write(f"{HERE}/reset", "1")
    sysfs.write(f"{HERE}/reset_method", "default\n")
    assert sysfs.read_text(f"{HERE}/reset_method") == "flr bus"
    assert host.resets() == ((CARD, "flr"), (CARD, "bus"))


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [
        ("reset", "2", errno.EINVAL),
        ("reset", "now", errno.EINVAL),
        ("reset_method", "pm", errno.EINVAL),
        ("reset_method", "kick", errno.EINVAL),
        ("d3cold_allowed", "perhaps", errno.EINVAL),
        ("power/control", "off", errno.EINVAL),
        ("sriov_drivers_autoprobe", "2", errno.EINVAL),
        ("config", "x", errno.EACCES),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(host: FakeHost, name: str, text: str, number: int) -> None:
    before = host.picture()
    with pytest.raises(SysfsError) as caught:
        host.sysfs().write(f"{HERE}/{name}", text)
    assert caught.value.errno == number
    assert host.picture() == before


def test_without_a_method_there_is_no_reset(host: FakeHost) -> None:
    host.sysfs().write(f"{HERE}/reset_method", "\n")
    assert scan(host.sysfs()).devices[CARD].reset_methods == ()
    with pytest.raises(SysfsError) as caught:
        host.sysfs().write(f"{HERE}/reset", "1")
    assert caught.value.errno == errno.ENOTTY


def test_a_reset_leaves_a_healthy_card_as_it_was(host: FakeHost) -> None:
    before = host.picture()
    host.sysfs().write(f"{HERE}/reset", "1")
    assert host.picture() == before


def test_a_planned_harm_shows_after_the_reset_and_only_then(host: FakeHost) -> None:
    host.harm_reset(CARD, Harm(dead=True, errors={"nonfatal": 2}, link=(2.5, 4), method="bus"))
    sysfs, before = host.sysfs(), host.picture()
    sysfs.write(f"{HERE}/reset", "1")
    assert host.picture() == before
    sysfs.write(f"{HERE}/reset_method", "bus")
    sysfs.write(f"{HERE}/reset", "1")
    assert set(sysfs.read_bytes(f"{HERE}/config")) == {0xFF}
    assert sysfs.read_text(f"{HERE}/aer_dev_nonfatal").endswith("TOTAL_ERR_NONFATAL 2")
    assert sysfs.read_text(f"{HERE}/current_link_speed") == "2.5 GT/s PCIe"
    assert sysfs.read_text(f"{HERE}/current_link_width") == "4"


def test_a_dead_card_stays_dead_until_the_host_boots(host: FakeHost) -> None:
    host.die(CARD)
    host.sysfs().write(f"{HERE}/reset", "1")
    assert set(host.sysfs().read_bytes(f"{HERE}/config")) == {0xFF}
    host.reboot()
    assert host.sysfs().read_bytes(f"{HERE}/config")[:4] == bytes([0xD2, 0x1E, 0x01, 0x00])


def test_a_card_may_leave_at_its_reset(host: FakeHost) -> None:
    host.harm_reset(CARD, Harm(gone=True))
    host.sysfs().write(f"{HERE}/reset", "1")
    assert CARD not in scan(host.sysfs()).devices
    assert not [path for path in host.picture() if CARD in path]


def test_the_simulated_mi300x_does_not_survive_its_reset_but_its_vf_does(tmp_path: Path) -> None:
    host = build("mi300x-x1", tmp_path)
    sysfs = host.sysfs()
    sysfs.write(f"{HERE}/sriov_numvfs", "1")
    virtual = f"{DEVICES}/0000:21:02.0"
    sysfs.write(f"{virtual}/reset", "1")
    assert set(sysfs.read_bytes(f"{virtual}/config")) != {0xFF}
    sysfs.write(f"{HERE}/reset", "1")
    assert set(sysfs.read_bytes(f"{HERE}/config")) == {0xFF}


def test_config_space_has_the_capabilities_that_the_function_has(host: FakeHost) -> None:
    data = host.sysfs().read_bytes(f"{HERE}/config")
    assert len(data) == 4096
    found, at = {}, data[0x34]
    while at:
        found[data[at]], at = at, data[at + 1]
    assert {0x01, 0x10, 0x11} <= found.keys()
    assert data[found[0x10] + 7] & 0x10, "function level reset"
    extended, at = {}, 0x100
    while at:
        word = int.from_bytes(data[at : at + 4], "little")
        extended[word & 0xFFFF], at = at, word >> 20
    assert {0x01, 0x0D, 0x10} <= extended.keys()
    assert int.from_bytes(data[extended[0x10] + 0x0E : extended[0x10] + 0x10], "little") == 8


def test_a_file_is_the_same_by_whichever_way_it_is_reached(host: FakeHost) -> None:
    sysfs = host.sysfs()
    sysfs.write(f"{sysfs.realpath(HERE)}/sriov_numvfs", "1")
    sysfs.write(f"{HERE}/virtfn0/reset", "1")
    assert host.resets() == (("0000:21:10.0", "flr"),)


def test_a_file_can_be_unreadable_for_a_while(host: FakeHost) -> None:
    host.fail_read(f"{HERE}/config", errno.EIO, times=2)
    for _ in range(2):
        with pytest.raises(SysfsError) as caught:
            host.sysfs().read_bytes(f"{HERE}/config")
        assert caught.value.errno == errno.EIO
    assert len(host.sysfs().read_bytes(f"{HERE}/config")) == 4096


def test_a_bar_is_resized_only_without_a_driver_and_to_a_size_that_it_can_have(tmp_path: Path) -> None:
    host = FakeHost(tmp_path)
    host.add(
        FakeFunction(
            CARD, 0x1002, 0x74A1, 0x120000, driver="gim", group=1, bar_sizes=(2 * MIB, 8 * GIB),
            resizable_bars=(2,),
        )
    )  # fmt: skip
    sysfs, knob = host.sysfs(), f"{HERE}/resource2_resize"
    refused = (("gim", "10", errno.EBUSY), (None, "14", errno.EINVAL), (None, "x", errno.EINVAL))
    for driver, text, number in refused:
        if driver is None and host.driver_of(CARD):
            sysfs.write("sys/bus/pci/drivers/gim/unbind", CARD)
        with pytest.raises(SysfsError) as caught:
            sysfs.write(knob, text)
        assert caught.value.errno == number
    sysfs.write(knob, "10")
    assert [bar.size for bar in scan(sysfs).devices[CARD].bars] == [2 * MIB, 1 * GIB]
