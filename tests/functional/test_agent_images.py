"""The images that an agent fetches for its servers: once, whole, and none that refers to other files."""

import pytest

from tests.functional.agent_bench import (
    IMAGE,
    IMAGE_ID,
    OTHER,
    SERVER,
    Bench,
    absent,
    gpu_claim,
    image,
    is_gone,
    runs,
    want,
)
from tests.functional.agent_control_plane import TRUNCATED
from tests.functional.agent_fixtures import bench, plane

__all__ = ["bench", "plane"]


def test_two_servers_with_one_image_download_it_once(bench: Bench) -> None:
    bench.plane.image_gate.clear()
    bench.agent()
    bench.plane.assign(want(gpu=False), want(OTHER, gpu=False))
    bench.plane.wait("the download", lambda: bool(bench.plane.downloads))
    bench.plane.image_gate.set()
    bench.plane.wait_server(SERVER, runs)
    bench.plane.wait_server(OTHER, runs)
    assert bench.plane.downloads == [IMAGE_ID]


@pytest.mark.parametrize(
    "spoilt",
    [IMAGE[:100] + TRUNCATED, IMAGE[:100], IMAGE + b"more", IMAGE.replace(b"\x01", b"\x02", 1)],
    ids=["broken-off", "too-short", "too-long", "other-bytes"],
)
def test_an_image_that_arrives_damaged_is_fetched_again(bench: Bench, spoilt: bytes) -> None:
    bench.plane.spoil.append(lambda _: spoilt)
    bench.agent()
    bench.plane.assign(want(gpu=False))
    bench.plane.wait_server(SERVER, runs)
    assert len(bench.plane.downloads) == 2
    assert list((bench.state / "images").glob("*.new")) == []


def test_an_image_that_refers_to_other_files_is_a_fault_at_once(bench: Bench) -> None:
    hostile = b"QFI\xfbbacking:/etc/shadow"
    bench.plane.images[IMAGE_ID] = hostile
    bench.agent()
    bench.plane.assign(want(image=image(hostile)))
    seen = bench.plane.wait_server(SERVER, lambda seen: seen.fault is not None)
    assert seen.fault is not None
    assert seen.fault.code == "bad_image"
    assert seen.generation == 1
    assert not seen.busy
    assert "/etc/shadow" not in seen.fault.message
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.plane.wait_server(SERVER, is_gone)
    assert bench.leaks() == []


def test_a_delete_ends_a_download_that_nobody_waits_for_any_more(bench: Bench) -> None:
    bench.plane.image_gate.clear()
    bench.agent()
    bench.plane.assign(want())
    bench.plane.wait("the download", lambda: bool(bench.plane.downloads))
    bench.plane.assign(absent(SERVER, gpu_claim()))
    bench.plane.image_gate.set()
    bench.plane.wait_server(SERVER, is_gone)
    assert bench.leaks() == []
