"""All trees as they stood at one moment, and the search through them, no further than asked."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from uuid import UUID

import numpy as np

from kcloud_api.placement.request import ResourceRequest
from kcloud_api.placement.snapshot.block import Block, Ints
from kcloud_api.placement.snapshot.masks import NOBODY_LENDS, Lending, fitting
from kcloud_api.placement.snapshot.ordering import SIGNS, by_free
from kcloud_api.placement.snapshot.trees import Memory
from kcloud_api.placement.snapshot.words import Words
from kcloud_api.placement.tree import SHARES, Tree, shares_with


@dataclass(frozen=True)
class Snapshot:
    """Immutable: a reader that has one sees one state to its end."""

    blocks: tuple[Block, ...]
    words: Words
    memory: Memory

    @property
    def trees(self) -> int:
        return sum(block.trees for block in self.blocks)

    @property
    def providers(self) -> int:
        return sum(block.providers for block in self.blocks)

    def matching(self, request: ResourceRequest, *, order: str = "created") -> Iterator[Tree]:
        """The trees that may serve the request, made one by one as they are taken.

        `created`: in the order of trees. `random`: in any order, another each time; no block is looked at
        before its turn. `spread` and `pack` (orders.ORDERS) compare all trees, so they look at all first.
        """
        for block, indices in self._found(request, order):
            for index in indices.tolist():
                yield self.tree_at(block, index)

    def roots(self, request: ResourceRequest, *, order: str = "created") -> Iterator[UUID]:
        """As `matching`, without making trees."""
        for block, indices in self._found(request, order):
            for root in block.roots[indices].tolist():
                yield UUID(bytes=root.ljust(16, b"\0"))

    def tree(self, root_id: UUID) -> Tree | None:
        for block in self.blocks:
            for index in np.flatnonzero(block.roots == np.bytes_(root_id.bytes)).tolist():
                return self.tree_at(block, index)
        return None

    def tree_of(self, provider_id: UUID) -> Tree | None:
        """The tree that a provider is in, whichever of its providers it is."""
        for block in self.blocks:
            place = block.find(provider_id.bytes)
            if place is not None:
                return self.tree_at(block, int(block.tree[place]))
        return None

    @cached_property
    def lending(self) -> Lending:
        """What providers share with other trees."""
        if not self.words.traits.has(SHARES):
            return NOBODY_LENDS
        lenders = [p for tree in self._lending_trees for p in tree.providers if SHARES in p.traits]
        by_class: dict[str, frozenset[UUID]] = {}
        for provider in lenders:
            for name in provider.stocks:
                by_class[name] = by_class.get(name, frozenset()) | provider.aggregates
        return Lending(by_class, frozenset().union(*(provider.aggregates for provider in lenders)))

    @cached_property
    def _lending_trees(self) -> tuple[Tree, ...]:
        table = self.words.traits.having([SHARES], len(self.words.traits))
        return tuple(
            self.memory.tree(block, index)
            for block in self.blocks
            for index in np.unique(block.tree[table[block.traits]]).tolist()
        )

    def _found(self, request: ResourceRequest, order: str) -> Iterator[tuple[Block, Ints]]:
        """Blocks with the trees in them that may serve, in order; a block may come several times."""
        if order in SIGNS:
            found = [(block, fitting(block, request, self.lending)) for block in self.blocks]
            yield from by_free(found, request, SIGNS[order])
            return
        # Not for secrecy: so that clients who ask at the same time do not all want the same hosts.
        is_random = order == "random"
        shuffle = np.random.default_rng(random.getrandbits(64)).shuffle if is_random else None
        for block in random.sample(self.blocks, len(self.blocks)) if is_random else self.blocks:
            indices = fitting(block, request, self.lending)
            if shuffle is not None:
                shuffle(indices)
            yield block, indices

    def tree_at(self, block: Block, index: int) -> Tree:
        tree = self.memory.tree(block, index)
        if not self.lending.every:
            return tree
        aggregates = tree.aggregates
        sharing = tuple(
            other
            for other in self._lending_trees
            if other.root.id != tree.root.id and any(shares_with(p, aggregates) for p in other.providers)
        )
        return replace(tree, sharing=sharing) if sharing else tree
