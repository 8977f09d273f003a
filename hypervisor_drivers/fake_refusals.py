"""Says what the fake hypervisor refuses, as a real one does: by its state, and when a disk is not there.

DriverRefused for what it will not do however often it is asked, DriverError for the rest.
"""

from ipaddress import IPv4Network
from pathlib import Path
from uuid import UUID

from hypervisor_drivers.driver import DriverError, DriverRefused
from hypervisor_drivers.fake_store import FakeDomain, FakeState
from hypervisor_drivers.spec import DomainSpec, NetworkSpec


def existing(state: FakeState, uuid: UUID) -> FakeDomain:
    try:
        return state.domains[uuid]
    except KeyError:
        raise DriverError(f"no domain with uuid {uuid}") from None


def check_definable(state: FakeState, spec: DomainSpec) -> None:
    if spec.virt_type not in ("kvm", "qemu"):
        raise DriverRefused(f"domain {spec.name}: no such virtualisation type {spec.virt_type!r}")
    for uuid, other in state.domains.items():
        if other.spec.name == spec.name and uuid != spec.uuid:
            raise DriverRefused(f"domain {spec.name!r} already exists with uuid {uuid}")


def check_startable(state: FakeState, spec: DomainSpec) -> None:
    for disk in spec.disks:
        if not Path(disk.path).exists():
            raise DriverError(f"cannot access storage file {str(disk.path)!r}")
    for nic in spec.nics:
        if nic.network not in state.networks:
            raise DriverError(f"network {nic.network!r} not found")
    wanted = _devices(spec)
    for other in state.domains.values():
        held = _devices(other.live) if other.live else set()
        if wanted & held:
            raise DriverError(f"device {min(wanted & held)} is in use by domain {other.spec.name}")


def _devices(spec: DomainSpec) -> set[str]:
    return {hostdev.address for hostdev in spec.hostdevs} | {f"mdev {mdev.uuid}" for mdev in spec.mdevs}


def check_network(state: FakeState, spec: NetworkSpec) -> None:
    for other in state.networks.values():
        if other.name != spec.name and IPv4Network(other.cidr).overlaps(IPv4Network(spec.cidr)):
            raise DriverRefused(f"network {spec.name}: {spec.cidr} is in use by network {other.name}")
    running = [domain.live for domain in state.domains.values() if domain.live]
    used = any(nic.network == spec.name for live in running for nic in live.nics)
    old = state.networks.get(spec.name, spec)
    if used and old != spec:
        raise DriverRefused(f"network {spec.name} has cidr {old.cidr}, not {spec.cidr}, and guests use it")
