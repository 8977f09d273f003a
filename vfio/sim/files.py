"""Writes the files and links of a fake host: a tree has thousands, so this is what its making costs."""

import os
from pathlib import Path


def write_raw(path: str, data: bytes, within: int | None = None) -> None:
    """A file with this content. (A tree has thousands: pathlib takes three times as long.)

    It is cut after writing, never emptied before: on ext4 a file that is emptied and written is brought to
    the disk when it is closed."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644, dir_fd=within)
    try:
        os.write(handle, data)
        if os.fstat(handle).st_size > len(data):
            os.ftruncate(handle, len(data))
    finally:
        os.close(handle)


def link_to(link: Path | str, target: Path | str) -> None:
    """A relative link, as sysfs has them. (Plain text work: os.path.relpath takes six times as long.)"""
    at, to = str(link).split("/"), str(target).split("/")
    same = next((n for n, (one, other) in enumerate(zip(at, to, strict=False)) if one != other), len(to))
    os.symlink("/".join([".."] * (len(at) - 1 - same) + to[same:]), link)  # noqa: PTH211
