"""The agent's disks as the real qemu-img and ISO writer make them."""

import hashlib
import json
from pathlib import Path
from uuid import UUID

import pytest

from hypervisor_drivers.cloudinit import VOLUME_LABEL, GuestFacts, config_drive_files
from kcloud_common.wire import ImageWant
from kcloud_compute import disks
from kcloud_compute.durable import no_checkpoint
from kcloud_compute.images import BadImage, ImageCache
from kcloud_compute.paths import StatePaths
from kcloud_compute.tools import ISO_WRITER, ToolFailed, ToolMissing, run
from tests.unit.test_agent_images import Source

# They come with the packages of a compute host.
pytestmark = pytest.mark.libvirt

MIB = 1 << 20


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    paths = StatePaths(tmp_path / "state")
    paths.make()
    return paths


def made(path: Path, *options: str, disk_format: str = "qcow2") -> ImageWant:
    run(("qemu-img", "create", "-q", "-f", disk_format, *options, str(path), "8M"))
    data = path.read_bytes()
    digest = hashlib.sha512(data).hexdigest()
    return ImageWant(id=UUID(int=1), sha512=digest, size=len(data), disk_format=disk_format)


def cache(paths: StatePaths, file: Path) -> ImageCache:
    return ImageCache(paths, Source(file.read_bytes()), run)


@pytest.mark.parametrize("disk_format", ["qcow2", "raw"])
def test_an_overlay_stands_on_its_image_and_has_the_size_asked_for(
    tmp_path: Path, paths: StatePaths, disk_format: str
) -> None:
    image = made(tmp_path / "image", disk_format=disk_format)
    images = cache(paths, tmp_path / "image")
    base = images.ensure(image)
    size = images.pin(image, tmp_path / "base")
    assert size == 8 * MIB
    disk = tmp_path / "disk.qcow2"
    disks.finish(disks.make_overlay(disk, base, disk_format, 1 << 30, run), disk, no_checkpoint)
    facts = json.loads(run(("qemu-img", "info", "--output=json", str(disk))))
    assert facts["virtual-size"] == 1 << 30
    assert facts["full-backing-filename"] == str(base)
    assert facts["backing-filename-format"] == disk_format


def test_a_raw_image_that_looks_like_qcow2_stays_raw(tmp_path: Path, paths: StatePaths) -> None:
    create = ("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/hostname", "-u")
    run((*create, str(tmp_path / "image"), "8M"))
    data = (tmp_path / "image").read_bytes()
    image = ImageWant(
        id=UUID(int=1), sha512=hashlib.sha512(data).hexdigest(), size=len(data), disk_format="raw"
    )
    base = cache(paths, tmp_path / "image").ensure(image)
    disk = tmp_path / "disk.qcow2"
    disks.finish(disks.make_overlay(disk, base, "raw", 8 * MIB, run), disk, no_checkpoint)
    chain = json.loads(run(("qemu-img", "info", "--backing-chain", "--output=json", str(disk))))
    assert [link["format"] for link in chain] == ["qcow2", "raw"]


@pytest.mark.parametrize(
    "options",
    [("-b", "/etc/hostname", "-F", "raw", "-u"), ("-o", "data_file={folder}/data,data_file_raw=on")],
    ids=["backing-file", "data-file"],
)
def test_an_image_that_refers_to_other_files_is_refused(
    tmp_path: Path, paths: StatePaths, options: tuple[str, ...]
) -> None:
    (tmp_path / "data").write_bytes(b"")
    image = made(tmp_path / "image", *(option.format(folder=tmp_path) for option in options))
    with pytest.raises(BadImage):
        cache(paths, tmp_path / "image").ensure(image)


def test_an_image_that_is_something_else_is_refused(tmp_path: Path, paths: StatePaths) -> None:
    file = tmp_path / "image"
    file.write_bytes(b"<html>not found</html>" * 100)
    data = file.read_bytes()
    image = ImageWant(
        id=UUID(int=1), sha512=hashlib.sha512(data).hexdigest(), size=len(data), disk_format="qcow2"
    )
    with pytest.raises(BadImage):
        cache(paths, file).ensure(image)


def test_a_config_drive_has_its_label_and_its_files(tmp_path: Path) -> None:
    facts = GuestFacts(
        uuid=UUID(int=5), hostname="web", name="web", project_id="p1", user_data=b"#cloud-config\n"
    )
    files = config_drive_files(facts)
    iso = tmp_path / "config.iso"
    disks.finish(disks.make_iso(iso, files, run), iso, no_checkpoint)
    assert iso.stat().st_mode & 0o777 == 0o600
    assert VOLUME_LABEL in run(("isoinfo", "-d", "-i", str(iso))).decode()
    for name, data in files.items():
        assert run(("isoinfo", "-R", "-i", str(iso), "-x", f"/{name}")) == data
    assert [path.name for path in tmp_path.iterdir()] == ["config.iso"]


def test_a_name_outside_the_drive_is_refused(tmp_path: Path) -> None:
    for name in ("../escape", "/etc/escape", ""):
        with pytest.raises(ValueError, match="config drive"):
            disks.make_iso(tmp_path / "config.iso", {name: b""}, run)


def test_a_tool_that_fails_says_why() -> None:
    with pytest.raises(ToolFailed, match="No such file"):
        run(("qemu-img", "info", "/nonexistent/image"))
    with pytest.raises(ToolMissing, match="no-such-tool"):
        run(("no-such-tool",))
    with pytest.raises(ToolFailed, match=ISO_WRITER):
        run((ISO_WRITER, "--no-such-option"))
