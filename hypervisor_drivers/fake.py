"""A hypervisor without machines: the verbs and refusals of the real one, guests that boot at once.

It ships because it is how kcloud is developed, demonstrated and tested where no hypervisor is. Like the
real one it starts a guest only when its disks, its network and its devices are there. The methods below
"the fake's own" play the guest, the host and bad luck.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from hypervisor_drivers.driver import DriverError
from hypervisor_drivers.fake_refusals import check_definable, check_network, check_startable, existing
from hypervisor_drivers.fake_store import FakeDomain, FakeState, FolderStore, MemoryStore, Store
from hypervisor_drivers.spec import Capabilities, DomainSeen, DomainSpec, DomainState, NetworkSpec

SIXTEEN_CORES = Capabilities(
    hypervisor_type="fake", version="1.0", virt_type="qemu", arch="x86_64", vcpus=16, memory_mib=65536
)


def open_driver(uri: str = "fake:", virt_type: str = "auto") -> "FakeDriver":
    """`fake:` forgets when closed; `fake:///some/folder` keeps its domains there."""
    folder = urlsplit(uri).path
    capabilities = SIXTEEN_CORES if virt_type == "auto" else replace(SIXTEEN_CORES, virt_type=virt_type)
    return FakeDriver(Path(folder) if folder else None, capabilities=capabilities)


class FakeDriver:
    """Implements `hypervisor_drivers.driver.Driver`. Thread-safe."""

    def __init__(self, folder: Path | None = None, *, capabilities: Capabilities = SIXTEEN_CORES) -> None:
        self._store: Store = FolderStore(folder) if folder else MemoryStore()
        self._capabilities = capabilities
        self._lock = threading.RLock()
        self._watchers: list[Callable[[], None]] = []
        self._failures: dict[str, deque[DriverError]] = defaultdict(deque)
        self._connected = True
        self.calls: deque[tuple[str, UUID | None]] = deque(maxlen=1000)
        """The verbs last asked for, refused ones too, in order."""

    # --- the verbs -----------------------------------------------------------------------------------

    def capabilities(self) -> Capabilities:
        with self._verb("capabilities"):
            return self._capabilities

    def domains(self) -> Mapping[UUID, DomainSeen]:
        with self._verb("domains") as state:
            return {uuid: _seen(domain) for uuid, domain in state.domains.items()}

    def define(self, spec: DomainSpec) -> None:
        with self._verb("define", spec.uuid) as state:
            check_definable(state, spec)
            known = state.domains.get(spec.uuid)
            state.domains[spec.uuid] = replace(known, spec=spec) if known else FakeDomain(spec)

    def start(self, uuid: UUID) -> None:
        with self._verb("start", uuid) as state:
            domain = existing(state, uuid)
            if domain.live is not None:
                return
            check_startable(state, domain.spec)
            state.domains[uuid] = _boot(domain)
        self._announce()

    def stop(self, uuid: UUID, *, grace_seconds: float) -> None:
        with self._verb("stop", uuid) as state:
            domain = state.domains.get(uuid)
            if domain is None or domain.live is None:
                return
            state.domains[uuid] = replace(domain, state=DomainState.SHUTOFF, live=None)
        self._announce()

    def reboot(self, uuid: UUID) -> None:
        with self._verb("reboot", uuid) as state:
            domain = existing(state, uuid)
            if domain.live is None:
                check_startable(state, domain.spec)
            state.domains[uuid] = _boot(domain)
        self._announce()

    def undefine(self, uuid: UUID) -> None:
        with self._verb("undefine", uuid) as state:
            if state.domains.pop(uuid, None) is None:
                return
        self._announce()

    def addresses(self, uuid: UUID) -> tuple[str, ...]:
        with self._verb("addresses", uuid) as state:
            domain = state.domains.get(uuid)
            if domain is None or domain.boots == 0:
                return ()
            nics = [nic for nic in (domain.live or domain.spec).nics if nic.network in state.networks]
            return tuple(_lease(state.networks[nic.network], nic.mac) for nic in nics)

    def ensure_network(self, spec: NetworkSpec) -> None:
        with self._verb("ensure_network") as state:
            check_network(state, spec)
            state.networks[spec.name] = spec

    def watch(self, changed: Callable[[], None]) -> None:
        with self._lock:
            self._watchers.append(changed)

    def close(self) -> None:
        with self._lock:
            self._watchers.clear()
            self._connected = False

    # --- the fake's own ------------------------------------------------------------------------------

    def fail(self, verb: str, error: DriverError, *, times: int = 1) -> None:
        """The next `times` calls of `verb` raise `error` and change nothing."""
        with self._lock:
            self._failures[verb].extend([error] * times)

    def shut_down_from_inside(self, uuid: UUID) -> None:
        """The guest powers itself off."""
        self._end(uuid, DomainState.SHUTOFF)

    def crash(self, uuid: UUID) -> None:
        """The guest's emulator dies."""
        self._end(uuid, DomainState.CRASHED)

    def reboot_host(self) -> None:
        """What a host finds after a power cut: every domain defined, none running."""
        with self._lock:
            state = self._store.load()
            for uuid, domain in state.domains.items():
                state.domains[uuid] = replace(domain, state=DomainState.SHUTOFF, live=None)
            self._store.save(state)
        self._announce()

    def lose_connection(self) -> None:
        """Until `find_connection`, every verb raises DriverError."""
        with self._lock:
            self._connected = False
        self._announce()

    def find_connection(self) -> None:
        with self._lock:
            self._connected = True
        self._announce()

    def _end(self, uuid: UUID, state_after: DomainState) -> None:
        with self._lock:
            state = self._store.load()
            domain = existing(state, uuid)
            state.domains[uuid] = replace(domain, state=state_after, live=None)
            self._store.save(state)
        self._announce()

    @contextmanager
    def _verb(self, name: str, uuid: UUID | None = None) -> Iterator[FakeState]:
        """One verb: alone, on the saved state; saved again only when nothing was raised."""
        with self._lock:
            self.calls.append((name, uuid))
            if not self._connected:
                raise DriverError("the fake hypervisor does not answer")
            if self._failures[name]:
                raise self._failures[name].popleft()
            before = self._store.load()
            state = FakeState(dict(before.domains), dict(before.networks))
            yield state
            if state != before:
                self._store.save(state)

    def _announce(self) -> None:
        with self._lock:
            watchers = tuple(self._watchers)
        for changed in watchers:
            changed()


