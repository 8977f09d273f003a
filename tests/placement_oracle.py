"""Answers a request for candidates by trying everything, as the Placement API's documentation has it.

It shares no code with what it judges but the vocabulary, and it makes no attempt to be quick. Beside it:
random forests and requests for property tests.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from random import Random
from typing import NamedTuple
from uuid import UUID

from hypothesis import strategies as st

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.request import Group, ResourceRequest, all_of
from kcloud_api.placement.tree import Provider, Tree, shares_with

SHARES = "MISC_SHARES_VIA_AGGREGATE"
TRAITS = ("CUSTOM_A", "CUSTOM_B")
CLASSES = ("VCPU", "PGPU", "CUSTOM_NPU")
AGGREGATES = (UUID(int=0xA), UUID(int=0xB))

Forest = tuple[Tree, ...]


class Answer(NamedTuple):
    """What a client sees of a candidate."""

    allocations: frozenset[tuple[UUID, str, int]]
    mappings: frozenset[tuple[str, frozenset[UUID]]]


def answer(allocations: Mapping[UUID, Mapping[str, int]], mappings: Mapping[str, list[UUID]]) -> Answer:
    return Answer(
        frozenset(
            (who, name, amount) for who, amounts in allocations.items() for name, amount in amounts.items()
        ),
        frozenset((suffix, frozenset(by)) for suffix, by in mappings.items()),
    )


def attached(forest: Forest) -> Forest:
    """Each tree with those that share with it, as tree.py describes it."""
    return tuple(
        Tree(
            tree.providers,
            tuple(
                other
                for other in forest
                if other is not tree and any(shares_with(p, tree.aggregates) for p in other.providers)
            ),
        )
        for tree in forest
    )


def brute_force(forest: Forest, request: ResourceRequest) -> set[Answer]:
    return {found for anchor in forest for found in _served_by(forest, anchor, request)}


def _served_by(forest: Forest, anchor: Tree, request: ResourceRequest) -> Iterator[Answer]:
    if not request.root_required <= anchor.root.traits or request.root_forbidden & anchor.root.traits:
        return
    tree_of = {p.id: tree for tree in forest for p in tree.providers}
    usable = [p for tree in forest for p in tree.providers if _is_usable(p, tree, anchor)]
    parts: list[tuple[str, Group]] = []
    for suffix, group in request.groups.items():
        if suffix:
            parts.append((suffix, group))
        else:
            parts += [("", Group({name: amount})) for name, amount in group.resources.items()]
    for choice in product(usable, repeat=len(parts)):
        chosen = [(suffix, part, provider) for (suffix, part), provider in zip(parts, choice, strict=True)]
        if all(_serves(s, part, p, anchor, tree_of, request) for s, part, p in chosen):
            found = _together(chosen, anchor, tree_of, request)
            if found is not None:
                yield found


def _is_usable(provider: Provider, tree: Tree, anchor: Tree) -> bool:
    """Of the tree itself, or sharing an aggregate with some provider of it and saying so."""
    theirs = frozenset().union(*(p.aggregates for p in anchor.providers))
    return tree is anchor or (SHARES in provider.traits and bool(provider.aggregates & theirs))


def _serves(
    suffix: str,
    part: Group,
    provider: Provider,
    anchor: Tree,
    tree_of: Mapping[UUID, Tree],
    request: ResourceRequest,
) -> bool:
    group = request.groups[suffix]
    if group.forbidden & provider.traits or not _has(provider, part):
        return False
    if suffix:
        return (
            all(any_of & provider.traits for any_of in group.required)
            and all(any_of & provider.aggregates for any_of in group.member_of)
            and not group.not_member_of & provider.aggregates
            and (group.in_tree is None or group.in_tree in {p.id for p in tree_of[provider.id].providers})
        )
    # The unsuffixed group: the aggregates of a root are its whole tree's, and a tree asked for stands alone.
    own = tree_of[provider.id] is anchor
    by_itself = all(any_of & provider.aggregates for any_of in group.member_of)
    by_root = own and all(any_of & anchor.root.aggregates for any_of in group.member_of)
    return (
        (by_itself or by_root)
        and not group.not_member_of & (provider.aggregates | anchor.root.aggregates)
        and (group.in_tree is None or (own and group.in_tree in {p.id for p in anchor.providers}))
    )


def _has(provider: Provider, part: Group) -> bool:
    for name, amount in part.resources.items():
        stock = provider.stocks.get(name)
        if stock is None or not stock.min_unit <= amount <= stock.max_unit or amount % stock.step_size:
            return False
        if stock.used + amount > (stock.total - stock.reserved) * stock.allocation_ratio:
            return False
    return True


def _together(
    chosen: list[tuple[str, Group, Provider]],
    anchor: Tree,
    tree_of: Mapping[UUID, Tree],
    request: ResourceRequest,
) -> Answer | None:
    taken: dict[UUID, dict[str, int]] = {}
    mappings: dict[str, list[UUID]] = {}
    held: set[str] = set()
    for suffix, part, provider in chosen:
        mappings.setdefault(suffix, []).append(provider.id)
        for name, amount in part.resources.items():
            amounts = taken.setdefault(provider.id, {})
            amounts[name] = amounts.get(name, 0) + amount
        if not suffix:
            held |= provider.traits
    granular = [provider.id for suffix, _, provider in chosen if suffix]
    subtrees = [
        {provider.id for suffix, _, provider in chosen if suffix in suffixes}
        for suffixes in request.same_subtrees
    ]
    good = (
        ("" not in request.groups or all(any_of & held for any_of in request.groups[""].required))
        and _fits({provider.id: provider for _, _, provider in chosen}, taken)
        and (request.group_policy == "none" or len(set(granular)) == len(granular))
        and all(_is_subtree(ids, tree_of) for ids in subtrees)
        and (not request.flat or len({tree_of[who].root.id for who in taken}) == len(taken))
    )
    return answer(taken, mappings) if good else None


def _fits(by_id: Mapping[UUID, Provider], taken: Mapping[UUID, Mapping[str, int]]) -> bool:
    """What the groups take together."""
    pairs = (
        (by_id[who].stocks[name], amount)
        for who, amounts in taken.items()
        for name, amount in amounts.items()
    )
    return all(amount <= stock.max_unit and stock.used + amount <= stock.capacity for stock, amount in pairs)


def _is_subtree(ids: set[UUID], tree_of: Mapping[UUID, Tree]) -> bool:
    """One of them is at the top of all."""
    return any(all(top in _up_from(each, tree_of) for each in ids) for top in ids)


def _up_from(provider_id: UUID, tree_of: Mapping[UUID, Tree]) -> set[UUID]:
    parents = {p.id: p.parent_id for p in tree_of[provider_id].providers}
    found = {provider_id}
    while (above := parents[provider_id]) is not None:
        found.add(above)
        provider_id = above
    return found


class Dice(Random):
    """`harsh`: how often a condition is made that may leave nothing."""

    harsh = 0.0

    def hard(self) -> bool:
        return self.random() < self.harsh

    def some(self, *names: str) -> frozenset[str]:
        return frozenset(name for name in names if self.hard())


def random_stock(dice: Dice) -> Stock:
    total = dice.randint(2, 6)
    return Stock(
        total=total,
        reserved=int(dice.hard()),
        min_unit=2 if dice.hard() else 1,
        max_unit=dice.choice([1, 2]) if dice.hard() else total,
        step_size=2 if dice.hard() else 1,
        allocation_ratio=dice.choice([1.0, 1.5]),
        used=dice.choice([0, 0, 0, 1, 2]),
    )


def random_tree(dice: Dice, first: int, size: int, lending: float) -> Tree:
    """Providers are numbered from `first`, depth first."""
    found: list[Provider] = []
    above: list[UUID] = []
    for number in range(first, first + size):
        # Below the root, or deeper along what came last.
        del above[dice.randint(1, len(above)) if above else 0 :]
        traits = {trait for trait in TRAITS if dice.random() < 0.5}
        if dice.random() < lending:
            traits.add(SHARES)
        found.append(
            Provider(
                UUID(int=number), f"p{number}", number, above[-1] if above else None,
                {name: random_stock(dice) for name in CLASSES if dice.random() < 0.6},
                frozenset(traits),
                frozenset(one for one in AGGREGATES if dice.random() < 0.5),
            )
        )  # fmt: skip
        above.append(UUID(int=number))
    return Tree(tuple(found))


def random_forest(dice: Dice) -> Forest:
    sizes = dice.choice([(4,), (3, 2), (2, 2, 1), (1, 1, 1), (5,)])
    lending = dice.choice([0.0, 0.0, 0.5])
    return tuple(random_tree(dice, 100 * at, size, lending) for at, size in enumerate(sizes, 1))


def random_group(dice: Dice, most: int, *, resourceless: bool) -> Group:
    names = dice.sample(CLASSES, dice.randint(1, most))
    wanted = dice.choice([all_of("CUSTOM_A"), all_of(*TRAITS), (frozenset(TRAITS),)])
    member_of = frozenset(dice.choice([AGGREGATES, AGGREGATES[:1]]))
    return Group(
        {} if resourceless else {name: dice.choice([1, 1, 2]) for name in names},
        wanted if dice.hard() else (),
        dice.some("CUSTOM_B"),
        (member_of,) if dice.hard() else (),
        frozenset(AGGREGATES[:1] if dice.hard() else ()),
        UUID(int=dice.choice([100, 101, 200])) if dice.hard() and dice.hard() else None,
    )


def random_request(dice: Dice) -> ResourceRequest:
    # Few slots, or trying everything takes too long.
    suffixes = dice.choice([("",), ("_1",), ("", "_1"), ("_1", "_2"), ("_1", "_2", "_3"), ("", "_1", "_2")])
    named = [suffix for suffix in suffixes if suffix]
    subtrees: tuple[frozenset[str], ...] = ()
    if named and dice.random() < 0.4:
        sizes = [dice.randint(1, len(named)) for _ in range(dice.choice([1, 1, 2]))]
        subtrees = tuple(frozenset(dice.sample(named, size)) for size in sizes)
    near = sorted(frozenset().union(*subtrees))
    lonely = dice.choice(near) if near and len(suffixes) > 1 and dice.random() < 0.5 else None
    most = 2 if len(suffixes) < 3 else 1
    return ResourceRequest(
        {suffix: random_group(dice, most, resourceless=suffix == lonely) for suffix in suffixes},
        group_policy=dice.choice(["none", "isolate"]),
        same_subtrees=subtrees,
        root_required=dice.some("CUSTOM_A"),
        root_forbidden=dice.some("CUSTOM_B"),
        flat=not subtrees and dice.random() < 0.2,
    )


WORLDS = st.integers(0, 2**40)
"""Seeds of random worlds: hypothesis makes numbers much faster than trees."""


def world(seed: int) -> tuple[Forest, ResourceRequest]:
    dice = Dice(seed)
    dice.harsh = dice.choice([0.0, 0.1, 0.3])
    return random_forest(dice), random_request(dice)


def crowded_world(seed: int) -> tuple[Forest, ResourceRequest]:
    """One tree, and four groups that want the same and stand in each other's way."""
    dice = Dice(seed)
    dice.harsh = dice.choice([0.0, 0.1])
    tree = random_tree(dice, 100, 6, 0.0)
    suffixes = ("_1", "_2", "_3", "_4")
    lonely = dice.choice([None, "_1"])
    sizes = [dice.randint(2, 4) for _ in range(dice.choice([0, 1, 2]))]
    subtrees = [frozenset(dice.sample(suffixes, size)) for size in sizes]
    if lonely is not None and lonely not in frozenset().union(*subtrees):
        subtrees.append(frozenset({lonely, "_2"}))
    groups = {suffix: random_group(dice, 1, resourceless=suffix == lonely) for suffix in suffixes}
    policy = dice.choice(["none", "isolate", "isolate"])
    return (tree,), ResourceRequest(groups, group_policy=policy, same_subtrees=tuple(subtrees))
