"""Which reset a function gets, and that the host's own settings come back."""

import errno
from pathlib import Path

import pytest

from tests.unit.cleaning_world import AUDIO, GPU, Slate, World, world
from vfio.kept import Kept
from vfio.reset import NoReset, Reset, look, reset
from vfio.reset_choice import Seen, Target, choose
from vfio.sanitise.pipeline import Unclean, sanitise
from vfio.testing import FakeFunction

DEVICES = "sys/bus/pci/devices"
PORT = "0000:40:01.0"


def seen(*methods: str, can: bool = True, on_bus: tuple[str, ...] = (GPU,), port: str | None = None) -> Seen:
    return Seen(GPU, can, methods, frozenset(on_bus), port)


@pytest.mark.parametrize(
    ("allowed", "offered", "chosen"),
    [
        (None, ("flr", "bus"), ("flr", "bus")),
        (("bus", "flr"), ("flr", "bus"), ("bus", "flr")),
        (("flr",), ("pm", "flr"), ("flr",)),
        (("device_specific",), ("flr", "bus"), ()),
        ((), ("flr",), ()),
        (None, (), ()),
    ],
)
def test_methods_are_those_that_both_allow_in_the_catalogues_order(
    allowed: tuple[str, ...] | None, offered: tuple[str, ...], chosen: tuple[str, ...]
) -> None:
    assert choose(Target(GPU, allowed), seen(*offered), {GPU}).methods == chosen


def test_without_a_reset_file_the_kernels_list_is_worth_nothing() -> None:
    choice = choose(Target(GPU), seen("flr", can=False), {GPU})
    assert choice.methods == ()
    assert choice.why_not == ("the kernel offers none",)


def test_a_bus_is_reset_only_when_all_on_it_is_ours() -> None:
    shared = seen("flr", "bus", on_bus=(GPU, AUDIO), port=PORT)
    choice = choose(Target(GPU), shared, {GPU})
    assert choice.methods == ("flr",)
    assert choice.port is None
    assert AUDIO in choice.why_not[0]
    whole = choose(Target(GPU), shared, {GPU, AUDIO})
    assert (whole.methods, whole.port) == (("flr", "bus"), PORT)


def test_a_catalogue_that_forbids_bus_resets_forbids_them_at_the_port_too() -> None:
    assert choose(Target(GPU, ("flr",)), seen(port=PORT), {GPU}).port is None
    assert choose(Target(GPU, ("bus",)), seen(port=PORT), {GPU}).port == PORT


@pytest.fixture
def gpu(tmp_path: Path) -> World:
    return world(tmp_path)


def test_what_is_on_a_bus_is_read_from_the_tree(tmp_path: Path) -> None:
    host = world(tmp_path, "two functions").host
    assert look(host.sysfs(), GPU) == Seen(GPU, True, ("flr", "bus"), frozenset({GPU, AUDIO}))


def test_the_next_method_is_tried_only_where_the_kernel_has_not_this_one(gpu: World) -> None:
    gpu.host.fail(f"*/{GPU}/reset", errno.ENOTTY)
    (done,) = reset(gpu.host.sysfs(), [Target(GPU)], Kept(gpu.host.sysfs(), gpu.slate))
    assert done.method == "bus"
    assert "flr" in done.how
    gpu.host.fail(f"*/{GPU}/reset", errno.ENOTTY, times=2)
    with pytest.raises(NoReset, match=r"flr.*bus"):
        reset(gpu.host.sysfs(), [Target(GPU)], Kept(gpu.host.sysfs(), gpu.slate))


def test_a_whole_bus_is_reset_once_for_all_functions_where_only_its_port_can(tmp_path: Path) -> None:
    place = world(tmp_path, "gpu")
    port = FakeFunction(PORT, 0x8086, 0x347A, 0x060400, driver="pcieport", group=70)
    parts = [
        FakeFunction(f"0000:71:00.{n}", 0x1EFF, 0x1250, 0x120000, group=71, path=(PORT,), reset_methods=())
        for n in range(4)
    ]
    place.host.add(port, *parts)
    file = place.host.sysfs().root / f"{DEVICES}/{PORT}/reset_subordinate"
    addresses = [part.address for part in parts]
    kept = Kept(place.host.sysfs(), Slate())
    with pytest.raises(NoReset, match="the kernel offers none"):
        reset(place.host.sysfs(), [Target(address) for address in addresses], kept)
    file.write_text("")
    assert look(place.host.sysfs(), addresses[0]).port == PORT
    sysfs = type(place.host.sysfs())(place.host.sysfs().root)  # whose files take any write
    done = reset(sysfs, [Target(address) for address in addresses], kept)
    assert done[0] == Reset(addresses[0], "bus", f"the bus below {PORT}")
    assert [part.method for part in done] == ["bus"] * 4
    assert file.read_text() == "1"
    with pytest.raises(NoReset):
        reset(sysfs, [Target(address) for address in addresses[:3]], kept)


def test_a_device_without_any_reset_is_unclean_until_the_host_was_started_anew(gpu: World) -> None:
    for name in ("reset", "reset_method"):
        (gpu.host.sysfs().root / f"{DEVICES}/{GPU}/{name}").unlink()
    with pytest.raises(Unclean, match="no reset that may be used"):
        sanitise(gpu.host.sysfs(), gpu.subject(), gpu.means())
    cleaned = sanitise(gpu.host.sysfs(), gpu.subject(rebooted=True), gpu.means())
    assert (cleaned.grade, cleaned.steps[3].method) == ("C", "reboot")


def test_a_reset_that_exists_and_fails_is_not_made_good_by_a_reboot(gpu: World) -> None:
    gpu.host.fail(f"*/{GPU}/reset", errno.EIO)
    with pytest.raises(Unclean):
        sanitise(gpu.host.sysfs(), gpu.subject(rebooted=True), gpu.means())


def test_settings_are_noted_before_they_are_changed_and_the_oldest_note_wins(gpu: World) -> None:
    d3cold = f"{DEVICES}/{GPU}/d3cold_allowed"
    kept = Kept(gpu.host.sysfs(), gpu.slate)
    kept.set({d3cold: "0", f"{DEVICES}/{GPU}/no_such_file": "1"})
    assert gpu.slate == {d3cold: "1"}
    gpu.host.put(d3cold, "1\n")
    kept.set({d3cold: "0"})
    assert gpu.slate == {d3cold: "1"}
    assert kept.put_back() == (d3cold,)
    assert gpu.host.sysfs().read_text(d3cold) == "1"
    assert kept.put_back() == ()
