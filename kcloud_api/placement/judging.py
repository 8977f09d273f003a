"""Says which constraints of a request one host does not meet, and how near it comes. Pure.

What a host fails is found group by group, each up to its first constraint that is not met; what all groups
ask for together is looked at only where each is served.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from kcloud_api.placement.constraints import ROOT_CODES, Constraint, Need, Plan, plan, trait_constraint
from kcloud_api.placement.offers import Failure, Offer, amount_failure, biggest, fitting, offers, suitable
from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.tree import Tree
from kcloud_api.placement.ways import ways

WEIGHTS: dict[str, int] = {
    "resource_class_short": 1, "trait_taken": 2, "group_apart": 2, "groups_do_not_fit": 2,
    "host_not_ready": 3, "host_down": 3,
    "not_in_one_provider": 4, "not_isolated": 4, "not_in_one_subtree": 4,
    "below_min_unit": 5, "above_max_unit": 5, "not_step_size": 5,
    "resource_class_too_small": 6, "root_trait_forbidden": 6, "trait_forbidden": 6,
    "root_trait_missing": 7, "trait_missing": 7, "aggregate_missing": 8, "aggregate_forbidden": 8,
    "classes_apart": 9, "resource_class_absent": 10, "not_in_tree": 100,
}  # fmt: skip
"""How far from serving a host is that fails this: what ends when somebody gives something back weighs least,
then what passes by itself, then what another shape of the request avoids, last what only other hardware
cures. A weight counts 1000; to an amount that is lacking its part is added, of 1000 for the whole."""


@dataclass(frozen=True, slots=True)
class NearestMiss:
    """A host that cannot serve. `removed_by` is the first constraint that it does not meet, `also` are those
    of other groups. `distance` is smaller for a host that is nearer to serving."""

    host_id: UUID
    host: str
    removed_by: Constraint
    has: tuple[int, ...]
    also: tuple[Constraint, ...]
    distance: int


def miss(tree: Tree, request: ResourceRequest) -> NearestMiss | None:
    """None for a host that has a candidate."""
    found = failures(tree, request)
    if not found:
        return None
    first, *others = found
    also = tuple(failure.constraint for failure in others)
    return NearestMiss(tree.root.id, tree.root.name, first.constraint, first.has, also, distance(found))


def distance(found: Sequence[Failure]) -> int:
    return sum(1000 * WEIGHTS[failure.constraint.code] + failure.lacking for failure in found)


def failures(tree: Tree, request: ResourceRequest) -> tuple[Failure, ...]:
    """The first of each group, in the order of constraints; empty for a host that has a candidate."""
    taken_apart = plan(request)
    if tree.sharing and next(ways(tree, request), None) is not None:
        # Of what is lent, another tree's root decides some conditions.
        return ()
    found = _single(tree, request, taken_apart)
    if not found:
        unmet = unmet_together(tree, request)
        return () if unmet is None else (Failure(unmet, _together(tree, request, unmet)),)
    return tuple(sorted(found, key=lambda failure: taken_apart.ranks[failure.constraint]))


def unmet_together(tree: Tree, request: ResourceRequest) -> Constraint | None:
    """Of a tree that meets every other constraint: which demand on all groups together it does not meet."""
    if next(ways(tree, request), None) is not None:
        return None
    joints = plan(request).joints
    unmet = (joint.constraint for joint in joints[:-1] if next(ways(tree, joint.relaxed), None) is None)
    # Each demands more than the one before; the last is the request itself.
    return next(unmet, joints[-1].constraint)


def _single(tree: Tree, request: ResourceRequest, taken_apart: Plan) -> list[Failure]:
    """What is asked of the host, and of each group for itself."""
    found = [*_root_failures(tree, request), *_tree_failures(tree, request)]
    offered = {is_spread: offers(tree, is_spread=is_spread) for is_spread in (True, False)}
    served: dict[Need, list[Offer]] = {}
    for need in taken_apart.needs:
        outcome = fitting(need, offered[need.is_spread])
        if isinstance(outcome, Failure):
            found.append(outcome)
        else:
            served[need] = outcome
    found += _collective_failures(taken_apart, offered[True], served)
    return found + _total_failures(taken_apart, offered[True], served)


def _root_failures(tree: Tree, request: ResourceRequest) -> Iterator[Failure]:
    traits = tree.root.traits
    for trait, code in ROOT_CODES.items():
        if trait in request.root_forbidden & traits:
            yield Failure(Constraint(code))
            break
    for trait in request.root_required - traits:
        yield Failure(Constraint("root_trait_missing", names=(trait,)))
    for trait in (request.root_forbidden & traits) - ROOT_CODES.keys():
        yield Failure(Constraint("root_trait_forbidden", names=(trait,)))


def _tree_failures(tree: Tree, request: ResourceRequest) -> Iterator[Failure]:
    members = {p.id for one in (tree, *tree.sharing) for p in one.providers}
    for suffix, group in request.groups.items():
        if group.in_tree is not None and group.in_tree not in members:
            yield Failure(Constraint("not_in_tree", (suffix,), names=(str(group.in_tree),)))


def _collective_failures(
    taken_apart: Plan, offered: Sequence[Offer], served: Mapping[Need, Sequence[Offer]]
) -> Iterator[Failure]:
    """Traits that the providers of the unsuffixed group are to have together."""
    spread = [need for need in taken_apart.needs if need.is_spread]
    for any_of in taken_apart.collective:
        reached = [offer for need in spread for offer in suitable(need, offered)]
        chosen = [offer for need in spread for offer in served.get(need, ())]
        if reached and not _any_has(reached, any_of):
            yield Failure(trait_constraint("trait_missing", any_of))
        elif served.keys() >= set(spread) and not _any_has(chosen, any_of):
            yield Failure(trait_constraint("trait_taken", any_of))


def _any_has(offered: Sequence[Offer], any_of: frozenset[str]) -> bool:
    return any(not any_of.isdisjoint(offer.provider.traits) for offer in offered)


def _total_failures(
    taken_apart: Plan, offered: Sequence[Offer], served: Mapping[Need, Sequence[Offer]]
) -> list[Failure]:
    whole = {suffix for need in taken_apart.needs for suffix in need.groups}
    whole -= {suffix for need in taken_apart.needs if need not in served for suffix in need.groups}
    found = []
    for name, amount, groups in taken_apart.totals:
        stocks = [offer.stock(name) for offer in offered if name in offer.provider.stocks]
        failure = amount_failure(stocks, Constraint("", groups, name, amount))
        if failure is not None and whole.issuperset(groups):
            found.append(failure)
    return found


def _together(tree: Tree, request: ResourceRequest, constraint: Constraint) -> tuple[int, ...]:
    """What a host has of what the groups ask for together: how many providers could serve one of them, or
    what is under each subtree."""
    offered = offers(tree, is_spread=False)
    able: dict[Need, list[Offer]] = {}
    for need in plan(request).needs:
        found = fitting(need, offered)
        if not isinstance(found, Failure) and set(need.groups) & set(constraint.groups):
            able[need] = found
    if constraint.code == "not_isolated":
        return (len({offer.provider.id for found in able.values() for offer in found}),)
    if constraint.code == "not_in_one_subtree" and constraint.resource_class:
        units = _units(able, constraint.resource_class, isolated=request.group_policy == "isolate")
        heads = {offer.provider.id for found in able.values() for offer in found}
        return biggest(_under_each(tree, heads, units))
    return ()


def _units(able: Mapping[Need, Sequence[Offer]], resource_class: str, *, isolated: bool) -> dict[UUID, int]:
    """How much of the class each provider could give to the groups; isolated, it serves one of them."""
    units: dict[UUID, int] = {}
    for need, found in able.items():
        for name, amount in need.amounts:
            if name != resource_class:
                continue
            for offer in found:
                stock = offer.stock(name)
                most = amount if isolated else min(stock.free, stock.max_unit)
                units[offer.provider.id] = max(most, units.get(offer.provider.id, 0))
    return units


def _under_each(tree: Tree, heads: Collection[UUID], units: Mapping[UUID, int]) -> list[int]:
    """The sum of units under each head that is under no other head."""
    topmost: dict[UUID, UUID | None] = {}
    sums: dict[UUID, int] = {}
    for provider in tree.providers:
        above = topmost.get(provider.parent_id) if provider.parent_id else None
        head = above or (provider.id if provider.id in heads else None)
        topmost[provider.id] = head
        if head is not None:
            sums[head] = sums.get(head, 0) + units.get(provider.id, 0)
    return list(sums.values())
