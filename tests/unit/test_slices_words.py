"""What drivers print is read as it is meant, and what we write down reads back."""

import ctypes
import json
from dataclasses import fields
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcloud_common import wire
from tests.thoroughness import examples
from vfio.errors import JournalDamaged
from vfio.journal import ClaimRecord, Journal, SliceRecord
from vfio.slices.model import Ability, CardLayout, Cut, Kind, Plan, Policy, Sharing, mdev_name, mdev_uuid
from vfio.slices.nvml import nvml_scheduler
from vfio.slices.records import Before, Knob, LayoutJournal, LayoutRecord
from vfio.slices.vgpu_types import VgpuType, most, parse_creatable, parse_described, total_mib


def test_the_words_are_those_of_the_agent_s_contract() -> None:
    assert [kind.value for kind in Kind] == [kind.value for kind in wire.SliceKind]
    assert [policy.value for policy in Policy] == [policy.value for policy in wire.SharingPolicy]
    for ours, theirs in ((Cut, wire.CutWant), (Sharing, wire.Sharing), (CardLayout, wire.CardLayoutWant)):
        assert [field.name for field in fields(ours)] == list(theirs.model_fields)
    assert [field.name for field in fields(Ability)] == list(wire.Ability.model_fields)


CREATABLE = """ID    : vGPU Name
1145  : NVIDIA L40S-1B
1155  : NVIDIA L40S-48Q
"""


def test_the_list_of_creatable_types_is_read() -> None:
    assert parse_creatable(CREATABLE) == (
        VgpuType("1145", "NVIDIA L40S-1B", 1024),
        VgpuType("1155", "NVIDIA L40S-48Q", 48 * 1024),
    )
    assert parse_creatable("ID    : vGPU Name\n") == ()
    assert parse_creatable("") == ()


@pytest.mark.parametrize(
    ("name", "memory", "parts"),
    [
        ("GRID T4-4C", 4096, None),
        ("NVIDIA A40-2Q", 2048, None),
        ("GRID M60-0B", 512, None),
        ("GRID M60-2B4", 2048, None),
        ("NVIDIA A100-1-5CME", 5120, 1),
        ("NVIDIA H100XM-3-40C", 40960, 3),
        ("NVIDIA RTX Pro 6000 Blackwell DC-2-48Q", 49152, 2),
        ("i915-GVTg_V5_4", None, None),
    ],
)
def test_memory_and_parts_are_read_from_a_type_s_name(
    name: str, memory: int | None, parts: int | None
) -> None:
    found = parse_described("t", name, "")
    assert found == VgpuType("t", name, memory, on_mig=parts is not None, parts=parts)


def test_a_description_says_more_than_a_name() -> None:
    text = "num_heads=4, frl_config=45, framebuffer=1024M, max_resolution=5120x2880, max_instance=16"
    assert parse_described("nvidia-742", "NVIDIA A2-1B", text) == VgpuType(
        "nvidia-742", "NVIDIA A2-1B", 1024, 16
    )


def test_the_largest_type_tells_the_card_s_memory_but_not_one_on_mig() -> None:
    plain, on_mig = parse_described("a", "NVIDIA A40-48Q", ""), parse_described("b", "NVIDIA A100-1-5CME", "")
    assert total_mib([plain], 40000) == 48 * 1024
    assert total_mib([on_mig], 40960) == 40960
    assert total_mib([on_mig], None) is None
    assert total_mib([], 40960) == 40960
    assert total_mib([VgpuType("c", "mtty-1")], None) is None


def test_what_fits_is_bounded_by_seats_memory_and_the_driver_s_own_number() -> None:
    kind = VgpuType("a", "A40-4Q", 4096, max_instance=10)
    assert most(kind, 32, 48 * 1024) == 10
    assert most(kind, 32, 16 * 1024) == 4
    assert most(kind, 3, None) == 3


def test_mediated_devices_have_one_name_for_ever() -> None:
    """Changing these would give every slice in the field another name."""
    uuid = mdev_uuid("pci_0000_41_00_0", "nvidia-558", 0)
    assert uuid == UUID("5e8a2023-0319-592c-94e4-ace10a4f3196")
    assert mdev_name(uuid) == f"mdev_{str(uuid).replace('-', '_')}"
    assert mdev_uuid("pci_0000_41_00_0", "nvidia-558", 1) != uuid


# --- records -----------------------------------------------------------------------------------------------

SHARING = st.none() | st.builds(
    Sharing, st.none() | st.sampled_from(Policy), st.none() | st.integers(0), st.none() | st.integers(0)
)
CUT = st.builds(
    Cut,
    st.sampled_from(Kind),
    st.text(max_size=5),
    st.integers(1, 99),
    resource_class=st.none() | st.text(max_size=5),
    traits=st.lists(st.text(max_size=5), max_size=2).map(tuple),
    memory_mib=st.none() | st.integers(1),
    sharing=SHARING,
)
RECORD = st.builds(
    LayoutRecord,
    card=st.just("pci_0000_41_00_0"),
    boot_id=st.none() | st.text(max_size=5),
    plan=st.builds(Plan, st.lists(CUT, max_size=3).map(tuple), SHARING),
    before=st.builds(
        Before,
        address=st.just("0000:41:00.0"),
        vfs=st.none() | st.integers(0),
        autoprobe=st.none() | st.sampled_from("01"),
        knobs=st.lists(st.builds(Knob, st.text(max_size=5), st.text(max_size=5)), max_size=2).map(tuple),
        sharing=SHARING,
    ),
    abilities=st.lists(
        st.builds(Ability, st.sampled_from(Kind), most=st.integers(0), policies=st.just((Policy.EQUAL,))),
        max_size=2,
    ).map(tuple),
    stands=st.booleans(),
)


