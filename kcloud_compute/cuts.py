"""Between the words of the agent's contract and those of vfio: layouts, sharing, abilities. Pure."""

from kcloud_common.wire import Ability as AbilityReport
from kcloud_common.wire import CutWant, LayoutWant, SharingPolicy, SliceKind
from kcloud_common.wire import Sharing as SharingWant
from vfio.slices.model import Ability, CardLayout, Cut, Kind, Policy, Sharing


def card_layouts(want: LayoutWant | None) -> tuple[CardLayout, ...]:
    """None, as well as an empty one: all cards are whole."""
    if want is None:
        return ()
    return tuple(
        CardLayout(card.match, tuple(_cut(cut) for cut in card.cuts), _sharing(card.sharing))
        for card in want.cards
    )


def sharing_report(sharing: Sharing | None) -> SharingWant | None:
    if sharing is None:
        return None
    return SharingWant(
        policy=SharingPolicy(sharing.policy) if sharing.policy else None,
        quantum_us=sharing.quantum_us,
        preempt_timeout_us=sharing.preempt_timeout_us,
        weight=sharing.weight,
    )


def ability_report(ability: Ability) -> AbilityReport:
    return AbilityReport(
        kind=SliceKind(ability.kind),
        type=ability.type,
        name=ability.name,
        most=ability.most,
        memory_mib=ability.memory_mib,
        policies=tuple(SharingPolicy(policy) for policy in ability.policies),
        quantum=ability.quantum,
        refused=ability.refused,
    )


def _cut(cut: CutWant) -> Cut:
    return Cut(
        kind=Kind(cut.kind),
        type=cut.type,
        count=cut.count,
        resource_class=cut.resource_class,
        traits=cut.traits,
        memory_mib=cut.memory_mib,
        sharing=_sharing(cut.sharing),
    )


def _sharing(sharing: SharingWant | None) -> Sharing | None:
    if sharing is None:
        return None
    policy = Policy(sharing.policy) if sharing.policy else None
    return Sharing(policy, sharing.quantum_us, sharing.preempt_timeout_us, sharing.weight)
