"""The kernel's log as the agent follows it, and XIDs of it in the periodic health of cards."""

import os
from pathlib import Path

import pytest

from kcloud_compute.cared_host import Tools
from kcloud_compute.kernel_log import KernelLog
from tests.unit.care_world import Place, place
from tests.unit.cleaning_world import DEVICE, GPU
from vfio.health import Reading, Weight, judge
from vfio.lifecycle import State

XID = "NVRM: Xid (PCI:0000:41:00): {}, pid=1234, name=python3"


class Kernel:
    """Writes records as /dev/kmsg shows them."""

    def __init__(self, root: Path) -> None:
        self.path = root / "dev/kmsg"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()
        self.number = 0

    def say(self, *texts: str) -> None:
        with self.path.open("a") as file:
            for text in texts:
                file.write(f"4,{self.number},{self.number * 1000},-;{text}\n SUBSYSTEM=pci\n DEVICE=;x\n")
                self.number += 1


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_only_lines_that_somebody_judges_are_kept(kernel: Kernel, tmp_path: Path) -> None:
    kernel.say("usb 1-1: new device", XID.format(31), "NVRM: loading")
    log = KernelLog(tmp_path)
    assert log() == XID.format(31)
    kernel.say(XID.format(79))
    assert log().splitlines() == [XID.format(31), XID.format(79)]


def test_what_was_read_is_not_read_again(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.say(*(f"line {number}" for number in range(5000)))
    log, read, bytes_read = KernelLog(tmp_path), os.read, []

    def counted(handle: int, most: int) -> bytes:
        data = read(handle, most)
        bytes_read.append(len(data))
        return data

    monkeypatch.setattr(os, "read", counted)
    log()
    assert sum(bytes_read) == kernel.path.stat().st_size
    bytes_read.clear()
    log()
    assert bytes_read == [0]
    kernel.say(XID.format(13))
    bytes_read.clear()
    assert log() == XID.format(13)
    assert sum(bytes_read) < 200


def test_a_log_that_is_opened_anew_tells_nothing_twice(kernel: Kernel, tmp_path: Path) -> None:
    kernel.say(XID.format(31))
    log = KernelLog(tmp_path)
    log()
    log.close()
    kernel.say(XID.format(43))
    assert log().splitlines() == [XID.format(31), XID.format(43)]


def test_a_log_that_may_not_be_read_is_empty_until_it_may(tmp_path: Path) -> None:
    log = KernelLog(tmp_path)
    assert log() == ""
    Kernel(tmp_path).say(XID.format(79))
    assert log() == XID.format(79)


def test_records_that_were_overwritten_are_passed_over(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.say(XID.format(79))
    read, losses = os.read, [BrokenPipeError(), None]

    def overwritten(handle: int, most: int) -> bytes:
        if losses and (loss := losses.pop(0)) is not None:
            raise loss
        return read(handle, most)

    monkeypatch.setattr(os, "read", overwritten)
    assert KernelLog(tmp_path)() == XID.format(79)


def test_not_all_lines_are_kept_for_ever(kernel: Kernel, tmp_path: Path) -> None:
    kernel.say(*(XID.format(31) for _ in range(3000)))
    assert len(KernelLog(tmp_path)().splitlines()) == 1024


# --- judged --------------------------------------------------------------------------------------------


def weights(before: tuple[int, ...], now: tuple[int, ...]) -> dict[str, Weight]:
    found = judge(Reading(GPU, xids=before), Reading(GPU, xids=now))
    return {each.evidence.partition("XID ")[2]: each.weight for each in found}


def test_lines_that_the_log_has_lost_make_no_old_ones_new() -> None:
    assert weights((79, 31, 43), (31, 43)) == {}
    assert weights((79, 31, 43), (43, 31)) == {"31": Weight.SIGN}
    assert weights((79, 31), (31, 79)) == {"79": Weight.FAULT}
    assert weights((79,), ()) == {}
    assert weights((31,) * 1024, (*(31,) * 1023, 79)) == {"79": Weight.FAULT}


def test_the_same_one_over_and_over_is_one_line() -> None:
    assert weights((), (31,) * 7) == {"31, 7 times": Weight.SIGN}


@pytest.fixture
def host(tmp_path: Path) -> Place:
    found = place(tmp_path)
    found.tools = Tools(kernel_log=KernelLog(found.kernel.sysfs().root))
    return found


def test_a_free_card_with_a_grave_xid_is_ill_at_the_next_look_until_a_burn_in(host: Place) -> None:
    kernel = Kernel(host.kernel.sysfs().root)
    kernel.say(XID.format(79))
    agent = host.agent()
    watch = agent.watch()
    assert (watch.health().xid, watch.health().evidence) == (79, ""), "one of before is no news"
    kernel.say(XID.format(31))
    watch.look()
    assert (watch.ill(), watch.health().xid) == ("", 31)
    assert "XID 31" in watch.health().evidence
    kernel.say(XID.format(119))
    watch.look()
    assert "XID 119" in watch.ill()
    agent.care.quarantine(DEVICE, watch.ill())
    assert agent.burn_in(1).state is State.FREE
    watch.look()
    assert (watch.ill(), watch.health().evidence) == ("", "")