@settings(deadline=None, max_examples=examples(100))
@given(record=RECORD)
def test_a_layout_s_record_reads_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, record: LayoutRecord
) -> None:
    folder = tmp_path_factory.mktemp("layouts")
    LayoutJournal(folder).write(record)
    assert LayoutJournal(folder).read(record.card) == record
    assert LayoutJournal(folder).damaged() == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 2}', '{"version": 1}'])
def test_a_layout_s_record_that_is_none_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(JournalDamaged, match=r"card\.json"):
        LayoutJournal(tmp_path).read("card")
    assert set(LayoutJournal(tmp_path).damaged()) == {"card"}
    LayoutJournal(tmp_path).remove("card")
    assert LayoutJournal(tmp_path).names() == frozenset()


def test_a_claim_s_record_keeps_its_slice_and_one_of_the_first_version_still_reads(tmp_path: Path) -> None:
    claim = UUID(int=1)
    held = SliceRecord("mdev_x", "mdev", "pci_0000_41_00_0", "nvidia-558", UUID(int=2), "0000:41:00.0")
    record = ClaimRecord(claim, "boot", (), (), held)
    journal = Journal(tmp_path)
    journal.write(record)
    assert journal.read(claim) == record
    path = tmp_path / f"{claim}.json"
    raw = json.loads(path.read_text())
    del raw["slice"]
    path.write_text(json.dumps(raw | {"version": 1}))
    assert journal.read(claim) == ClaimRecord(claim, "boot", (), ())


# --- NVIDIA's library --------------------------------------------------------------------------------------


class FakeLibrary:
    """Answers as libnvidia-ml does, for one card."""

    def __init__(self, *, answer: int = 0) -> None:
        self.answer = answer
        self.state = [1, 0, 2_000_000, 0]
        self.open = 0

    def nvmlInit_v2(self) -> int:  # noqa: N802
        self.open += not self.answer
        return self.answer

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.open -= 1
        return 0

    def nvmlDeviceGetHandleByPciBusId_v2(self, name: ctypes.c_char_p, device: object) -> int:  # noqa: N802
        return 0 if name.value == b"0000:41:00.0" else 6

    def nvmlDeviceGetVgpuSchedulerCapabilities(self, device: object, found: object) -> int:  # noqa: N802
        _fill(found, 12, [1, 2, 3, 30_000_000, 1_000_000])
        return 0

    def nvmlDeviceGetVgpuSchedulerState(self, device: object, found: object) -> int:  # noqa: N802
        _fill(found, 4, self.state)
        return 0

    def nvmlDeviceSetVgpuSchedulerState(self, device: object, wanted: object) -> int:  # noqa: N802
        self.state = list(_words(wanted, 4))
        return 0


def _words(reference: object, count: int) -> ctypes.Array[ctypes.c_uint]:
    return ctypes.cast(reference, ctypes.POINTER(ctypes.c_uint * count)).contents  # type: ignore[arg-type]


def _fill(reference: object, count: int, values: list[int]) -> None:
    words = _words(reference, count)
    for index, value in enumerate(values):
        words[index] = value


def test_nvidia_s_scheduler_is_read_and_set_in_nanoseconds() -> None:
    library = FakeLibrary()
    scheduler = nvml_scheduler(lambda name: library)  # type: ignore[arg-type,return-value]
    able = scheduler.ability("0000:41:00.0")
    assert able.policies == tuple(Policy)
    assert (able.shortest_us, able.longest_us) == (1000, 30_000)
    assert scheduler.read("0000:41:00.0") == Sharing(Policy.BEST_EFFORT, 2000)
    scheduler.set("0000:41:00.0", Sharing(Policy.FIXED, 4000))
    assert library.state == [3, 1, 4_000_000, 0]
    assert scheduler.read("0000:41:00.0") == Sharing(Policy.FIXED, 4000)
    assert "answers 6" in scheduler.ability("0000:42:00.0").refused
    assert library.open == 0, "a card held open cannot be taken from its driver"


def test_a_library_that_does_not_start_or_is_too_old_says_so() -> None:
    broken = nvml_scheduler(lambda name: FakeLibrary(answer=9))  # type: ignore[arg-type,return-value]
    assert "nvmlInit_v2 answers 9" in broken.ability("0000:41:00.0").refused
    old = nvml_scheduler(lambda name: _Old())  # type: ignore[arg-type,return-value]
    assert "no nvmlDeviceGetVgpuSchedulerCapabilities" in old.ability("0000:41:00.0").refused


class _Old:
    def nvmlInit_v2(self) -> int:  # noqa: N802
        return 0

    def nvmlShutdown(self) -> int:  # noqa: N802
        return 0

    def nvmlDeviceGetHandleByPciBusId_v2(self, name: object, device: object) -> int:  # noqa: N802
        return 0
