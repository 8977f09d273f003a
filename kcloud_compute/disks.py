"""A server's two disks: the qcow2 overlay that it writes to, and the config drive. Each appears whole."""

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from hypervisor_drivers.cloudinit import VOLUME_LABEL
from kcloud_compute import durable
from kcloud_compute.durable import Checkpoint
from kcloud_compute.tools import ISO_WRITER, Run

GIB = 1 << 30


def make_overlay(disk: Path, base: Path, base_format: str, size: int, run: Run) -> Path:
    """Unfinished copy of an overlay of `size` bytes on `base`; give it to `finish`. The format of the base
    is always said: left to be guessed, a guest could write a header that makes a raw disk something else."""
    unfinished = durable.unfinished_copy(disk)
    unfinished.unlink(missing_ok=True)
    create = ("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", base_format)
    run((*create, str(unfinished), str(size)))
    return unfinished


def make_iso(iso: Path, files: Mapping[str, bytes], run: Run) -> Path:
    """Unfinished copy of a config drive with these files; give it to `finish`."""
    unfinished, folder = durable.unfinished_copy(iso), iso.with_name("config.d")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.unlink(missing_ok=True)
    folder.mkdir(mode=0o700)
    for name, data in files.items():
        _checked(name)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    run((ISO_WRITER, "-quiet", "-J", "-r", "-V", VOLUME_LABEL, "-o", str(unfinished), str(folder)))
    shutil.rmtree(folder)
    return unfinished


def finish(unfinished: Path, path: Path, checkpoint: Checkpoint) -> None:
    """Sync, then give it its name. Private: the hypervisor opens it to its own user when a guest starts."""
    unfinished.chmod(0o600)
    durable.sync(unfinished)
    checkpoint(f"{path.name} written")
    durable.publish(unfinished, path)
    checkpoint(f"{path.name} in place")


def _checked(name: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise ValueError(f"not a name inside a config drive: {name!r}")
