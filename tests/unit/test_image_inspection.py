"""What uploaded bytes are taken for, and which of them no host may open."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcloud_api.image.inspection import Inspection, UnsafeImage
from tests.disk_images import MIB, partitioned, qcow2, raw, vmdk
from tests.thoroughness import examples


def verdict(data: bytes, disk_format: str, *, piece: int = 4096) -> int:
    inspection = Inspection()
    for at in range(0, len(data), piece):
        inspection.look_at(data[at : at + piece])
    return inspection.verdict(disk_format)


def test_a_qcow2_tells_its_virtual_size() -> None:
    assert verdict(qcow2(40 * MIB), "qcow2") == 40 * MIB


@pytest.mark.parametrize("data", [raw(), partitioned(), b"", b"short"])
def test_a_raw_disk_is_as_large_as_its_data(data: bytes) -> None:
    assert verdict(data, "raw") == len(data)


@settings(deadline=None, max_examples=examples(20))
@given(st.integers(min_value=512, max_value=70_000))
def test_the_verdict_does_not_depend_on_how_the_bytes_arrive(piece: int) -> None:
    assert verdict(qcow2(3 * MIB), "qcow2", piece=piece) == 3 * MIB


@pytest.mark.parametrize(
    ("data", "disk_format", "content"),
    [
        (raw(), "qcow2", "raw"),
        (b"", "qcow2", "raw"),
        (partitioned(), "qcow2", "gpt"),
        (qcow2(), "raw", "qcow2"),
        (vmdk(), "raw", "vmdk"),
        (vmdk(), "qcow2", "vmdk"),
    ],
)
def test_content_under_a_false_name_is_refused(data: bytes, disk_format: str, content: str) -> None:
    with pytest.raises(UnsafeImage) as refused:
        verdict(data, disk_format)
    assert refused.value.message == (f"Image disk_format {disk_format} does not match stream data {content}")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (qcow2(backing_offset=4096), "Image has a backing file"),
        (qcow2(version=2, backing_offset=4096), "Image has a backing file"),
        (qcow2(incompatible=1 << 2), "Image has data_file set"),
        (qcow2(incompatible=1 << 4), "Unknown QCOW2 features found"),
        (qcow2(incompatible=1 << 63), "Unknown QCOW2 features found"),
        (qcow2(version=4), "Unsupported qcow2 version"),
    ],
)
def test_a_qcow2_that_reaches_outside_itself_or_is_not_understood_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(UnsafeImage) as refused:
        verdict(data, "qcow2")
    assert refused.value.message == f"Image failed safety checks: {why}"


def test_a_truncated_header_is_refused() -> None:
    with pytest.raises(UnsafeImage):
        verdict(qcow2()[:100], "qcow2")
