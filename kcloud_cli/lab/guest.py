"""Guest images, built once per set of package versions and copied to where they are wanted."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kcloud_cli.lab import debian_guest, tiny
from kcloud_cli.lab.cache import cache_root, digest, forget_old, sources, under_construction
from kcloud_cli.lab.debian import open_suite
from kcloud_cli.lab.process import LabError, phase, require

SUITE = "bookworm"
TOOLS = {
    **{"apt-get": "apt", "dpkg": "dpkg", "mmdebstrap": "mmdebstrap", "depmod": "kmod"},
    **{"qemu-img": "qemu-utils", "mke2fs": "e2fsprogs"},
}
DISK = ("cpio.py", "kernel.py", "initramfs.py", "bootdisk.py", "tiny.py", "files/tiny-*")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a guest image is made, and the builder's files that it depends on."""

    build: Callable[[Path, tiny.GuestPackages, Path], None]
    sources: tuple[str, ...]


RECIPES: Mapping[str, Recipe] = {
    "tiny": Recipe(tiny.build, DISK),
    "debian": Recipe(debian_guest.build, (*DISK, "debian_guest.py", "rootfs.py", "files/debian-*")),
}


def guest_image(kind: str, cache: Path | None = None) -> Path:
    """The guest's qcow2 in the cache; built when it is not there. Safe to call from many processes."""
    if kind not in RECIPES:
        raise LabError(f"no guest image {kind!r}: choose one of {', '.join(RECIPES)}")
    require(TOOLS)
    cache = cache or cache_root()
    recipe = RECIPES[kind]
    chosen = tiny.packages(open_suite(cache, SUITE))
    own = sources(Path(__file__).parent, *recipe.sources)
    key = digest([*own, *(f"{name}={version}" for name, version in chosen.versions.items())])
    target = cache / "guests" / f"{kind}-{key}"
    if not target.exists():
        with phase(f"{kind} guest image built"), under_construction(target) as work:
            if work is not None:
                recipe.build(cache, chosen, work)
        forget_old(target.parent, kind, keep=2)
    return target / "disk.qcow2"


def copy_guest(kind: str, output: Path) -> Path:
    """Build if needed and copy; `output` may be a folder. Returns the file written."""
    source = guest_image(kind)
    target = output / f"{kind}.qcow2" if output.is_dir() else output
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, partial)
    partial.rename(target)
    return target
