"""Takes a request apart into the single conditions that a host must meet, in a fixed order. Pure.

A host is said to be removed by the first constraint, in this order, that it does not meet:

1.  `host_down`, `host_not_ready`: the state of the host, when the request asks for hosts that take servers
2.  `root_trait_missing`, `root_trait_forbidden`: traits asked of the root provider
3.  `not_in_tree`: `in_tree` names another tree
4.  `resource_class_absent`: no provider has the class; `classes_apart`: no provider has all of a group's
5.  `aggregate_missing`, `aggregate_forbidden`: `member_of`
6.  `trait_missing`, `trait_forbidden`: `required`, of the providers that have the classes
7.  `below_min_unit`, `above_max_unit`, `not_step_size`: limits on the amount, of each class
8.  `resource_class_too_small`: too little of a class even when nothing is in use
9.  `resource_class_short`: too little free
10. `not_in_one_provider`: enough free, but in several providers
11. `trait_taken`: a trait of the unsuffixed group is only where there is no room
12. `resource_class_too_small`, `resource_class_short` again, for all groups that ask for a class together
13. `group_apart`: no provider has room for all classes of a group
14. `groups_do_not_fit`: each group finds room alone, but not beside the others
15. `not_isolated`: not when each suffixed group wants a provider of its own
16. `not_in_one_subtree`: not under one subtree

Each constraint of a group includes those before it of the same group: what is counted under `trait_missing`
has the classes. The codes never change their meaning; new ones may come between.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from uuid import UUID

from kcloud_api.placement.request import HOST_DOWN, HOST_NOT_READY, UNSUFFIXED, Group, ResourceRequest

ROOT_CODES = {HOST_DOWN: "host_down", HOST_NOT_READY: "host_not_ready"}
"""Forbidden traits of a root provider that have a code of their own; the first one present counts."""

SIZES = ("below_min_unit", "above_max_unit", "not_step_size")
AMOUNTS = ("resource_class_too_small", "resource_class_short", "not_in_one_provider")

CODES = (
    "host_down", "host_not_ready", "root_trait_missing", "root_trait_forbidden", "not_in_tree",
    "resource_class_absent", "classes_apart", "aggregate_missing", "aggregate_forbidden",
    "trait_missing", "trait_forbidden", *SIZES, *AMOUNTS, "trait_taken", "group_apart",
    "groups_do_not_fit", "not_isolated", "not_in_one_subtree",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Constraint:
    """One condition. `groups`: the suffixes that ask for it, none for conditions on the host itself.

    `names` are traits, aggregates or providers: any one of them for what is missing, all for what is
    forbidden, and the classes of a group for `classes_apart` and `group_apart`.
    """

    code: str
    groups: tuple[str, ...] = ()
    resource_class: str = ""
    amount: int = 0
    names: tuple[str, ...] = ()

    def named(self, code: str) -> "Constraint":
        return Constraint(code, self.groups, self.resource_class, self.amount, self.names)


@dataclass(frozen=True, slots=True, eq=False)
class Need:
    """What one provider must give: what equal suffixed groups ask for, or a class of the unsuffixed group.

    `traits` are asked of that provider; of the unsuffixed group only where it has a single class, for else
    the providers that serve it have the traits together.
    """

    groups: tuple[str, ...]
    group: Group
    amounts: tuple[tuple[str, int], ...]
    traits: tuple[frozenset[str], ...]

    @property
    def is_spread(self) -> bool:
        """Of the unsuffixed group, for which the root's aggregates count as every provider's."""
        return self.groups == (UNSUFFIXED,)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.amounts)

    def says(
        self, code: str, resource_class: str = "", amount: int = 0, names: tuple[str, ...] = ()
    ) -> Constraint:
        own = self.amounts[0][0] if len(self.amounts) == 1 else ""
        return Constraint(code, self.groups, resource_class or own, amount, names)


@dataclass(frozen=True, slots=True)
class Joint:
    """A constraint on all groups together: met by a tree that has a way to serve `relaxed`."""

    constraint: Constraint
    relaxed: ResourceRequest


@dataclass(frozen=True, slots=True)
class Plan:
    """A request taken apart. `constraints` are in the order in which they remove hosts, `joints` last."""

    needs: tuple[Need, ...]
    collective: tuple[frozenset[str], ...]
    """Traits that the providers of the unsuffixed group have together."""
    totals: tuple[tuple[str, int, tuple[str, ...]], ...]
    """Classes that several groups ask for: with the amount in all, and the groups."""
    constraints: tuple[Constraint, ...]
    joints: tuple[Joint, ...]
    ranks: Mapping[Constraint, int]
    """Each constraint's place in that order."""


@lru_cache(maxsize=16)
def plan(request: ResourceRequest) -> Plan:
    needs = tuple(_needs(request))
    unsuffixed = request.groups.get(UNSUFFIXED)
    spread = [need for need in needs if need.is_spread]
    collective = unsuffixed.required if unsuffixed and len(spread) > 1 else ()
    totals = tuple(_shared(request))
    joints = tuple(_joints(request))
    steps = [step for need in needs for step in _of_need(need)]
    steps += [(6, trait_constraint("trait_missing", any_of)) for any_of in collective]
    steps += [(11, trait_constraint("trait_taken", any_of)) for any_of in collective]
    steps += [
        (12, Constraint(code, groups, name, amount))
        for name, amount, groups in totals
        for code in AMOUNTS[:2]
    ]
    # By the number of its kind, as above, and within a kind in the order of the groups: sorting is stable.
    single = (constraint for _, constraint in sorted(steps, key=lambda step: step[0]))
    last = (joint.constraint for joint in joints)
    # Once each: a client may ask for the same thing twice.
    constraints = tuple(dict.fromkeys((*_of_root(request), *_of_tree(request), *single, *last)))
    ranks = {constraint: rank for rank, constraint in enumerate(constraints)}
    return Plan(needs, collective, totals, constraints, joints, ranks)


