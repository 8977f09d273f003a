"""Reads and writes below a root keep the kernel's errno and never mistake one refusal for another."""

import errno
import os
from pathlib import Path

import pytest

from vfio.errors import Busy, Denied, Refused, SysfsError, Vanished
from vfio.sysfs import Sysfs


class Answering:
    """A kernel that answers every call with one errno."""

    def __init__(self, number: int) -> None:
        self._number = number

    def before_read(self, path: str) -> None:
        raise OSError(self._number, os.strerror(self._number))

    def write(self, path: str, data: bytes) -> None:
        raise OSError(self._number, os.strerror(self._number))


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, Vanished),
        (errno.ENODEV, Vanished),
        (errno.EACCES, Denied),
        (errno.EPERM, Denied),
        (errno.EBUSY, Busy),
        (errno.EINVAL, Refused),
        (errno.EIO, Refused),
    ],
)
def test_each_errno_keeps_its_number_and_has_its_class(
    tmp_path: Path, number: int, kind: type[SysfsError]
) -> None:
    sysfs = Sysfs(tmp_path, Answering(number))
    for call in (sysfs.read_text, sysfs.read_bytes, sysfs.listdir, sysfs.readlink, sysfs.realpath):
        with pytest.raises(kind) as caught:
            call("sys/thing")
        assert type(caught.value) is kind
        assert (caught.value.errno, caught.value.path) == (number, "sys/thing")
    with pytest.raises(kind, match="'vfio-pci'"):
        sysfs.write("sys/thing", "vfio-pci\n")


def test_a_permission_error_is_not_absence(tmp_path: Path) -> None:
    with pytest.raises(Denied):
        Sysfs(tmp_path, Answering(errno.EACCES)).exists("sys/thing")
    assert not Sysfs(tmp_path).exists("sys/thing")


def test_a_write_never_creates_a_file(tmp_path: Path) -> None:
    with pytest.raises(Vanished):
        Sysfs(tmp_path).write("attribute", "1")
    assert list(tmp_path.iterdir()) == []


def test_a_write_reaches_the_file_of_a_real_folder(tmp_path: Path) -> None:
    (tmp_path / "attribute").write_text("")
    Sysfs(tmp_path).write("attribute", "vfio-pci\n")
    assert (tmp_path / "attribute").read_text() == "vfio-pci\n"


def test_text_loses_only_the_newline_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "attribute").write_text(" two\nlines \n")
    assert Sysfs(tmp_path).read_text("attribute") == " two\nlines "


def test_a_file_longer_than_one_read_comes_whole(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_bytes(b"x" * 200_000)
    assert len(Sysfs(tmp_path).read_bytes("mountinfo")) == 200_000


def test_links_resolve_relative_to_the_root_again(tmp_path: Path) -> None:
    (tmp_path / "sys/devices/a").mkdir(parents=True)
    (tmp_path / "sys/link").symlink_to("devices/a")
    assert Sysfs(tmp_path).realpath("sys/link") == "sys/devices/a"
    assert Sysfs(tmp_path).readlink("sys/link") == "devices/a"
