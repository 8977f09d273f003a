"""What needs nothing of each other is done side by side; nothing is done before what it needs."""

import threading
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kcloud_compute.actions import (
    Action,
    FetchImage,
    MakeConfigDrive,
    MakeDisk,
    PrepareDevice,
    ReleaseDevice,
    Start,
    Stop,
    Undefine,
    WriteRecord,
)
from kcloud_compute.records import Record
from kcloud_compute.stages import gravest, stages
from kcloud_compute.together import at_once
from tests.functional.agent_bench import want
from vfio.slices.model import Kind, Slice

ID = UUID(int=1)
WANTED = want()
assert WANTED.image is not None
assert WANTED.guest is not None
RECORD, FETCH, START = WriteRecord(ID, Record()), FetchImage(ID, WANTED.image), Start(ID)
DISK, CONFIG = MakeDisk(ID, WANTED.image, 1), MakeConfigDrive(ID, "web", WANTED.guest, ())
SLICE = Slice("pci_0000_41_00_0", Kind.WHOLE, "pci_0000_41_00_0", ("0000:41:00.0",), "PGPU")
PREPARE, RELEASE = PrepareDevice(ID, ID, SLICE, 1), ReleaseDevice(ID, ID, SLICE.name)
ANY = st.sampled_from([RECORD, FETCH, DISK, CONFIG, PREPARE, RELEASE, START, Stop(ID, 0.0), Undefine(ID)])


def test_disks_and_devices_are_made_at_once_after_the_image_and_before_the_start() -> None:
    boot = (RECORD, FETCH, DISK, CONFIG, PREPARE, START, RECORD)
    assert stages(boot) == ((RECORD,), (FETCH,), (DISK, CONFIG, PREPARE), (START,), (RECORD,))


def test_devices_of_a_removal_are_given_back_one_by_one() -> None:
    removal = (PREPARE, RELEASE, PREPARE, RELEASE)
    assert stages(removal) == ((PREPARE,), (RELEASE,), (PREPARE,), (RELEASE,))


@given(st.lists(ANY))
def test_no_action_is_lost_or_moved(actions: list[Action]) -> None:
    assert [action for stage in stages(actions) for action in stage] == actions
    assert all(stages(actions))


def test_what_nobody_may_catch_is_told_before_a_device_and_a_device_before_the_rest() -> None:
    stage, disk, device, kill = (DISK, CONFIG, PREPARE), OSError("full"), OSError("bus"), KeyboardInterrupt()
    assert gravest(stage, (None, None, None)) is None
    assert gravest(stage, (disk, disk, None)) == (DISK, disk)
    assert gravest(stage, (disk, None, device)) == (PREPARE, device)
    assert gravest(stage, (disk, kill, device)) == (CONFIG, kill)


def test_deeds_are_under_way_at_the_same_time_and_their_results_keep_their_order() -> None:
    meeting = threading.Barrier(3)
    assert sorted(at_once([lambda: meeting.wait(10.0)] * 3)) == [0, 1, 2]
    assert at_once([lambda: "a", lambda: "b"]) == ["a", "b"]
