"""Decides whether uploaded bytes are what they are said to be, and safe to open on a host. No I/O.

Stricter than Glance in one point: Glance takes any content that calls itself `raw`; here a qcow2 (or vmdk,
vhd ...) under that name is refused, for it is either a mistake or a trap. A raw disk may carry a partition
table or be a bootable ISO.
"""

import io
from collections.abc import Iterable
from typing import IO, Any, cast

from kcloud_common.errors import BadRequest

RAW_CONTENT = (frozenset({"raw"}), frozenset({"gpt"}), frozenset({"iso"}), frozenset({"iso", "gpt"}))
"""What a raw disk may look like from outside."""


class UnsafeImage(BadRequest):
    """The data is not what the image says, or nothing that a host should open."""

    code = "unsafe_image"


class Inspection:
    """Sees the data go by, piece by piece, and then gives its verdict."""

    def __init__(self) -> None:
        self._feed = _Feed()
        self._watched = _format_inspector().InspectWrapper(cast(IO[bytes], self._feed))
        self._size = 0

    def look_at(self, piece: bytes) -> None:
        self._feed.piece = piece
        self._watched.read(len(piece))
        self._size += len(piece)

    def verdict(self, disk_format: str) -> int:
        """The virtual size in bytes, after the last piece. Raises UnsafeImage."""
        format_inspector = _format_inspector()
        self._watched.close()
        found = {str(inspector): inspector for inspector in self._watched.formats or ()}
        if disk_format == "raw":
            if frozenset(found) not in RAW_CONTENT:
                raise _mismatch(disk_format, found)
            return self._size
        inspector = found.get(disk_format)
        if inspector is None or len(found) != 1:
            raise _mismatch(disk_format, found)
        try:
            inspector.safety_check()
            return int(inspector.virtual_size)
        except format_inspector.SafetyCheckFailed as error:
            causes = "; ".join(str(failure) for failure in error.failures.values())
            raise UnsafeImage(f"Image failed safety checks: {causes}") from error
        except format_inspector.ImageFormatError as error:
            raise UnsafeImage(f"Image format inspection failed: {error}") from error


def _format_inspector() -> Any:  # noqa: ANN401 - oslo.utils has no types
    # Imported on the first upload: it costs a fifth of a second, and a start does not need it.
    from oslo_utils.imageutils import format_inspector

    return format_inspector


class _Feed(io.RawIOBase):
    """Hands the inspector the piece that is going by."""

    piece = b""

    def read(self, size: int = -1) -> bytes:
        return self.piece


def _mismatch(disk_format: str, found: Iterable[str]) -> UnsafeImage:
    content = ",".join(sorted(found))
    return UnsafeImage(f"Image disk_format {disk_format} does not match stream data {content}")
