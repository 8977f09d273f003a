"""Decides what no card can be cut into, whatever its kernel says. Pure."""

from vfio.slices.model import Card, Kind, Plan

TYPED = frozenset({Kind.MDEV, Kind.VENDOR_VF})
"""Kinds whose cuts name a type."""


def plan_refusal(card: Card, plan: Plan) -> str:
    """Empty when the plan makes sense for some card like this."""
    if len(plan.kinds) > 1:
        kinds = " and ".join(sorted(plan.kinds))
        return f"a card is cut in one way at a time, and {kinds} are two: keep one of them"
    if any(cut.count < 1 for cut in plan.cuts):
        return "it has a cut of no slices: leave that out"
    if Kind.WHOLE in plan.kinds:
        return ""
    if card.others:
        others = ", ".join(card.others)
        return (
            f"it shares its IOMMU group with {others}, and both go to one guest: such a card is whole. Way "
            "out: enable ACS in the firmware, or move one card to another slot"
        )
    types = [cut.type for cut in plan.cuts if cut.kind in TYPED]
    if "" in types:
        kind = plan.cuts[types.index("")].kind
        return f"its cut of kind {kind} names no type: `kcloud card show` lists those that its driver has"
    if len(set(types)) != len(types):
        return "one type stands in two cuts: say its count in one of them"
    return ""
