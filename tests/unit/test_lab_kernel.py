"""Modules are chosen with what they need, in an order in which they load."""

from pathlib import Path

import pytest

from kcloud_cli.lab.kernel import Kernel, closure, installed_files
from kcloud_cli.lab.process import LabError


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    folder = tmp_path / "lib/modules/6.1.0"
    (folder / "kernel").mkdir(parents=True)
    for name in ("virtio", "virtio_ring", "virtio_net", "net-failover"):
        (folder / "kernel" / f"{name}.ko").write_bytes(name.encode())
    # depmod writes all that a module needs, nearest first.
    (folder / "modules.dep").write_text(
        "kernel/virtio.ko:\n"
        "kernel/virtio_ring.ko: kernel/virtio.ko\n"
        "kernel/net-failover.ko:\n"
        "kernel/virtio_net.ko: kernel/net-failover.ko kernel/virtio_ring.ko kernel/virtio.ko\n"
    )
    (folder / "modules.builtin").write_text("kernel/fs/ext4.ko\n")
    for index in ("modules.order", "modules.builtin.modinfo"):
        (folder / index).write_text("")
    return Kernel(tmp_path, "6.1.0")


def test_a_module_comes_after_all_that_it_needs(kernel: Kernel) -> None:
    names = [path.stem for path in closure(kernel, ["virtio_net", "virtio_ring"])]
    assert names == ["virtio", "virtio_ring", "net-failover", "virtio_net"]


def test_what_is_built_in_adds_nothing(kernel: Kernel) -> None:
    assert closure(kernel, ["ext4"]) == []


def test_dashes_and_underscores_are_the_same(kernel: Kernel) -> None:
    assert closure(kernel, ["net_failover"]) == closure(kernel, ["net-failover"])


def test_a_module_that_the_kernel_lacks_is_named(kernel: Kernel) -> None:
    with pytest.raises(LabError, match="no module zfs"):
        closure(kernel, ["zfs"])


def test_installed_modules_keep_their_places(kernel: Kernel) -> None:
    files = installed_files(kernel, ["virtio_ring"])
    assert files[Path("usr/lib/modules/6.1.0/kernel/virtio_ring.ko")] == b"virtio_ring"
    assert Path("usr/lib/modules/6.1.0/modules.builtin") in files
