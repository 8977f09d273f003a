"""Guest images, built once per set of package versions and copied to where they are wanted."""

import shutil
from pathlib import Path

from kcloud_cli.lab import tiny
from kcloud_cli.lab.cache import cache_root, digest, sources, under_construction
from kcloud_cli.lab.debian import open_suite
from kcloud_cli.lab.process import LabError, phase, require

SUITE = "bookworm"
TOOLS = {"apt-get": "apt", "dpkg": "dpkg", "depmod": "kmod", "qemu-img": "qemu-utils", "mke2fs": "e2fsprogs"}
TINY_SOURCES = ("tiny.py", "files/tiny-*", "cpio.py", "kernel.py", "bootdisk.py")


def tiny_guest(cache: Path | None = None) -> Path:
    """The tiny guest's qcow2 in the cache; built when it is not there. Safe to call from many processes."""
    require(TOOLS)
    cache = cache or cache_root()
    chosen = tiny.packages(open_suite(cache, SUITE))
    own = sources(Path(__file__).parent, *TINY_SOURCES)
    key = digest([*own, *(f"{name}={version}" for name, version in chosen.versions.items())])
    target = cache / "guests" / f"tiny-{key}"
    if not target.exists():
        with phase("tiny guest image built"), under_construction(target) as work:
            if work is not None:
                tiny.build(cache, chosen, work)
    return target / "disk.qcow2"


IMAGES = {"tiny": tiny_guest}


def copy_guest(kind: str, output: Path) -> Path:
    """Build if needed and copy; `output` may be a folder. Returns the file written."""
    if kind not in IMAGES:
        raise LabError(f"no guest image {kind!r}: choose one of {', '.join(IMAGES)}")
    source = IMAGES[kind]()
    target = output / f"{kind}.qcow2" if output.is_dir() else output
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, partial)
    partial.rename(target)
    return target
