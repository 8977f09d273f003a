"""An initramfs of busybox, a few modules in loading order, and an init of our own."""

from collections.abc import Sequence
from pathlib import Path

from kcloud_cli.lab import cpio
from kcloud_cli.lab.kernel import Kernel, closure, module_bytes, plain_name


def nodes(kernel: Kernel, modules: Sequence[str], busybox_package: Path, init: bytes) -> dict[str, cpio.Node]:
    """`etc/modules.load` lists the modules' files as `init` must insert them."""
    chosen = closure(kernel, modules)
    programs = [busybox_package / place / "busybox" for place in ("usr/bin", "bin")]
    busybox = next(path for path in programs if path.exists())
    return {
        **{f"lib/modules/{plain_name(path)}": cpio.file(module_bytes(path)) for path in chosen},
        "etc/modules.load": cpio.file("".join(f"{plain_name(path)}\n" for path in chosen).encode()),
        "bin/busybox": cpio.file(busybox.read_bytes(), 0o755),
        "dev/console": cpio.character_device(5, 1),
        "init": cpio.file(init, 0o755),
    }
