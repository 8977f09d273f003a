"""Tells devices of all kinds apart: by PCI addresses, or by a mediated device's uuid. Pure."""

from uuid import UUID

from hypervisor_drivers.spec import DomainSeen
from kcloud_common.wire import ClaimWant
from vfio.slices.model import Slice


def marks(each: Slice) -> frozenset[str]:
    return device_marks(each.addresses, each.mdev)


def claim_marks(claim: ClaimWant) -> frozenset[str]:
    return device_marks(claim.addresses, claim.mdev)


def domain_marks(domain: DomainSeen) -> frozenset[str]:
    """Of everything that the domain holds of its host."""
    return frozenset(domain.hostdevs).union(*(device_marks((), uuid) for uuid in domain.mdevs))


def device_marks(addresses: tuple[str, ...], mdev: UUID | None) -> frozenset[str]:
    return frozenset(addresses) | (frozenset({f"mdev {mdev}"}) if mdev else frozenset())
