"""The image cache: whole or not at all, once per digest, never removed under a server."""

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from kcloud_common.errors import Unavailable
from kcloud_common.wire import ImageWant
from kcloud_compute.images import BadImage, ImageCache, ImageDamaged, Interrupted, remove_unfinished
from kcloud_compute.paths import StatePaths
from tests.functional.agent_bench import FakeTools

DATA = b"QFI\xfb" + b"d" * 5000


def wanted(data: bytes = DATA, number: int = 1) -> ImageWant:
    digest = hashlib.sha512(data).hexdigest()
    return ImageWant(id=UUID(int=number), sha512=digest, size=len(data), disk_format="qcow2")


class Source:
    """Serves one image in chunks; counts how often; can be held and can break off."""

    def __init__(self, data: bytes = DATA) -> None:
        self.data = data
        self.opened = 0
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.breaks = False

    @contextlib.contextmanager
    def __call__(self, image_id: UUID) -> Iterator[Iterator[bytes]]:
        self.opened += 1
        self.entered.set()
        assert self.gate.wait(10)
        yield self._chunks()

    def _chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self.data), 1000):
            if self.breaks and start:
                raise Unavailable("the connection broke")
            yield self.data[start : start + 1000]


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    paths = StatePaths(tmp_path / "state")
    paths.make()
    return paths


def cache(paths: StatePaths, source: Source) -> ImageCache:
    return ImageCache(paths, source, FakeTools())


def test_an_image_is_fetched_verified_and_kept(paths: StatePaths) -> None:
    source = Source()
    images = cache(paths, source)
    image = wanted()
    assert images.ensure(image).read_bytes() == DATA
    assert images.ensure(image) == paths.image(image.sha512)
    assert source.opened == 1
    assert images.digests() == {image.sha512}


def test_many_who_want_one_digest_share_one_download(paths: StatePaths) -> None:
    source = Source()
    source.gate.clear()
    images = cache(paths, source)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(images.ensure, wanted(number=number)) for number in range(8)]
        assert source.entered.wait(10)
        source.gate.set()
        assert {answer.result(10) for answer in answers} == {paths.image(wanted().sha512)}
    assert source.opened == 1


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"x", DATA.replace(b"d", b"e", 1)])
def test_other_bytes_than_announced_leave_nothing(paths: StatePaths, data: bytes) -> None:
    images = cache(paths, Source(data))
    with pytest.raises(ImageDamaged):
        images.ensure(wanted())
    assert list(paths.images.iterdir()) == []


def test_a_download_that_breaks_off_leaves_nothing(paths: StatePaths) -> None:
    source = Source()
    source.breaks = True
    with pytest.raises(Unavailable):
        cache(paths, source).ensure(wanted())
    assert list(paths.images.iterdir()) == []


def test_a_download_ends_when_its_server_is_wanted_otherwise(paths: StatePaths) -> None:
    with pytest.raises(Interrupted):
        cache(paths, Source()).ensure(wanted(), lambda: True)
    assert list(paths.images.iterdir()) == []


def test_an_image_with_a_backing_file_is_refused_even_when_it_is_in_the_cache(paths: StatePaths) -> None:
    hostile = b"QFI\xfbbacking:/etc/shadow"
    images = cache(paths, Source(hostile))
    for _ in range(2):
        with pytest.raises(BadImage, match="another file"):
            images.ensure(wanted(hostile))


def test_an_image_is_inspected_as_what_it_is_wanted_as(paths: StatePaths) -> None:
    text = b"no header at all"
    images = cache(paths, Source(text))
    with pytest.raises(BadImage):
        images.ensure(wanted(text))


def test_what_a_killed_agent_left_is_removed(paths: StatePaths) -> None:
    (paths.images / (wanted().sha512 + ".new")).write_bytes(b"half")
    remove_unfinished(paths)
    assert list(paths.images.iterdir()) == []


def test_only_images_that_nobody_uses_are_trimmed_oldest_first(paths: StatePaths, tmp_path: Path) -> None:
    made = []
    for number in range(4):
        data = DATA + bytes([number])
        image = wanted(data, number)
        images = cache(paths, Source(data))
        os.utime(images.ensure(image), (1000 + number, 1000 + number))
        made.append(image)
    images = cache(paths, Source())
    images.ensure(made[0])
    os.utime(paths.image(made[0].sha512), (1000, 1000))
    images.pin(made[0], tmp_path / "base")
    size = len(DATA) + 1
    assert images.trim(4 * size, set()) == ()
    # The oldest is a server's, the next is wanted: the third goes, and then the newest.
    assert images.trim(3 * size, {made[1].sha512}) == (made[2].sha512,)
    assert images.trim(0, {made[1].sha512}) == (made[3].sha512,)
    (tmp_path / "base").unlink()
    assert images.trim(0, set()) == (made[0].sha512, made[1].sha512)


@pytest.mark.parametrize("digest", ["../../etc/passwd", "", "A" * 128, "a" * 127, "a" * 128 + "\n"])
def test_a_digest_that_is_none_is_no_path(paths: StatePaths, digest: str) -> None:
    with pytest.raises(ValueError, match="SHA-512"):
        paths.image(digest)