def _boot(domain: FakeDomain) -> FakeDomain:
    """Run it, and let the guest write what a guest writes on its way up."""
    spec = domain.live or domain.spec
    lines = [f"[    0.000000] fake guest {spec.uuid}, boot {domain.boots + 1}"]
    lines += [f"[    0.000001] disk {disk.path} ({disk.format}, {disk.device})" for disk in spec.disks]
    lines += [f"[    0.000002] nic {nic.mac} on {nic.network}" for nic in spec.nics]
    lines.append("hostdevs: " + (" ".join(hostdev.address for hostdev in spec.hostdevs) or "none"))
    lines += [f"mdev: {mdev.uuid}" for mdev in spec.mdevs]
    lines.append("GUEST-READY")
    try:
        with Path(spec.console_log).open("a", encoding="utf-8") as console:
            console.write("\n".join(lines) + "\n")
    except OSError as error:
        raise DriverError(f"cannot write the console log {spec.console_log}: {error.strerror}") from error
    return replace(domain, state=DomainState.RUNNING, live=spec, boots=domain.boots + 1)


def _seen(domain: FakeDomain) -> DomainSeen:
    hardware = domain.live or domain.spec
    return DomainSeen(
        uuid=domain.spec.uuid,
        name=domain.spec.name,
        state=domain.state,
        metadata=domain.spec.metadata,
        hostdevs=tuple(hostdev.address for hostdev in hardware.hostdevs),
        macs=tuple(nic.mac for nic in hardware.nics),
        mdevs=tuple(mdev.uuid for mdev in hardware.mdevs),
    )


def _lease(network: NetworkSpec, mac: str) -> str:
    """The same address for the same MAC, inside the network's DHCP range."""
    subnet = IPv4Network(network.cidr)
    room = subnet.num_addresses - 3
    return str(subnet[2 + int(mac.replace(":", ""), 16) % room])