def ordered(names: Iterable[str | UUID]) -> tuple[str, ...]:
    """As a constraint's `names`."""
    return tuple(sorted(map(str, names)))


def trait_constraint(code: str, any_of: frozenset[str]) -> Constraint:
    """Of the unsuffixed group as a whole."""
    return Constraint(code, (UNSUFFIXED,), names=ordered(any_of))


def _needs(request: ResourceRequest) -> Iterator[Need]:
    unsuffixed = request.groups.get(UNSUFFIXED)
    if unsuffixed is not None:
        classes = sorted(unsuffixed.resources.items())
        alone = unsuffixed.required if len(classes) <= 1 else ()
        for pair in classes:
            yield Need((UNSUFFIXED,), unsuffixed, (pair,), alone)
    equal: dict[object, list[str]] = {}
    for suffix, group in request.groups.items():
        if suffix != UNSUFFIXED:
            equal.setdefault(_kind(group), []).append(suffix)
    for suffixes in equal.values():
        group = request.groups[suffixes[0]]
        yield Need(tuple(suffixes), group, tuple(sorted(group.resources.items())), group.required)


def _kind(group: Group) -> object:
    return replace(group, resources=frozenset(group.resources.items()))  # type: ignore[arg-type]


def _of_root(request: ResourceRequest) -> Iterator[Constraint]:
    for trait, code in ROOT_CODES.items():
        if trait in request.root_forbidden:
            yield Constraint(code)
    for trait in sorted(request.root_required):
        yield Constraint("root_trait_missing", names=(trait,))
    for trait in sorted(request.root_forbidden - ROOT_CODES.keys()):
        yield Constraint("root_trait_forbidden", names=(trait,))


def _of_tree(request: ResourceRequest) -> Iterator[Constraint]:
    for suffix, group in request.groups.items():
        if group.in_tree is not None:
            yield Constraint("not_in_tree", (suffix,), names=(str(group.in_tree),))


def _of_need(need: Need) -> Iterator[tuple[int, Constraint]]:
    """With the number of its kind, as in the table above."""
    for name, amount in need.amounts:
        yield 4, need.says("resource_class_absent", name, amount)
    if len(need.amounts) > 1:
        yield 4, need.says("classes_apart", names=need.classes)
    for any_of in need.group.member_of:
        yield 5, need.says("aggregate_missing", names=ordered(any_of))
    if need.group.not_member_of:
        yield 5, need.says("aggregate_forbidden", names=ordered(need.group.not_member_of))
    for traits in need.traits:
        yield 6, need.says("trait_missing", names=ordered(traits))
    if need.group.forbidden:
        yield 6, need.says("trait_forbidden", names=ordered(need.group.forbidden))
    for name, amount in need.amounts:
        yield from ((7, need.says(code, name, amount)) for code in SIZES)
        yield from ((8 + at, need.says(code, name, amount)) for at, code in enumerate(AMOUNTS))
    if len(need.amounts) > 1:
        yield 13, need.says("group_apart", names=need.classes)


def _shared(request: ResourceRequest) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    for name, amount in sorted(request.totals().items()):
        groups = tuple(suffix for suffix, group in request.groups.items() if name in group.resources)
        if len(groups) > 1:
            yield name, amount, groups


def _joints(request: ResourceRequest) -> Iterator[Joint]:
    """Each with one demand more than the one before; the last is the request itself."""
    every = tuple(request.groups)
    free = replace(request, group_policy="none", same_subtrees=())
    yield Joint(Constraint("groups_do_not_fit", every), free)
    if request.group_policy == "isolate":
        suffixed = tuple(suffix for suffix in every if suffix != UNSUFFIXED)
        free = replace(request, same_subtrees=())
        yield Joint(Constraint("not_isolated", suffixed, amount=len(suffixed)), free)
    for count, suffixes in enumerate(request.same_subtrees, 1):
        relaxed = replace(request, same_subtrees=request.same_subtrees[:count])
        yield Joint(_subtree_constraint(request, suffixes), relaxed)


def _subtree_constraint(request: ResourceRequest, suffixes: frozenset[str]) -> Constraint:
    """Speaks of the class that most of the groups ask for: devices, mostly."""
    groups = tuple(suffix for suffix in request.groups if suffix in suffixes)
    asked: dict[str, list[int]] = {}
    for suffix in groups:
        for name, amount in request.groups[suffix].resources.items():
            asked.setdefault(name, []).append(amount)
    if not asked:
        return Constraint("not_in_one_subtree", groups)
    name = min(asked, key=lambda name: (-len(asked[name]), name in EVERYWHERE, name))
    return Constraint("not_in_one_subtree", groups, name, sum(asked[name]))


EVERYWHERE = frozenset({"VCPU", "PCPU", "MEMORY_MB", "DISK_GB"})
"""Classes that every host has, and that are seldom what is missing."""
