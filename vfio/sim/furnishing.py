"""What else a fake host has: a disk with a mounted filesystem, NICs; and a picture of all that it shows."""

import os
from pathlib import Path

from vfio.sim.files import link_to
from vfio.sim.tree import FakeTree


def add_disk(tree: FakeTree, name: str, address: str, mounted_at: str) -> None:
    """A block device under a PCI function, with one mounted filesystem on its first partition."""
    number = f"259:{len(list((tree.root / 'sys/dev/block').iterdir()))}"
    disk = tree.home(address) / f"block/{name}"
    partition = disk / f"{name}p1"
    for folder in (disk, partition):
        (folder / "holders").mkdir(parents=True)
        (folder / "slaves").mkdir()
        link_to(tree.root / "sys/class/block" / folder.name, folder)
    link_to(tree.root / "sys/dev/block" / number, partition)
    with (tree.root / "proc/self/mountinfo").open("a") as file:
        file.write(f"25 1 {number} / {mounted_at} rw - ext4 /dev/{name}p1 rw\n")


def add_nic(tree: FakeTree, name: str, address: str, *, up: bool) -> None:
    """A network interface on a PCI function; an up one gets the default route."""
    function = tree.home(address)
    folder = function / f"net/{name}"
    folder.mkdir(parents=True)
    (folder / "flags").write_text("0x1003\n" if up else "0x1002\n")
    link_to(folder / "device", function)
    link_to(tree.root / "sys/class/net" / name, folder)
    if up:
        with (tree.root / "proc/net/route").open("a") as file:
            file.write(f"{name}\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\n")


def nics(tree: FakeTree) -> tuple[str, ...]:
    return tuple((link / "device").resolve().name for link in sorted((tree.root / "sys/class/net").iterdir()))


def picture(root: Path) -> dict[str, str]:
    """Every file and link of /sys and /proc with what it holds, for comparing before and after."""
    seen: dict[str, str] = {}
    waiting = [f"{root}/sys", f"{root}/proc"]
    while waiting:
        for entry in os.scandir(waiting.pop()):
            if entry.is_symlink():
                seen[entry.path] = f"-> {os.readlink(entry.path)}"  # noqa: PTH115 (read thousands of times)
            elif entry.is_dir():
                waiting.append(entry.path)
            else:
                with open(entry.path, "rb") as file:  # noqa: PTH123
                    seen[entry.path] = file.read().decode("utf-8", "backslashreplace")
    return seen
