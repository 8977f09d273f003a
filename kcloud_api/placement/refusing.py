"""Says why a host's tree cannot serve a request: the first reason that an operator could act on. Pure."""

from kcloud_api.placement.candidates import Refusal
from kcloud_api.placement.capacity import misfit
from kcloud_api.placement.ground import has_traits
from kcloud_api.placement.request import HOST_DOWN, HOST_NOT_READY, UNSUFFIXED, Group, ResourceRequest
from kcloud_api.placement.slots import Slot, plan
from kcloud_api.placement.tree import Provider, Tree

ROOT_CODES = {HOST_DOWN: "host_down", HOST_NOT_READY: "host_not_ready"}
"""Forbidden traits of a root provider that have a reason of their own; the first one present counts."""


def refuse(tree: Tree, request: ResourceRequest) -> Refusal:
    """For a tree that has no candidate. Codes: `host_down`, `host_not_ready`, `trait_missing`,
    `trait_forbidden`, `resource_class_short` (free < needed), `not_in_one_provider` (enough in all, but no
    single provider has it), `below_min_unit`, `above_max_unit`, `not_step_size`, `groups_do_not_fit`."""
    root = _root_refusal(tree, request)
    if root is not None:
        return root
    for check in (_class_refusal, _joint_refusal, _trait_refusal):
        refusal = check(tree, request)
        if refusal is not None:
            return refusal
    return _refusal(tree, "groups_do_not_fit")


def _refusal(tree: Tree, code: str, *, trait: str = "") -> Refusal:
    return Refusal(tree.root.id, tree.root.name, code, trait=trait)


def _root_refusal(tree: Tree, request: ResourceRequest) -> Refusal | None:
    present = request.root_forbidden & tree.root.traits
    for trait, code in ROOT_CODES.items():
        if trait in present:
            return _refusal(tree, code, trait=trait)
    if present:
        return _refusal(tree, "trait_forbidden", trait=min(present))
    missing = request.root_required - tree.root.traits
    return _refusal(tree, "trait_missing", trait=min(missing)) if missing else None


def _class_refusal(tree: Tree, request: ResourceRequest) -> Refusal | None:
    """A class of which no provider has enough, whatever its traits. The scarcest class speaks first."""
    found: list[Refusal] = []
    for name, amount in sorted({pair for slot in plan(request).slots for pair in slot.amounts}):
        code = _shortage(tree.providers, name, amount)
        if code is not None:
            found.append(_shortage_refusal(tree, code, name, amount))
    return min(found, key=_scarcity, default=None)


def _joint_refusal(tree: Tree, request: ResourceRequest) -> Refusal | None:
    """Each group would fit alone, but together they need more than there is."""
    for name, needed in sorted(request.totals().items()):
        if tree.free(name) < needed:
            return _shortage_refusal(tree, "resource_class_short", name, needed)
    return None


def _trait_refusal(tree: Tree, request: ResourceRequest) -> Refusal | None:
    for slot in plan(request).slots:
        suitable = tuple(p for p in tree.providers if _suits(p, slot))
        for name, amount in slot.amounts:
            if _shortage(suitable, name, amount) is None:
                continue
            wanting = tuple(p for p in tree.providers if name in p.stocks)
            if any(name in p.stocks for p in suitable):
                return _shortage_refusal(
                    Tree((tree.root, *(p for p in suitable if p is not tree.root))),
                    "resource_class_short", name, amount,
                )  # fmt: skip
            return _wrong_traits(tree, wanting, slot.group)
    held = frozenset().union(*(p.traits for p in tree.providers))
    unsuffixed = request.groups.get(UNSUFFIXED)
    missing = sorted(min(one) for one in unsuffixed.required if one.isdisjoint(held)) if unsuffixed else []
    return _refusal(tree, "trait_missing", trait=missing[0]) if missing else None


def _suits(provider: Provider, slot: Slot) -> bool:
    """By its traits alone."""
    if not slot.group.forbidden.isdisjoint(provider.traits):
        return False
    return slot.suffix == UNSUFFIXED or has_traits(provider.traits, slot.group.required)


def _wrong_traits(tree: Tree, providers: tuple[Provider, ...], group: Group) -> Refusal:
    """Name a trait that no provider has, or that one should not have."""
    lacking = [one for one in group.required if all(one.isdisjoint(p.traits) for p in providers)]
    if not lacking:
        lacking = [one for one in group.required if any(one.isdisjoint(p.traits) for p in providers)]
    if lacking:
        return _refusal(tree, "trait_missing", trait=min(min(one) for one in lacking))
    present = sorted({trait for p in providers for trait in group.forbidden & p.traits})
    return _refusal(tree, "trait_forbidden", trait=present[0] if present else "")


def _shortage(providers: tuple[Provider, ...], resource_class: str, amount: int) -> str | None:
    """None when one provider can give the amount; else the reason of the one that came nearest."""
    stocks = [p.stocks[resource_class] for p in providers if resource_class in p.stocks]
    codes = {misfit(stock, amount) for stock in stocks}
    if None in codes:
        return None
    for code in ("below_min_unit", "above_max_unit", "not_step_size"):
        if code in codes:
            return code
    if sum(max(0, stock.free) for stock in stocks) >= amount:
        return "not_in_one_provider"
    return "resource_class_short"


def _shortage_refusal(tree: Tree, code: str, resource_class: str, needed: int) -> Refusal:
    total = sum(
        max(0, p.stocks[resource_class].capacity) for p in tree.providers if resource_class in p.stocks
    )
    free = tree.free(resource_class)
    return Refusal(tree.root.id, tree.root.name, code, resource_class, needed, free, total)


def _scarcity(refusal: Refusal) -> tuple[float, str]:
    """A class of which there is little of what is needed comes before one that is nearly enough."""
    return (refusal.free / refusal.needed if refusal.needed else 0.0, refusal.resource_class)
