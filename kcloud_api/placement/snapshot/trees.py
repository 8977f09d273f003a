"""Makes trees of columns, and remembers those made lately: the same hosts are looked at again and again."""

from collections.abc import Iterator
from functools import lru_cache
from uuid import UUID

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.snapshot.block import Block
from kcloud_api.placement.tree import Provider, Tree

REMEMBERED = 40_000
"""Providers in remembered trees, at most twice: about a kilobyte each."""


_stock = lru_cache(maxsize=20_000)(Stock)
"""Devices of one model have equal stocks, and finding one is quicker than making another."""


class Memory:
    """Trees by their version, in two generations: when the younger is full, the elder is forgotten. Threads
    may use it together; at worst a tree is made twice."""

    def __init__(self, capacity: int = REMEMBERED) -> None:
        self._capacity = capacity
        self._young: dict[int, Tree] = {}
        self._old: dict[int, Tree] = {}
        self._fresh = 0

    @property
    def size(self) -> int:
        """Providers in remembered trees."""
        return sum(len(tree.providers) for tree in {**self._old, **self._young}.values())

    def tree(self, block: Block, index: int) -> Tree:
        version = int(block.version[index])
        found = self._young.get(version)
        if found is None:
            found = self._old.get(version) or made(block, index)
            self._keep(version, found)
        return found

    def _keep(self, version: int, tree: Tree) -> None:
        if self._fresh > self._capacity:
            self._old, self._young, self._fresh = self._young, {}, 0
        self._young[version] = tree
        self._fresh += len(tree.providers)


def made(block: Block, index: int) -> Tree:
    start, end = int(block.starts[index]), int(block.starts[index + 1])
    ids = list(_ids(block, start, end))
    stocks = _stocks(block, index)
    traits, aggregates = block.words.traits.sets, block.words.aggregates.sets
    columns = zip(
        block.names[start:end].tolist(),
        block.generation[start:end].tolist(),
        (block.parent[start:end] - start).tolist(),
        block.traits[start:end].tolist(),
        block.aggregates[start:end].tolist(),
        strict=True,
    )
    return Tree(
        tuple(
            Provider(
                id=ids[at], name=name.decode(), generation=generation,
                parent_id=ids[parent] if parent != at else None,
                stocks=stocks.get(start + at, {}), traits=traits[of], aggregates=aggregates[members],
            )
            for at, (name, generation, parent, of, members) in enumerate(columns)
        )
    )  # fmt: skip


def _ids(block: Block, start: int, end: int) -> Iterator[UUID]:
    raw = block.ids[start:end].tobytes()
    for at in range(0, len(raw), 16):
        yield UUID(bytes=raw[at : at + 16])


def _stocks(block: Block, index: int) -> dict[int, dict[str, Stock]]:
    found: dict[int, dict[str, Stock]] = {}
    for name, stocks in block.stocks.items():
        first, last = stocks.rows(index)
        if first == last:
            continue
        rows = zip(
            stocks.provider[first:last].tolist(),
            *stocks.limits[:, first:last].tolist(),
            stocks.ratio[first:last].tolist(),
            stocks.used[first:last].tolist(),
            strict=True,
        )
        for provider, *amounts in rows:
            # In the order of Stock's fields.
            found.setdefault(provider, {})[name] = _stock(*amounts)
    return found
