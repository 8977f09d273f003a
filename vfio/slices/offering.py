"""Decides which cards a host can hand out whole, and says of each other one why it can't. Pure.

Which cards there are decides `cards`; a layout may still cut one that is refused here.
"""

from collections.abc import Iterable, Mapping, Sequence

from vfio.catalogue import Catalogue
from vfio.device import Snapshot
from vfio.groups import judge
from vfio.offer import Offer, OfferResult, Refusal
from vfio.rules import OfferRule
from vfio.slices.cards import cards
from vfio.slices.model import Card


def offers(
    snapshot: Snapshot,
    rules: Sequence[OfferRule],
    used: Mapping[str, str],
    *,
    catalogue: Catalogue | None = None,
) -> OfferResult:
    """No rules means: known accelerators. The first rule that fits a device names it. Which driver a device
    is on does not matter: one that we have bound already stays an offer. `used`: by the host itself."""
    found = cards(snapshot, rules, catalogue)
    made = tuple(
        _offer(card, card.device.iommu_group)
        for card in found
        if card.device.iommu_group is not None and refusal(card, snapshot, used) is None
    )
    return OfferResult(made, refusals(found, rules, snapshot, used))


def refusals(
    found: Iterable[Card], rules: Sequence[OfferRule], snapshot: Snapshot, used: Mapping[str, str]
) -> tuple[Refusal, ...]:
    """Of what rules name. `found`: the cards that there are by these rules."""
    idle = (_idle(rule, snapshot) for rule in rules)
    of_cards = (refusal(card, snapshot, used) for card in found)
    return tuple(each for each in (*idle, *of_cards) if each is not None)


def refusal(card: Card, snapshot: Snapshot, used: Mapping[str, str]) -> Refusal | None:
    """Why it can't be given away whole, with all that is in its group and the way out."""
    group, ours = card.device.iommu_group, (card.address, *card.others)
    if group is None:
        return _no_group(card, used)
    verdict = judge(snapshot, group, set(ours), used)
    if not verdict.viable:
        return Refusal(verdict.blockers[0].code, ours, verdict.reason)
    if len(card.classes) > 1:
        return Refusal(
            "mixed_classes",
            ours,
            f"IOMMU group {group} ({', '.join(verdict.members)}) is given away whole, but its devices are of "
            f"different resource classes ({', '.join(card.classes)}). Way out: rules that give them one "
            f"class, such as address:{card.address}={card.classes[0]}.",
        )
    return None


def _offer(card: Card, group: int) -> Offer:
    device = card.device
    return Offer(
        name=card.name,
        addresses=card.functions,
        vendor_id=f"{device.vendor:04x}",
        product_id=f"{device.product:04x}",
        model=card.model,
        resource_class=card.resource_class,
        traits=card.traits,
        numa_node=device.numa_node,
        pci_path=device.pci_path,
        iommu_group=group,
        link=card.link,
        kind=card.kind,
        memory_mib=card.memory_mib,
    )


def _idle(rule: OfferRule, snapshot: Snapshot) -> Refusal | None:
    """Why a rule for one address offers nothing; None where it may."""
    if rule.address is None:
        return None
    device = snapshot.devices.get(rule.address)
    if device is None:
        reason = (
            f"rule {rule}: there is no such PCI device on this host. Way out: correct the rule or seat the "
            "card."
        )
        return Refusal("no_such_device", (rule.address,), reason)
    if device.physfn in snapshot.devices:
        reason = (
            f"rule {rule}: {device.described} is a virtual function, and its card is on this host too. Way "
            f"out: a rule for its card, address:{device.physfn}, and a layout that cuts it."
        )
        return Refusal("virtual_function", (rule.address,), reason)
    return None


def _no_group(card: Card, used: Mapping[str, str]) -> Refusal:
    if why := used.get(card.address):
        return Refusal("in_use", (card.address,), f"{card.device.described} is in use by the host ({why}).")
    return Refusal(
        "no_iommu_group",
        (card.address,),
        f"{card.device.described} has no IOMMU group. Way out: switch the IOMMU on in the firmware (VT-d, "
        "AMD-Vi) and boot with intel_iommu=on or amd_iommu=on.",
    )
