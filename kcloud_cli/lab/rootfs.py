"""Debian root file systems: packages into a folder, a folder into a file system. Needs root, no mounts."""

from collections.abc import Sequence
from pathlib import Path

from kcloud_cli.lab.debian import KEYRING, Suite
from kcloud_cli.lab.process import run_as_root

LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")


def install(suite: Suite, packages: Sequence[str], root: Path) -> None:
    """A minimal Debian with the packages, their scripts run, in the folder `root`."""
    options = ["--variant=minbase", "--mode=root", f"--keyring={KEYRING}", f"--include={','.join(packages)}"]
    options += ["--aptopt=Apt::Install-Recommends false", "--aptopt=Acquire::Languages none"]
    options += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    run_as_root(["mmdebstrap", *options, suite.name, root, suite.source_line])


def copy(source: Path, target: Path) -> None:
    run_as_root(["cp", "-a", "--reflink=auto", source, target])


def index_modules(root: Path, release: str) -> None:
    """What depmod would have done at the kernel's installation."""
    run_as_root(["depmod", "-b", root / "usr", release])


def overlay(extra: Path, root: Path) -> None:
    """Lay the tree `extra` over `root`; everything in it becomes root's."""
    run_as_root(["cp", "-a", "--no-preserve=ownership", f"{extra}/.", root])


def write_file_system(root: Path, label: str, image: Path, size: str, *, offset: int = 0) -> None:
    """The folder as ext4 in the file `image`, `offset` bytes into it; `size` as mke2fs takes it."""
    place = ["-E", f"offset={offset}"] if offset else []
    run_as_root(["mke2fs", "-q", "-F", "-t", "ext4", "-L", label, *place, "-d", root, image, size])


def write_tree(files: dict[Path, bytes], folder: Path) -> None:
    """Files by their path below `folder`; what lies in a `bin` or `sbin` folder is made executable."""
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        if path.parent.name in {"bin", "sbin"}:
            target.chmod(0o755)


def remove(*paths: Path) -> None:
    """Remove what root wrote."""
    run_as_root(["rm", "-rf", "--one-file-system", *paths])
