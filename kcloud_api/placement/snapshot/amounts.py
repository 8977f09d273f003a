"""Puts what is in use into blocks without reading trees whole: most changes are claims, and alter no more."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from kcloud_api.placement.snapshot.amount_rows import TreeAmounts
from kcloud_api.placement.snapshot.block import Block
from kcloud_api.placement.snapshot.change import number_of, tree_at


def amounts_changed(
    blocks: Sequence[Block], trees: Mapping[bytes, TreeAmounts]
) -> tuple[tuple[Block, ...], list[bytes]]:
    """The blocks with these trees' amounts in use and generations; and the roots of trees that are not as
    they are known (a change of shape came in between): those are to be read whole."""
    by_block: defaultdict[int, list[tuple[int, TreeAmounts]]] = defaultdict(list)
    others: list[bytes] = []
    for root, amounts in trees.items():
        key = (amounts.created, root)
        number = number_of(blocks, key)
        tree = tree_at(blocks[number], key) if blocks else None
        if tree is None:
            others.append(root)
        else:
            by_block[number].append((tree, amounts))
    result = list(blocks)
    for number, wanted in by_block.items():
        draft = _Draft(blocks[number])
        others += [amounts.root for tree, amounts in wanted if not draft.takes(tree, amounts)]
        result[number] = draft.block()
    return tuple(result), others


class _Draft:
    """A block that is about to be: columns are copied when they first change."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._version = block.version.copy()
        self._generation = block.generation.copy()
        self._used = {name: stocks.used for name, stocks in block.stocks.items()}

    def takes(self, tree: int, amounts: TreeAmounts) -> bool:
        """False, and nothing is changed, where the tree has other providers or other classes than known."""
        block = self._block
        first, behind = int(block.starts[tree]), int(block.starts[tree + 1])
        place = {id_: first + at for at, id_ in enumerate(block.ids[first:behind].tolist())}
        if place.keys() != amounts.generations.keys():
            return False
        found: list[tuple[str, int, int]] = []
        known = 0
        for name, stocks in block.stocks.items():
            begin, end = stocks.rows(tree)
            known += end - begin
            mine = amounts.used.get(name, {})
            for row, provider in enumerate(stocks.provider[begin:end].tolist(), begin):
                used = mine.get(bytes(block.ids[provider]))
                if used is None:
                    return False
                found.append((name, row, used))
        if known != sum(map(len, amounts.used.values())):
            return False
        self._write(tree, found, {place[id_]: number for id_, number in amounts.generations.items()})
        return True

    def _write(self, tree: int, found: list[tuple[str, int, int]], generations: Mapping[int, int]) -> None:
        self._version[tree] = self._block.words.versions(1)[0]
        for provider, generation in generations.items():
            self._generation[provider] = generation
        for name, row, used in found:
            if self._used[name][row] != used:
                if self._used[name] is self._block.stocks[name].used:
                    self._used[name] = self._used[name].copy()
                self._used[name][row] = used

    def block(self) -> Block:
        return self._block.using(self._used, self._generation, self._version)
