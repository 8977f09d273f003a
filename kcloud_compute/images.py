"""The host's image cache: content-addressed, verified while it streams in, each image downloaded once.

images/<sha512> is there whole or not at all. A second hard link (servers/<id>/base) says that a server's disk
stands on it; only images without one are ever removed.
"""

import contextlib
import hashlib
import json
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from uuid import UUID

from kcloud_common.errors import PermanentError, TemporaryError
from kcloud_common.wire import ImageWant
from kcloud_compute import durable
from kcloud_compute.durable import Checkpoint, no_checkpoint
from kcloud_compute.paths import SHA512, StatePaths
from kcloud_compute.tools import Run, ToolFailed

Source = Callable[[UUID], contextlib.AbstractContextManager[Iterator[bytes]]]
Cancelled = Callable[[], bool]


class ImageDamaged(TemporaryError):
    """What arrived is not what was announced; another download may do better."""

    code = "image_damaged"


class BadImage(PermanentError):
    """It is what was announced, and must not be booted."""

    code = "bad_image"


class Interrupted(TemporaryError):
    """Its server's want has changed meanwhile."""

    code = "interrupted"


class ImageCache:
    """Thread-safe; other digests are never waited for."""

    def __init__(
        self, paths: StatePaths, source: Source, run: Run, checkpoint: Checkpoint = no_checkpoint
    ) -> None:
        self._paths, self._source, self._run, self._checkpoint = paths, source, run, checkpoint
        self._lock = threading.Lock()
        self._flights: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._sizes: dict[tuple[str, str], int] = {}
        """Virtual size of what was inspected since this process began."""

    def digests(self) -> frozenset[str]:
        """What is here, verified when it was fetched."""
        return frozenset(path.name for path in self._paths.images.iterdir() if SHA512.fullmatch(path.name))

    def ensure(self, image: ImageWant, cancelled: Cancelled = lambda: False) -> Path:
        """The image's file, fetched if need be and inspected. Raises ImageDamaged, BadImage, Interrupted,
        and what the source raises."""
        path = self._paths.image(image.sha512)
        with self._alone(image.sha512, cancelled):
            if not path.exists():
                self._fetch(image, path, cancelled)
            if (image.sha512, image.disk_format) not in self._sizes:
                self._sizes[image.sha512, image.disk_format] = self._inspect(path, image.disk_format)
            os.utime(path)
        return path

    def pin(self, image: ImageWant, link: Path) -> int:
        """Keep the image for as long as `link` is there; its virtual size in bytes. Call `ensure` first."""
        with self._lock:
            link.unlink(missing_ok=True)
            link.hardlink_to(self._paths.image(image.sha512))
        return self._sizes[image.sha512, image.disk_format]

    def trim(self, limit: int, wanted: Collection[str]) -> tuple[str, ...]:
        """Remove unused images, oldest use first, until the cache is within `limit` bytes."""
        removed: list[str] = []
        with self._lock:
            found = [(self._paths.image(digest), digest) for digest in self.digests()]
            states = sorted((path.stat().st_mtime, digest, path.stat()) for path, digest in found)
            total = sum(state.st_size for _, _, state in states)
            for _, digest, state in states:
                if total <= limit:
                    break
                if state.st_nlink > 1 or digest in wanted or self._flights[digest].locked():
                    continue
                self._paths.image(digest).unlink(missing_ok=True)
                total -= state.st_size
                removed.append(digest)
        return tuple(removed)

    @contextlib.contextmanager
    def _alone(self, digest: str, cancelled: Cancelled) -> Iterator[None]:
        with self._lock:
            flight = self._flights[digest]
        while not flight.acquire(timeout=1.0):
            _go_on(cancelled)
        try:
            yield
        finally:
            flight.release()

    def _fetch(self, image: ImageWant, path: Path, cancelled: Cancelled) -> None:
        unfinished = durable.unfinished_copy(path)
        try:
            self._download(image, unfinished, cancelled)
        except Exception:
            unfinished.unlink(missing_ok=True)
            raise
        self._checkpoint("image written")
        durable.publish(unfinished, path)
        self._checkpoint("image in place")

    def _download(self, image: ImageWant, unfinished: Path, cancelled: Cancelled) -> None:
        """Stop at the first byte too many, and look at the digest before the name is given."""
        digest, size = hashlib.sha512(), 0
        with unfinished.open("wb") as file, self._source(image.id) as chunks:
            for chunk in chunks:
                _go_on(cancelled)
                size += len(chunk)
                if size > image.size:
                    raise ImageDamaged(f"image {image.id} is longer than its {image.size} bytes")
                digest.update(chunk)
                file.write(chunk)
            if size != image.size or digest.hexdigest() != image.sha512:
                raise ImageDamaged(f"image {image.id}: {size} of {image.size} bytes, or another digest")
            file.flush()
            os.fsync(file.fileno())

    def _inspect(self, path: Path, disk_format: str) -> int:
        """A file that refers to other files would show the host's to its guest."""
        command = ("qemu-img", "info", "-U", "--output=json", "-f", disk_format, str(path))
        try:
            facts = json.loads(self._run(command))
        except (ToolFailed, ValueError) as error:
            raise BadImage(f"{path.name} is no {disk_format} image: {error}") from error
        specific = facts.get("format-specific", {}).get("data", {})
        for name, value in (*facts.items(), *specific.items()):
            if name in ("backing-filename", "full-backing-filename", "data-file") and value:
                raise BadImage(f"{path.name} refers to another file ({name})")
        return int(facts["virtual-size"])


def _go_on(cancelled: Cancelled) -> None:
    if cancelled():
        raise Interrupted("its server is wanted otherwise now")


def remove_unfinished(paths: StatePaths) -> None:
    """What a killed agent left of its downloads. Only before the first `ensure`."""
    for path in paths.images.glob("*.new"):
        path.unlink(missing_ok=True)
