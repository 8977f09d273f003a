"""The running lab host: start, find, wait for, reboot and end it.

It is one per name (tests have theirs); its state is files in the cache's `run/NAME`.
"""

import json
import os
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kcloud_cli.lab import host_image, monitor, rootfs
from kcloud_cli.lab.cache import (
    cache_root,
    digest,
    forget_old,
    locked,
    remove_tree,
    sources,
    under_construction,
)
from kcloud_cli.lab.debian import open_suite
from kcloud_cli.lab.machine import NAMESPACE_BYTES, NAMESPACE_TEXT, MachineFiles, command
from kcloud_cli.lab.process import LabError, phase, require, run

SUITE = "trixie"
DEFAULT = "lab"
TOOLS = {
    **{"apt-get": "apt", "dpkg": "dpkg", "mmdebstrap": "mmdebstrap", "depmod": "kmod", "mke2fs": "e2fsprogs"},
    **{"qemu-img": "qemu-utils", "ssh": "openssh-client", "ssh-keygen": "openssh-client"},
}
IMAGE_SOURCES = ("host_image.py", "files/host-*", "initramfs.py", "rootfs.py", "cpio.py", "kernel.py")
READY = b"LAB-READY"
FAILED = b"LAB-FAILED"
STALLED = b"kthread timer wakeup didn't happen"
"""QEMU 10.0 was seen to bring up a processor whose timer never fires: such a boot goes on for ever."""
BOOT_SECONDS = 300.0
BOOTS = 3
"""How often a boot that stalls is begun; the last one is left to go on, for a machine that is only slow."""


@dataclass(frozen=True, slots=True)
class LabHost:
    """A lab host that runs: where its files are and how to get in."""

    files: MachineFiles
    ssh_port: int

    @property
    def key(self) -> Path:
        return self.files.image / "key"

    def ssh_command(self, *words: str) -> list[str]:
        options = [
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        ]
        return ["ssh", "-i", str(self.key), "-p", str(self.ssh_port), *options, "root@127.0.0.1", *words]


def image() -> Path:
    """The lab host's image in the cache, built (and booted once, to warm its caches) when it is not there."""
    require(TOOLS)
    cache = cache_root()
    chosen = host_image.packages(open_suite(cache, SUITE))
    wanted = [f"{name}={version}" for name, version in chosen.versions.items()]
    installed = cache / "lab" / f"root-{digest([*wanted, *rootfs.LEFT_OUT])}"
    own = sources(Path(__file__).parent, *IMAGE_SOURCES)
    target = cache / "lab" / f"host-{digest([*own, *wanted])}"
    if target.exists():
        return target
    with under_construction(installed) as work:
        if work is not None:
            host_image.install(chosen.suite, work)
    with under_construction(target) as work:
        if work is not None:
            host_image.build(cache, chosen, installed, work)
            with phase("lab host: first boot, warms libvirt's caches"):
                _boot_once(work)
    forget_old(target.parent, "host", keep=2)
    forget_old(target.parent, "root", keep=1)
    return target


def up(name: str = DEFAULT) -> LabHost:
    """The lab host of this name, started when it does not run, and ready: SSH, libvirt, all devices."""
    cache = cache_root()
    with locked(cache / "run" / f".{name}.lock"):
        found = running(name)
        if found is None:
            built = image()
            with phase("lab host: booted"):
                return _start(MachineFiles(built, cache / "run" / name))
        return found


def running(name: str = DEFAULT) -> LabHost | None:
    """The lab host that runs now, ready or not."""
    folder = cache_root() / "run" / name
    try:
        state = json.loads((folder / "state.json").read_text())
    except (OSError, ValueError):
        return None
    files = MachineFiles(Path(state["image"]), folder)
    if _pid(files) is None:
        return None
    return LabHost(files, int(state["ssh_port"]))


def running_or_refuse(name: str = DEFAULT) -> LabHost:
    found = running(name)
    if found is None:
        raise LabError("no lab host runs: kcloud lab up")
    return found


