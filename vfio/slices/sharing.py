"""Decides what time slicing a plan asks for, whether it can be had, and what share each slice is promised."""

from dataclasses import fields

from vfio.slices.model import Ability, Cut, Plan, Policy, Sharing

NONE = Sharing()


def of_cut(plan: Plan, cut: Cut) -> Sharing:
    """The cut's own words, and the card's where it has none."""
    card, own = plan.sharing or NONE, cut.sharing or NONE
    merged = {
        field.name: getattr(card if getattr(own, field.name) is None else own, field.name)
        for field in fields(Sharing)
    }
    return Sharing(**merged)


def wanted(plan: Plan) -> bool:
    return any(of_cut(plan, cut) != NONE for cut in plan.cuts)


def of_card(plan: Plan) -> Sharing | None:
    """What all slices of the card shall have; None when they differ or nothing is asked for."""
    each = {of_cut(plan, cut) for cut in plan.cuts}
    return each.pop() if len(each) == 1 and each != {NONE} else None


def unshared(plan: Plan, what: str) -> str:
    """The refusal of a back end that has no time slicing, if the plan asks for some."""
    return f"{what}: there is no time slicing to set" if wanted(plan) else ""


def refused_by_scheduler(plan: Plan, abilities: dict[str, Ability]) -> str:
    """Why the card's one scheduler can't do what the plan asks for. `abilities`, by type, say what it can."""
    if not wanted(plan):
        return ""
    sharing = of_card(plan)
    if sharing is None:
        return "its driver has one scheduler for all slices of the card: say the same sharing for each cut"
    if sharing.weight is not None or sharing.preempt_timeout_us is not None:
        return "its driver's scheduler knows no weights and no preemption timeout"
    if sharing.policy is None and sharing.quantum_us is not None:
        return "a quantum needs a policy: its driver sets both at once"
    if sharing.policy is Policy.FIXED and len(plan.cuts) > 1:
        return "slices of different types cannot have fixed shares: their driver refuses it"
    for cut in plan.cuts:
        ability = abilities.get(cut.type)
        if ability is not None and sharing.policy not in ability.policies:
            can = ", ".join(ability.policies) or "none"
            return f"policy {sharing.policy} is not to be had for type {cut.type} here (to be had: {can})"
    return ""


def share(plan: Plan, cut: Cut, most: int) -> int:
    """In thousandths, where slices take turns. Fixed: one part for each slice that could be; else one part
    for each slice that is, which is what each gets when all are busy, whatever memory it has."""
    slices = plan.count
    if of_cut(plan, cut).policy is Policy.FIXED:
        slices = max(most, slices)
    return 1000 // max(slices, 1)
