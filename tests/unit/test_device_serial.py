"""Serial numbers of boards: read from the configuration space, told in reports and certificates."""

from pathlib import Path

import pytest

from tests.unit.care_world import Place, place
from tests.unit.cleaning_world import DEVICE, GPU
from vfio.config_space import device_serial
from vfio.health import Reading, Weight, judge
from vfio.health_reading import read
from vfio.lifecycle import State
from vfio.sim.function import FakeFunction
from vfio.sim.trees import build
from vfio.testing import FakeHost, gpu_host

NUMBER = 0x0015_17FF_FE12_3456


def extended(*capabilities: tuple[int, bytes]) -> bytes:
    """A healthy function's space with these extended capabilities, one after the other."""
    data = bytearray(4096)
    data[0:4] = b"\xde\x10\xb5\x20"
    offset = 0x100
    for index, (number, body) in enumerate(capabilities):
        following = offset + 0x20 if index + 1 < len(capabilities) else 0
        data[offset : offset + 4] = (number | 1 << 16 | following << 20).to_bytes(4, "little")
        data[offset + 4 : offset + 4 + len(body)] = body
        offset += 0x20
    return bytes(data)


def test_the_number_is_found_along_the_chain_in_the_form_that_lspci_prints() -> None:
    data = extended((0x0001, bytes(16)), (0x0003, NUMBER.to_bytes(8, "little")))
    assert device_serial(data) == "00-15-17-ff-fe-12-34-56"


@pytest.mark.parametrize("number", [0, (1 << 64) - 1])
def test_a_number_that_is_nobodys_is_none(number: int) -> None:
    assert device_serial(extended((0x0003, number.to_bytes(8, "little")))) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", bytes(64), b"\xff" * 4096, extended((0x0001, bytes(16))),
        extended((0x0003, bytes(8)))[:256], extended((0x0003, NUMBER.to_bytes(8, "little")))[:0x108],
    ],
)  # fmt: skip
def test_what_says_none_or_is_cut_short_has_none(data: bytes) -> None:
    assert device_serial(data) is None


def test_no_two_simulated_boards_have_the_same_number_on_any_host(tmp_path: Path) -> None:
    hosts = [build("l40s-x4", tmp_path / name) for name in ("a", "b")]
    numbers = [
        read(host.sysfs(), address).serial
        for host in hosts
        for address in host.addresses()
        if read(host.sysfs(), address).serial
    ]
    assert len(numbers) == len(set(numbers)) == 8
    again = FakeHost(tmp_path / "a")
    assert {read(again.sysfs(), address).serial for address in again.addresses()} - {None} == set(numbers[:4])


def numbered(folder: Path) -> FakeHost:
    """A GPU with a serial number, in the seat where the other fake hosts have theirs."""
    host = gpu_host(folder)
    host.vanish(GPU)
    host.add(
        FakeFunction(
            GPU, 0x10DE, 0x20B5, 0x030200, driver="nouveau", group=41, numa_node=0, bar_sizes=(16 << 20,),
            link=(16.0, 16), serial="SIM1",
        )
    )  # fmt: skip
    return host


@pytest.fixture
def host(tmp_path: Path) -> Place:
    return place(tmp_path, numbered)


def test_reports_and_certificates_name_the_board(host: Place) -> None:
    agent = host.agent()
    watch = agent.watch()
    number = read(agent.host.sysfs, GPU).serial
    assert number is not None
    assert watch.report().serial == watch.card().serial == number
    agent.lease()
    record = agent.end()
    assert record.certificate is not None
    assert record.certificate.serial == number


def test_a_board_that_is_dead_has_not_lost_its_number(host: Place) -> None:
    watch = host.agent().watch()
    number = watch.report().serial
    host.kernel.die(GPU)
    watch.look()
    assert watch.report().serial == number != ""


def test_another_board_in_the_same_seat_is_noticed(host: Place) -> None:
    watch = host.agent().watch()
    before = watch.report().serial
    host.kernel.vanish(GPU)
    numbered_anew = FakeFunction(
        GPU, 0x10DE, 0x20B5, 0x030200, driver="nouveau", group=41, numa_node=0, bar_sizes=(16 << 20,),
        link=(16.0, 16), serial="SIM2",
    )  # fmt: skip
    host.kernel.add(numbered_anew)
    watch.look()
    assert f"was the card with serial number {before}" in watch.ill()
    assert watch.report().serial not in ("", before)


def test_only_a_known_number_tells_boards_apart() -> None:
    with_one = read_of(serial="a")
    assert judge(with_one, read_of(serial=None)) == ()
    (found,) = judge(with_one, read_of(serial="b"))
    assert (found.code, found.weight) == ("another-card", Weight.FAULT)


def read_of(serial: str | None) -> Reading:
    return Reading(GPU, serial=serial)


def test_a_lease_of_a_board_without_a_number_is_certified_all_the_same(tmp_path: Path) -> None:
    agent = place(tmp_path / "plain").agent()
    agent.lease()
    record = agent.end()
    assert record.state is State.FREE
    assert record.certificate is not None
    assert record.certificate.serial == ""
    assert record.device == DEVICE
