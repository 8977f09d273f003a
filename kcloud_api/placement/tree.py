"""What a search looks at: providers, and the tree that a root and everything below it make. Pure data.

A provider may share what it has with other trees: it has the trait MISC_SHARES_VIA_AGGREGATE and is in an
aggregate that some provider of the other tree is in too (which one does not matter). Such a provider's whole
tree comes in `Tree.sharing`, so that a search needs nothing but one Tree. Who makes Trees attaches them:
every other tree, in the order of trees, that has at least one provider for which `shares_with` is true, each
with an empty `sharing` of its own. Where no provider shares, nobody pays: `sharing` is empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from kcloud_api.placement.capacity import Stock

SHARES = "MISC_SHARES_VIA_AGGREGATE"


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider as it stands, with everything that it has."""

    id: UUID
    name: str
    generation: int
    parent_id: UUID | None
    stocks: Mapping[str, Stock]
    traits: frozenset[str] = frozenset()
    aggregates: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Tree:
    """A root provider and everything below it, depth first, siblings in the order of (created_at, id).
    `sharing`: the trees of providers that share with this one."""

    providers: tuple[Provider, ...]
    sharing: "tuple[Tree, ...]" = ()
    notes: dict[object, object] = field(default_factory=dict, compare=False, repr=False)
    """What others have worked out of its providers, for the next time: trees are kept and looked at again."""

    @property
    def root(self) -> Provider:
        return self.providers[0]

    @property
    def aggregates(self) -> frozenset[UUID]:
        """Of all its providers."""
        return frozenset().union(*(provider.aggregates for provider in self.providers))

    def free(self, resource_class: str) -> int:
        stocks = (p.stocks[resource_class] for p in self.providers if resource_class in p.stocks)
        return sum(max(0, stock.free) for stock in stocks)


def shares_with(provider: Provider, aggregates: frozenset[UUID]) -> bool:
    """Whether this provider of another tree serves a tree whose providers are in these aggregates."""
    return SHARES in provider.traits and not provider.aggregates.isdisjoint(aggregates)


def lenders(tree: Tree) -> tuple[Provider, ...]:
    """The providers of other trees that may serve a request from this one."""
    if not tree.sharing:
        return ()
    aggregates = tree.aggregates
    return tuple(p for other in tree.sharing for p in other.providers if shares_with(p, aggregates))
