"""Decides which claim holds which device, and which claims are to end. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from hypervisor_drivers.spec import DomainSeen
from kcloud_common.wire import ClaimWant, Presence, ServerWant
from kcloud_compute.actions import ReleaseDevice
from kcloud_compute.device_record import DeviceRecord
from kcloud_compute.marks import claim_marks, device_marks, domain_marks, marks
from kcloud_compute.observed import Held, Observed
from vfio.lifecycle import LEASED, State
from vfio.slices.model import Kind, Slice


@dataclass(frozen=True, slots=True)
class Ending:
    """A claim to release; with its want only where its journal entry must be mended first."""

    id: UUID
    device: str = ""
    generation: int = 0
    mend: ClaimWant | None = None


def may_have(claim: ClaimWant, observed: Observed) -> bool:
    """Only what the operator's rules and the layout offer, under its own name, or what this claim holds
    already."""
    offered = observed.offered.get(claim.device)
    held = observed.claims.get(claim.id, Held())
    allowed = (marks(offered) if offered else frozenset()) | device_marks(held.addresses, held.mdev)
    return bool(claim_marks(claim)) and allowed >= claim_marks(claim)


def out_of_use(claim: ClaimWant, observed: Observed) -> str:
    """The state that keeps the claim from its device for longer; empty for none. A lease that ends and a
    cleaning are waited for."""
    record = observed.devices.get(claim.device)
    kept = record is not None and record.state in (State.QUARANTINED, State.MAINTENANCE)
    return f"{claim.device} is {record.state}: {record.reason}" if record is not None and kept else ""


def is_held(claim: ClaimWant, observed: Observed) -> bool:
    """By another lease, or by the cleaning after one."""
    record = observed.devices.get(claim.device) or DeviceRecord(device=claim.device)
    mine = record.claim_id == claim.id and record.state in LEASED
    return record.state is not State.FREE and not mine


def is_stale(claim: ClaimWant, observed: Observed) -> bool:
    """A newer lease was seen on its device."""
    record = observed.devices.get(claim.device)
    return record is not None and claim.generation < record.generation


def may_come(claim: ClaimWant, observed: Observed) -> bool:
    """Whether a slice that cannot be had may be had soon: cards are being cut, or to be cut still, or nothing
    was read; or the host's reboot has undone the cut of its card, whose driver may be late."""
    offered = observed.offered.get(claim.device)
    if offered is not None:
        return offered.card in observed.cutting
    if not observed.scanned or observed.cutting or any(each.act for each in observed.decisions):
        return True
    record = observed.devices.get(claim.device)
    if record is None or record.claim_id != claim.id or record.state not in LEASED:
        return False
    unsettled = (each.card.name for each in observed.decisions if not each.settled)
    return record.card != claim.device and record.card in unsettled


def is_ready(claim: ClaimWant, observed: Observed) -> bool:
    """All that it names is prepared; more may be, where its group has another function since."""
    held = observed.claims.get(claim.id, Held())
    return held.ready and set(held.addresses) >= set(claim.addresses)


def has_other_devices(domain: DomainSeen, want: ServerWant) -> bool:
    return domain_marks(domain) != {mark for claim in want.claims for mark in claim_marks(claim)}


def slice_of(claim: ClaimWant, observed: Observed) -> Slice:
    """What is offered under that name. What is not offered (any more) is taken by the words of the claim."""
    bare = Slice(claim.device, Kind(claim.kind), claim.device, claim.addresses, "", mdev=claim.mdev)
    return observed.offered.get(claim.device, bare)


class Holders:
    """Who holds which device: a claim (by the journal, or by a plan of this turn) or a domain."""

    def __init__(self, observed: Observed) -> None:
        self._claims = {
            mark: claim
            for claim, held in sorted(observed.claims.items())
            for mark in _held_marks(held, observed)
        }
        self._domains = {
            mark: id for id, seen in sorted(observed.domains.items()) for mark in domain_marks(seen)
        }

    def contested(self, want: ServerWant) -> str | None:
        """A device of this server's that somebody else has, or that it wants twice."""
        wanted: set[str] = set()
        for claim in want.claims:
            for mark in sorted(claim_marks(claim)):
                claimed_by = self._claims.get(mark, claim.id)
                used_by = self._domains.get(mark, want.id)
                if claimed_by != claim.id or used_by != want.id or mark in wanted:
                    return mark
                wanted.add(mark)
        return None

    def take(self, want: ServerWant) -> None:
        self._claims |= {mark: claim.id for claim in want.claims for mark in claim_marks(claim)}


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
    in_use = _marks_in_use(observed, but=want.id)
    wanted = {claim.id: claim for claim in want.claims}
    endings = []
    for id in sorted(known & observed.claims.keys()):
        held, claim = observed.claims[id], wanted.get(id)
        if not in_use.intersection(_held_marks(held, observed)):
            device = held.device or (claim.device if claim else "")
            generation = claim.generation if claim else 0
            endings.append(Ending(id, device, generation, claim if held.damaged else None))
    return tuple(endings)


def orphans(wants: Mapping[UUID, ServerWant], observed: Observed) -> tuple[ReleaseDevice, ...]:
    """Claims in the journal that no want, no domain and no record knows, and whose device no domain has;
    damaged entries too."""
    known = {claim.id for want in wants.values() for claim in want.claims}
    for seen in observed.domains.values():
        known.update(seen.metadata.claims)
    for folder in observed.folders.values():
        known.update(folder.record.claims if folder.record else ())
    in_use = _marks_in_use(observed)
    return tuple(
        ReleaseDevice(claim, claim, held.device)
        for claim, held in sorted(observed.claims.items())
        if claim not in known and not in_use.intersection(_held_marks(held, observed))
    )


def _held_marks(held: Held, observed: Observed) -> frozenset[str]:
    offered = observed.offered.get(held.device)
    return device_marks(held.addresses, held.mdev) | (marks(offered) if offered else frozenset())


def _marks_in_use(observed: Observed, but: UUID | None = None) -> set[str]:
    return {mark for id, seen in observed.domains.items() if id != but for mark in domain_marks(seen)}
