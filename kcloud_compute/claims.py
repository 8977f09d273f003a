"""Decides which claim holds which device, and which claims are to end. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from hypervisor_drivers.spec import DomainSeen
from kcloud_common.wire import ClaimWant, Presence, ServerWant
from kcloud_compute.actions import ReleaseDevice
from kcloud_compute.observed import Held, Observed


@dataclass(frozen=True, slots=True)
class Ending:
    """A claim to release; `addresses` only where its journal entry must be mended first."""

    id: UUID
    addresses: tuple[str, ...] = ()


def may_have(claim: ClaimWant, observed: Observed) -> bool:
    """Only what the operator's rules offer, under its own name, or what this claim holds already."""
    allowed = {*observed.offered.get(claim.device, ()), *observed.claims.get(claim.id, Held()).addresses}
    return bool(claim.addresses) and allowed.issuperset(claim.addresses)


def is_ready(claim: ClaimWant, observed: Observed) -> bool:
    held = observed.claims.get(claim.id, Held())
    return held.ready and set(held.addresses) == set(claim.addresses)


def has_other_devices(domain: DomainSeen, want: ServerWant) -> bool:
    return set(domain.hostdevs) != {address for claim in want.claims for address in claim.addresses}


class Holders:
    """Who holds which address: a claim (by the journal, or by a plan of this turn) or a domain."""

    def __init__(self, observed: Observed) -> None:
        self._claims = {
            address: claim for claim, held in sorted(observed.claims.items()) for address in held.addresses
        }
        self._domains = {
            address: id for id, seen in sorted(observed.domains.items()) for address in seen.hostdevs
        }

    def contested(self, want: ServerWant) -> str | None:
        """An address of this server's that somebody else has, or that it wants twice."""
        wanted: set[str] = set()
        for claim in want.claims:
            for address in claim.addresses:
                claimed_by = self._claims.get(address, claim.id)
                used_by = self._domains.get(address, want.id)
                if claimed_by != claim.id or used_by != want.id or address in wanted:
                    return address
                wanted.add(address)
        return None

    def take(self, want: ServerWant) -> None:
        self._claims |= {address: claim.id for claim in want.claims for address in claim.addresses}


def claims_to_release(
    want: ServerWant, wants: Mapping[UUID, ServerWant], observed: Observed
) -> tuple[Ending, ...]:
    """Journalled claims of a server that is to go. Its want may no longer name them: its domain and its
    record do. A claim that another server is entitled to, or whose device another domain has, stays."""
    domain, folder = observed.domains.get(want.id), observed.folders.get(want.id)
    known = {claim.id for claim in want.claims}
    known |= set(domain.metadata.claims) if domain else set()
    known |= set(folder.record.claims) if folder and folder.record else set()
    for other in wants.values():
        if other.id != want.id and other.presence is Presence.PRESENT:
            known -= {claim.id for claim in other.claims}
    in_use = _addresses_in_use(observed, but=want.id)
    addresses = {claim.id: claim.addresses for claim in want.claims}
    return tuple(
        Ending(claim, addresses.get(claim, ()) if observed.claims[claim].damaged else ())
        for claim in sorted(known)
        if claim in observed.claims and not in_use.intersection(observed.claims[claim].addresses)
    )


def orphans(wants: Mapping[UUID, ServerWant], observed: Observed) -> tuple[ReleaseDevice, ...]:
    """Claims in the journal that no want, no domain and no record knows, and whose device no domain has."""
    known = {claim.id for want in wants.values() for claim in want.claims}
    for seen in observed.domains.values():
        known.update(seen.metadata.claims)
    for folder in observed.folders.values():
        known.update(folder.record.claims if folder.record else ())
    in_use = _addresses_in_use(observed)
    return tuple(
        ReleaseDevice(claim, claim)
        for claim, held in sorted(observed.claims.items())
        if claim not in known and not held.damaged and not in_use.intersection(held.addresses)
    )


def _addresses_in_use(observed: Observed, but: UUID | None = None) -> set[str]:
    return {address for id, seen in observed.domains.items() if id != but for address in seen.hostdevs}
