"""What is asked of placement: groups of resources with conditions on who gives them. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

Amounts = Mapping[str, int]
"""Resource class to amount."""

UNSUFFIXED = ""
"""The group that may be spread over the providers of one tree (and those that share with it); every other
comes from one provider whole."""

HOST_NOT_READY = "COMPUTE_STATUS_DISABLED"
"""Trait of a root provider: the host says that it takes no new servers (upstream's name)."""
HOST_DOWN = "CUSTOM_KCLOUD_HOST_DOWN"
"""Trait of a root provider: the control plane has not heard of the host for too long."""


def all_of(*names: str) -> tuple[frozenset[str], ...]:
    """`required` for traits that must all be there."""
    return tuple(frozenset({name}) for name in names)


@dataclass(frozen=True, slots=True)
class Group:
    """What one group asks for. Each set in `required` and in `member_of` is met by any one of its members,
    and all sets must be met.

    Conditions of a suffixed group are about the provider that serves it. Of the unsuffixed group: `required`
    is met by the providers that serve it together, `forbidden` holds for each of them, and `member_of` and
    `not_member_of` see the root's aggregates as every provider's. `in_tree` is a provider of the tree that
    must serve. A group without resources is served by a provider that meets the rest.
    """

    resources: Amounts
    required: tuple[frozenset[str], ...] = ()
    forbidden: frozenset[str] = frozenset()
    member_of: tuple[frozenset[UUID], ...] = ()
    not_member_of: frozenset[UUID] = frozenset()
    in_tree: UUID | None = None


@dataclass(slots=True)
class Effort:
    """How often the searches for one request, of all trees together, may still turn back."""

    left: int


@dataclass(frozen=True, slots=True, eq=False)
class ResourceRequest:
    """Groups by suffix (`""`: the unsuffixed one). A request is equal only to itself, so that what is worked
    out of it once can be kept for all hosts.

    `group_policy` is `none` or `isolate` (each suffixed group from a provider of its own). The providers of
    the groups named in one of `same_subtrees` are one of them and others below it. Traits in `root_required`
    and `root_forbidden` are asked of the root of the tree that serves. `flat`: for clients that know no
    trees, never two providers of one tree. `effort` is shared by all requests that are made out of this one.
    """

    groups: Mapping[str, Group]
    group_policy: str = "none"
    same_subtrees: tuple[frozenset[str], ...] = ()
    root_required: frozenset[str] = frozenset()
    root_forbidden: frozenset[str] = frozenset()
    flat: bool = False
    effort: Effort | None = None

    def totals(self) -> dict[str, int]:
        """All groups together."""
        sums: dict[str, int] = {}
        for group in self.groups.values():
            for name, amount in group.resources.items():
                sums[name] = sums.get(name, 0) + amount
        return sums

    def traits(self) -> frozenset[str]:
        """Every trait that it names."""
        named = self.root_required | self.root_forbidden
        for group in self.groups.values():
            named = named.union(group.forbidden, *group.required)
        return named
