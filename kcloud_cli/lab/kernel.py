"""A Debian kernel package taken apart: the bootable image and a chosen set of modules in loading order."""

import lzma
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kcloud_cli.lab.process import LabError, run


@dataclass(frozen=True, slots=True)
class Kernel:
    """`root` is the unpacked package (`boot/`, `lib/modules/<release>/`)."""

    root: Path
    release: str

    @property
    def image(self) -> Path:
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        for place in ("usr/lib/modules", "lib/modules"):
            if (self.root / place / self.release).is_dir():
                return self.root / place / self.release
        raise LabError(f"{self.root} holds no modules")


def open_kernel(root: Path) -> Kernel:
    """The one kernel in an unpacked package. Safe to repeat; depmod's index is made at the first call."""
    images = list((root / "boot").glob("vmlinuz-*"))
    if len(images) != 1:
        raise LabError(f"{root} holds {len(images)} kernels, one expected")
    kernel = Kernel(root, images[0].name.removeprefix("vmlinuz-"))
    if not (kernel.modules / "modules.dep").exists():
        base = kernel.modules.parents[2]
        run(["depmod", "-b", base, kernel.release])
    return kernel


def closure(kernel: Kernel, names: Iterable[str]) -> list[Path]:
    """Files of the modules and of all they need, in an order in which they can be loaded.

    A name that is built into this kernel adds nothing; a name that the kernel lacks is a LabError.
    """
    files: dict[str, str] = {}
    needs: dict[str, list[str]] = {}
    for line in (kernel.modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        files[_name(path)] = path
        needs[path] = rest.split()
    builtin = {_name(line) for line in (kernel.modules / "modules.builtin").read_text().splitlines()}
    ordered: dict[str, None] = {}
    for name in names:
        wanted = name.replace("-", "_")
        if wanted not in files:
            if wanted not in builtin:
                raise LabError(f"kernel {kernel.release} has no module {name}")
            continue
        # modules.dep lists every transitive need, the deepest last.
        for path in (*reversed(needs[files[wanted]]), files[wanted]):
            ordered.setdefault(path)
    return [kernel.modules / path for path in ordered]


def module_bytes(path: Path) -> bytes:
    """A module's content, decompressed: under emulation the guest should not have to."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def installed_files(kernel: Kernel, names: Iterable[str]) -> dict[Path, bytes]:
    """The modules and what depmod reads, by their paths in a root file system."""
    folder = Path("usr/lib/modules") / kernel.release
    files = {
        folder / path.relative_to(kernel.modules).with_name(plain_name(path)): module_bytes(path)
        for path in closure(kernel, names)
    }
    for index in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        files[folder / index] = (kernel.modules / index).read_bytes()
    return files


def plain_name(path: Path) -> str:
    """`virtio_blk.ko` for `.../virtio_blk.ko.xz`."""
    return path.name.removesuffix(".xz")


def _name(path: str) -> str:
    return Path(path).name.split(".ko")[0].replace("-", "_")
