"""What the driver contract is run on: a driver, and hands on the host that a test needs besides its verbs."""

import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from hypervisor_drivers import fake
from hypervisor_drivers.driver import Driver
from hypervisor_drivers.fake import FakeDriver
from hypervisor_drivers.spec import DiskSpec, DomainMetadata, DomainSpec, NetworkSpec
from tests.boot_sector import ATTENTIVE, write_boot_disk
from tests.libvirtd import PrivateLibvirtd


class Hands(Protocol):
    """What happens on a host without the driver's doing."""

    def open(self) -> Driver:
        """One more connection to the same hypervisor."""

    def power_off_from_inside(self, spec: DomainSpec) -> None: ...

    def crash(self, spec: DomainSpec) -> None: ...


@dataclass
class Bench:
    """One hypervisor under test. Domains get disks of their own under `folder`."""

    hands: Hands
    folder: Path
    driver: Driver
    network: NetworkSpec

    def reopen(self) -> Driver:
        """As an agent that was restarted."""
        self.driver.close()
        self.driver = self.hands.open()
        return self.driver

    def spec(self, *, program: bytes = ATTENTIVE) -> DomainSpec:
        """A domain that boots: a boot sector that obeys its power button, unless `program` says otherwise."""
        name = uuid.uuid4()
        folder = self.folder / str(name)
        folder.mkdir()
        disk = write_boot_disk(folder / "disk.raw", program)
        return DomainSpec(
            uuid=name,
            name=f"kcloud-{name}",
            title="contract",
            vcpus=1,
            memory_mib=64,
            virt_type="qemu",
            disks=(DiskSpec(PurePosixPath(disk), "raw"),),
            nics=(),
            hostdevs=(),
            console_log=PurePosixPath(folder / "console.log"),
            metadata=DomainMetadata(project_id="p" * 32, generation=1),
        )


def generation(spec: DomainSpec, number: int) -> DomainSpec:
    return replace(spec, metadata=replace(spec.metadata, generation=number))


@contextmanager
def fake_bench(folder: Path) -> Iterator[Bench]:
    hands = FakeHands(folder / "state")
    bench = Bench(hands, folder, hands.open(), NetworkSpec("contract", "contract0", "192.168.230.0/24"))
    yield bench
    bench.driver.close()


@contextmanager
def libvirt_bench(folder: Path, libvirtd: PrivateLibvirtd) -> Iterator[Bench]:
    hands = LibvirtHands(libvirtd)
    bench = Bench(hands, folder, hands.open(), NetworkSpec("contract", "contract0", "192.168.230.0/24"))
    yield bench
    for name in bench.driver.domains():
        bench.driver.undefine(name)
    bench.driver.close()


class FakeHands:
    def __init__(self, state: Path) -> None:
        self._state = state
        self._newest: FakeDriver | None = None

    def open(self) -> Driver:
        self._newest = fake.open_driver(self._state.as_uri().replace("file:", "fake:"))
        return self._newest

    def power_off_from_inside(self, spec: DomainSpec) -> None:
        assert self._newest is not None
        self._newest.shut_down_from_inside(spec.uuid)

    def crash(self, spec: DomainSpec) -> None:
        assert self._newest is not None
        self._newest.crash(spec.uuid)


class LibvirtHands:
    def __init__(self, libvirtd: PrivateLibvirtd) -> None:
        self._libvirtd = libvirtd

    def open(self) -> Driver:
        from hypervisor_drivers.libvirt.driver import open_driver

        return open_driver(self._libvirtd.uri)

    def power_off_from_inside(self, spec: DomainSpec) -> None:
        self.virsh("qemu-monitor-command", spec.name, "--hmp", "system_powerdown")

    def crash(self, spec: DomainSpec) -> None:
        self._libvirtd.kill_guest(spec.name)

    def virsh(self, *arguments: str) -> str:
        virsh = shutil.which("virsh") or "virsh"
        done = subprocess.run(
            [virsh, "--connect", self._libvirtd.uri, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout


class Bell:
    """A watcher that a test can wait for."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self.rings = 0

    def ring(self) -> None:
        with self._condition:
            self.rings += 1
            self._condition.notify_all()

    def wait_until(self, true: Callable[[], bool], *, seconds: float = 30) -> None:
        """Looks once, then again at each ring; fails when the time is up."""
        end = time.monotonic() + seconds
        heard = self.rings
        while not true():
            heard = self._next_ring(heard, end - time.monotonic())

    def _next_ring(self, after: int, seconds: float) -> int:
        with self._condition:
            assert self._condition.wait_for(lambda: self.rings > after, max(seconds, 0)), "nothing rings"
            return self.rings


def wait_for_line(log: Path, line: str, *, seconds: float = 60) -> None:
    """Until a guest has written `line`: a file that another process writes can only be looked at again."""
    end = time.monotonic() + seconds
    while not (log.exists() and line in log.read_text(errors="replace")):
        assert time.monotonic() < end, f"no {line!r} in {log}"
        time.sleep(0.02)
