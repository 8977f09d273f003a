"""The only door to the host: reads and writes files below one root, with errors that keep the errno.

Paths are relative to the root (`sys/bus/pci/devices`, `proc/swaps`), which tests choose.
"""

import errno
import os
from pathlib import Path
from typing import Protocol, Self

from vfio.errors import Busy, Denied, Refused, SysfsError, Vanished

_KINDS: dict[int, type[SysfsError]] = {
    errno.ENOENT: Vanished,
    errno.ENODEV: Vanished,
    errno.ENXIO: Vanished,
    errno.ENOTDIR: Vanished,
    errno.EACCES: Denied,
    errno.EPERM: Denied,
    errno.EROFS: Denied,
    errno.EBUSY: Busy,
}
_CHUNK = 65536
_READ = os.O_RDONLY | os.O_CLOEXEC


class Kernel(Protocol):
    """What answers for the files: the real kernel needs none of this, a fake one does (vfio.testing)."""

    def before_read(self, path: str) -> None:
        """Called before each read, listing or readlink; may raise OSError."""

    def write(self, path: str, data: bytes) -> None:
        """Do what a write to this file does, or raise OSError."""


class Sysfs:
    """A host's /sys and /proc. Holds no state: every call asks the kernel."""

    def __init__(self, root: Path = Path("/"), kernel: Kernel | None = None) -> None:
        self._root = str(root.resolve())
        self._kernel = kernel

    @property
    def root(self) -> Path:
        return Path(self._root)

    def read_bytes(self, path: str) -> bytes:
        try:
            self._ask(path)
            return _read(self._at(path))
        except OSError as error:
            raise _typed("reading", path, error) from error

    def read_text(self, path: str) -> str:
        """The file's text without the newline that ends nearly every attribute."""
        return self.read_bytes(path).decode("utf-8", "replace").rstrip("\n")

    def listdir(self, path: str) -> tuple[str, ...]:
        """Names in a folder, sorted."""
        try:
            self._ask(path)
            return tuple(sorted(os.listdir(self._at(path))))  # noqa: PTH208 (a listing of names is what we want)
        except OSError as error:
            raise _typed("listing", path, error) from error

    def readlink(self, path: str) -> str:
        try:
            self._ask(path)
            return os.readlink(self._at(path))  # noqa: PTH115 (Path costs ten times the call)
        except OSError as error:
            raise _typed("reading link", path, error) from error

    def realpath(self, path: str) -> str:
        """The path with every link followed, relative to the root again."""
        try:
            self._ask(path)
            return os.path.relpath(os.path.realpath(self._at(path), strict=True), self._root)
        except OSError as error:
            raise _typed("resolving", path, error) from error

    def folder(self, path: str) -> "Folder":
        """A folder of attributes, to be used in `with`."""
        return Folder(self._root, path, self._kernel)

    def exists(self, path: str) -> bool:
        """False only when it is not there; a permission error is raised."""
        try:
            self._ask(path)
            os.stat(self._at(path))  # noqa: PTH116
        except OSError as error:
            typed = _typed("looking at", path, error)
            if isinstance(typed, Vanished):
                return False
            raise typed from error
        return True

    def write(self, path: str, text: str) -> None:
        """One write(2), as attributes want it. Never creates a file."""
        try:
            if self._kernel is not None:
                self._kernel.write(path, text.encode())
            else:
                _write(self._at(path), text.encode())
        except OSError as error:
            raise _typed(f"writing {text.strip()!r} to", path, error) from error

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _ask(self, path: str) -> None:
        if self._kernel is not None:
            self._kernel.before_read(path)


class Folder:
    """A folder held open: each file is found by its name alone, not by the long way from the root, and all
    are of the same folder whatever comes in its place meanwhile. Errors are as of Sysfs."""

    def __init__(self, root: str, path: str, kernel: Kernel | None) -> None:
        self._root = root
        self._path = path
        self._kernel = kernel
        self._handle = -1

    def __enter__(self) -> Self:
        try:
            if self._kernel is not None:
                self._kernel.before_read(self._path)
            self._handle = os.open(f"{self._root}/{self._path}", _READ | os.O_DIRECTORY)
        except OSError as error:
            raise _typed("opening", self._path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def read_text(self, name: str) -> str | None:
        """An attribute's text without its last newline; None when the folder has no such file. One read(2)
        gets it all, for an attribute is a page at most."""
        try:
            if self._kernel is not None:
                self._kernel.before_read(f"{self._path}/{name}")
            handle = os.open(name, _READ, dir_fd=self._handle)
            try:
                data = os.read(handle, _CHUNK)
            finally:
                os.close(handle)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _typed("reading", f"{self._path}/{name}", error) from error
        return data.decode("utf-8", "replace").rstrip("\n")

    def readlink(self, name: str) -> str | None:
        """Where a link leads; None when the folder has no such link."""
        try:
            if self._kernel is not None:
                self._kernel.before_read(f"{self._path}/{name}")
            return os.readlink(name, dir_fd=self._handle)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _typed("reading link", f"{self._path}/{name}", error) from error


def _read(path: str) -> bytes:
    handle = os.open(path, _READ)
    try:
        chunks = [os.read(handle, _CHUNK)]
        while chunks[-1]:
            chunks.append(os.read(handle, _CHUNK))
    finally:
        os.close(handle)
    return b"".join(chunks)


def _write(path: str, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, data)
    finally:
        os.close(handle)


def _typed(doing: str, path: str, error: OSError) -> SysfsError:
    number = error.errno or errno.EIO
    return _KINDS.get(number, Refused)(doing, path, number, os.strerror(number))
