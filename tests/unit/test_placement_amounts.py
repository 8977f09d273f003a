"""Claims change amounts and generations in blocks, and nothing that they do not know."""

from dataclasses import replace
from uuid import UUID

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.snapshot.amount_rows import TreeAmounts
from kcloud_api.placement.snapshot.amounts import amounts_changed
from kcloud_api.placement.snapshot.block import Block
from kcloud_api.placement.snapshot.snapshot import Snapshot
from kcloud_api.placement.snapshot.trees import Memory
from kcloud_api.placement.snapshot.words import Words
from kcloud_api.placement.tree import Provider, Tree
from tests.placement_blocks import all_trees, block_of


def host(number: int, *, used: int = 0, generation: int = 0, cards: int = 2) -> Tree:
    root = Provider(UUID(int=number << 64), f"host-{number}", generation, None, {"VCPU": Stock(8, used=used)})
    below = (
        Provider(UUID(int=(number << 64) + card), f"card-{number}-{card}", 0, root.id, {"PGPU": Stock(1)})
        for card in range(1, cards + 1)
    )
    return Tree((root, *below))


def amounts_of(tree: Tree, block: Block, index: int) -> TreeAmounts:
    used: dict[str, dict[bytes, int]] = {}
    for provider in tree.providers:
        for name, stock in provider.stocks.items():
            used.setdefault(name, {})[short(provider)] = stock.used
    generations = {short(provider): provider.generation for provider in tree.providers}
    return TreeAmounts(short(tree.root), int(block.created[index]), generations, used)


def short(provider: Provider) -> bytes:
    return provider.id.bytes.rstrip(b"\0")


def trees_of(blocks: tuple[Block, ...]) -> list[Tree]:
    return list(all_trees(Snapshot(blocks, Words(), Memory())))


def test_amounts_and_generations_of_the_named_trees_change_in_a_new_block() -> None:
    before = block_of(enumerate([host(1), host(2), host(3)]), Words())
    new = host(2, used=3, generation=7)
    after, others = amounts_changed((before,), {short(new.root): amounts_of(new, before, 1)})
    assert trees_of(after) == [host(1), new, host(3)]
    assert others == []
    assert trees_of((before,)) == [host(1), host(2), host(3)]
    assert after[0].version[1] not in before.version
    assert after[0].stocks["PGPU"] is before.stocks["PGPU"]


def test_a_tree_of_another_shape_is_left_to_be_read_whole() -> None:
    before = block_of(enumerate([host(1), host(2)]), Words())
    more = amounts_of(host(1, used=1, cards=3), before, 0)
    fewer = amounts_of(host(2, used=1, cards=1), before, 1)
    after, others = amounts_changed((before,), {more.root: more, fewer.root: fewer})
    assert sorted(others) == sorted([more.root, fewer.root])
    assert trees_of(after) == [host(1), host(2)]


def test_a_tree_with_another_class_or_another_age_is_left_to_be_read_whole() -> None:
    before = block_of(enumerate([host(1), host(2)]), Words())
    known = amounts_of(host(1, used=1), before, 0)
    renamed = replace(known, used={"PCPU" if name == "VCPU" else name: of for name, of in known.used.items()})
    younger = replace(amounts_of(host(2, used=1), before, 1), created=int(before.created[1]) + 1)
    after, others = amounts_changed((before,), {renamed.root: renamed, younger.root: younger})
    assert sorted(others) == sorted([renamed.root, younger.root])
    assert trees_of(after) == [host(1), host(2)]


def test_where_no_tree_is_known_all_are_left_to_be_read() -> None:
    block = block_of(enumerate([host(1)]), Words())
    wanted = amounts_of(host(1), block, 0)
    assert amounts_changed((), {wanted.root: wanted}) == ((), [wanted.root])