def down(name: str = DEFAULT) -> bool:
    """End the lab host and forget its disk; False when it did not run."""
    runs = cache_root() / "run"
    with locked(runs / f".{name}.lock"):
        found = running(name)
        if found is not None:
            _end(found.files)
        remove_tree(runs / name)
        return found is not None


def reboot(host: LabHost) -> LabHost:
    """Cut the machine's power after its disk is written, and boot it anew; returns when it is ready again.

    Not by QEMU's system_reset: that was seen to leave a processor that ran a guest without timer interrupts.
    """
    boots = host.files.console.read_bytes().count(READY)
    with suppress(LabError):
        # A host that hangs cannot write its disk, and its power is cut all the same.
        run(["timeout", "60", *host.ssh_command("sync")])
    _end(host.files)
    return _booted(host.files, boots + 1)


def _start(files: MachineFiles) -> LabHost:
    remove_tree(files.run)
    files.run.mkdir(parents=True)
    run(
        [
            "qemu-img",
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "qcow2",
            "-b",
            files.image / "disk.qcow2",
            files.disk,
        ]
    )
    _fill_namespaces(files)
    return _booted(files, boots=1)


def _booted(files: MachineFiles, boots: int) -> LabHost:
    for begun in range(1, BOOTS + 1):
        said = files.console.stat().st_size if files.console.exists() else 0
        host = _launch(files)
        state = {"image": str(files.image), "ssh_port": host.ssh_port}
        (files.run / "state.json").write_text(json.dumps(state))
        if _wait_ready(files, boots, stalls_after=said if begun < BOOTS else None):
            break
        _end(files)
    return host


def _boot_once(work: Path) -> None:
    """Boot on the image's own disk, where what libvirt learns of its QEMU (30 s of probing) stays."""
    files = MachineFiles(work, work / "run")
    files.run.mkdir()
    files.disk.symlink_to(work / "disk.qcow2")
    _fill_namespaces(files)
    host = _launch(files)
    try:
        _wait_ready(files, boots=1)
        run(host.ssh_command(host_image.WARM_UP))
    finally:
        _end(files)
    shutil.rmtree(files.run)


def _fill_namespaces(files: MachineFiles) -> None:
    for namespace in files.namespaces:
        with namespace.open("wb") as disk:
            disk.write(NAMESPACE_TEXT)
            disk.truncate(NAMESPACE_BYTES)


def _launch(files: MachineFiles) -> LabHost:
    # It daemonizes: it returns once its monitor listens, or fails with its reason.
    run(command(files))
    return LabHost(files, monitor.forwarded_port(files.monitor))


def _wait_ready(files: MachineFiles, boots: int, stalls_after: int | None = None) -> bool:
    """False for a boot that stalls, where the console's words after an offset are searched for that."""
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        console = files.console.read_bytes() if files.console.exists() else b""
        if console.count(READY) >= boots:
            return True
        if stalls_after is not None and STALLED in console[stalls_after:]:
            return False
        if _pid(files) is None:
            raise LabError("the lab host's QEMU ended while the host booted")
        if FAILED in console:
            break
        time.sleep(0.25)
    tail = files.console.read_bytes()[-1500:].decode(errors="replace")
    raise LabError(f"the lab host did not become ready in {BOOT_SECONDS:.0f} s; its console ends:\n{tail}")


def _pid(files: MachineFiles) -> int | None:
    """Of the QEMU that has this pid file, when it is that very one."""
    with suppress(OSError, ValueError):
        pid = int(files.pid.read_text())
        if str(files.pid).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def _end(files: MachineFiles) -> None:
    pid = _pid(files)
    if pid is None:
        return
    with suppress(LabError):
        monitor.execute(files.monitor, "quit")
    deadline = time.monotonic() + 10
    while _pid(files) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    if _pid(files) is not None:
        os.kill(pid, signal.SIGKILL)
