"""Between the words of the agent's contract and those of vfio: layouts, sharing, abilities. Pure."""

from collections.abc import Iterable

from kcloud_common.wire import Ability as AbilityReport
from kcloud_common.wire import CutWant, LayoutWant, SharingPolicy, SliceKind
from kcloud_common.wire import Sharing as SharingWant
from vfio.slices.model import Ability, Card, CardLayout, Cut, Kind, Plan, Policy, Sharing, Slice
from vfio.slices.plans import plan_refusal


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


def abilities_report(
    card: Card, abilities: Iterable[Ability], slices: Iterable[Slice]
) -> tuple[AbilityReport, ...]:
    """Of the card when it is empty: what stands on it of its layout is no reason against another one; what
    shares its group is one. `slices`: of the host."""
    is_cut = any(each.card == card.name and each.kind is not Kind.WHOLE for each in slices)
    return tuple(_of_empty(card, ability_report(ability), is_cut) for ability in abilities)


def _of_empty(card: Card, told: AbilityReport, is_cut: bool) -> AbilityReport:
    if told.kind is SliceKind.WHOLE:
        return told.model_copy(update={"refused": ""}) if is_cut else told
    # A type that is named later, for what is asked is whether the card can be cut at all.
    plan = Plan((Cut(Kind(told.kind), told.type or "later"),))
    return told.model_copy(update={"refused": told.refused or plan_refusal(card, plan)})


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
