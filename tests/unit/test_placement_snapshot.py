"""Trees as columns: they come back as they went in, whatever changed on the way, and no search loses one."""

from dataclasses import replace
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.request import Group, ResourceRequest, all_of
from kcloud_api.placement.snapshot import change, masks
from kcloud_api.placement.snapshot.block import Block
from kcloud_api.placement.snapshot.change import changed
from kcloud_api.placement.snapshot.snapshot import Snapshot
from kcloud_api.placement.snapshot.trees import Memory
from kcloud_api.placement.snapshot.words import Words
from kcloud_api.placement.tree import Provider, Tree
from kcloud_api.placement.ways import ways
from tests.placement_blocks import all_trees, block_of, snapshot_of
from tests.placement_oracle import WORLDS, Dice, answer, attached, brute_force, random_tree, world
from tests.thoroughness import examples

DEVICE = Group({"PGPU": 1})


def host(
    number: int, *, gpus: int = 1, vcpus: int = 8, used: int = 0, traits: frozenset[str] = frozenset()
) -> Tree:
    root = Provider(
        UUID(int=number << 64), f"host-{number}", 0, None, {"VCPU": Stock(vcpus, used=used)}, traits
    )
    cards = (
        Provider(UUID(int=(number << 64) + card), f"host-{number}-{card}", 0, root.id, {"PGPU": Stock(1)})
        for card in range(1, gpus + 1)
    )
    return Tree((root, *cards))


def trees_of(blocks: tuple[Block, ...]) -> list[Tree]:
    return list(all_trees(Snapshot(blocks, Words(), Memory())))


@given(WORLDS)
@settings(max_examples=examples(200), deadline=None)
def test_a_tree_comes_out_as_it_went_in(seed: int) -> None:
    forest, _ = world(seed)
    block = block_of(enumerate(forest), Words(), Random(seed))
    assert trees_of((block,)) == list(forest)


@given(WORLDS)
@settings(max_examples=examples(1000), deadline=None)
def test_a_search_of_the_snapshot_finds_what_trying_everything_finds(seed: int) -> None:
    forest, request = world(seed)
    found = list(snapshot_of(forest).matching(request))
    assert [tree for tree in attached(forest) if tree in found] == found
    answers = {answer(way.allocations(), way.mappings()) for tree in found for way in ways(tree, request)}
    assert answers == brute_force(forest, request)


@given(WORLDS)
@settings(max_examples=examples(300), deadline=None)
def test_every_order_gives_the_same_trees(seed: int) -> None:
    forest, request = world(seed)
    snapshot = snapshot_of(forest)
    expected = {tree.root.id for tree in snapshot.matching(request)}
    for order in ("random", "spread", "pack"):
        found = [tree.root.id for tree in snapshot.matching(request, order=order)]
        assert len(found) == len(expected)
        assert set(found) == expected


@given(WORLDS)
@settings(max_examples=examples(200), deadline=None)
def test_blocks_that_were_changed_are_as_if_built_anew(seed: int) -> None:
    dice = Dice(seed)
    dice.harsh = 0.2
    words = Words()
    kept: dict[int, Tree] = {}
    blocks: tuple[Block, ...] = ()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(change, "TREES_IN_A_BLOCK", 2)
        for _ in range(12):
            ages = dice.sample(range(12), dice.randint(1, 3))
            gone = [age for age in ages if age in kept and dice.random() < 0.3]
            new = {age: _changed(dice, kept.get(age), age) for age in ages if age not in gone}
            roots = [kept.pop(age).root.id.bytes for age in gone]
            blocks = changed(blocks, block_of(new.items(), words), roots)
            kept |= new
            assert trees_of(blocks) == [kept[age] for age in sorted(kept)]
            assert all(0 < block.trees <= 4 for block in blocks)


def _changed(dice: Dice, tree: Tree | None, age: int) -> Tree:
    """Another tree of the same root, or the same with other amounts in use."""
    if tree is None or dice.random() < 0.3:
        return random_tree(dice, 100 * (age + 1), dice.randint(1, 4), 0.2)
    return Tree(tuple(replace(p, generation=p.generation + 1, stocks=_used(dice, p)) for p in tree.providers))


def _used(dice: Dice, provider: Provider) -> dict[str, Stock]:
    return {name: replace(stock, used=dice.randint(0, 3)) for name, stock in provider.stocks.items()}


def test_a_claim_copies_no_more_than_what_it_changes() -> None:
    words = Words()
    block = block_of(enumerate([host(1), host(2), host(3)]), words)
    (after,) = changed((block,), block_of([(1, host(2, used=3))], words), [])
    assert trees_of((after,)) == [host(1), host(2, used=3), host(3)]
    assert after.names is block.names
    assert after.stocks["VCPU"].limits is block.stocks["VCPU"].limits
    assert after.stocks["PGPU"] is block.stocks["PGPU"]
    assert trees_of((block,)) == [host(1), host(2), host(3)], "who has the old block keeps what it says"


def test_the_fullest_host_is_packed_first_and_the_emptiest_spread_to() -> None:
    snapshot = snapshot_of([host(1, gpus=2), host(2, gpus=3), host(3, gpus=1), host(4, gpus=3)])
    request = ResourceRequest({"": Group({"VCPU": 1}), "_1": DEVICE})
    assert _names(snapshot, request, "spread") == ["host-2", "host-4", "host-1", "host-3"]
    assert _names(snapshot, request, "pack") == ["host-3", "host-1", "host-2", "host-4"]


def _names(snapshot: Snapshot, request: ResourceRequest, order: str) -> list[str]:
    return [tree.root.name for tree in snapshot.matching(request, order=order)]


def test_a_search_looks_no_further_than_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    words = Words()
    blocks = tuple(block_of([(number, host(number))], words) for number in range(1, 6))
    looked: list[Block] = []

    def noted(block: Block, *rest: object) -> object:
        looked.append(block)
        return masks.fitting(block, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("kcloud_api.placement.snapshot.snapshot.fitting", noted)
    found = Snapshot(blocks, words, Memory()).matching(ResourceRequest({"_1": DEVICE}))
    assert next(found).root.name == "host-1"
    assert next(found).root.name == "host-2"
    assert looked == list(blocks[:2])


def test_what_was_found_is_remembered_only_for_the_same_question() -> None:
    snapshot = snapshot_of([host(1, gpus=1), host(2, gpus=2), host(3, gpus=3)])
    for wanted in (1, 2, 3, 2, 1):
        request = ResourceRequest({f"_{n}": DEVICE for n in range(wanted)}, group_policy="isolate")
        assert len(_names(snapshot, request, "created")) == 4 - wanted
        assert len(_names(snapshot, request, "random")) == 4 - wanted


def test_isolated_groups_want_as_many_providers() -> None:
    snapshot = snapshot_of([host(1, gpus=2), host(2, gpus=3)])
    request = ResourceRequest({f"_{number}": DEVICE for number in range(3)}, group_policy="isolate")
    assert _names(snapshot, request, "created") == ["host-2"]


def test_equal_groups_that_ask_for_what_nobody_has_find_nothing() -> None:
    snapshot = snapshot_of([host(1)])
    nowhere = Group({"CUSTOM_NOWHERE": 1, "PGPU": 1})
    assert _names(snapshot, ResourceRequest({"_1": nowhere, "_2": nowhere}), "created") == []


def test_a_tree_is_found_by_any_of_its_providers() -> None:
    snapshot = snapshot_of([host(1), host(2)])
    assert snapshot.tree(host(2).root.id) == host(2)
    assert snapshot.tree_of(host(2).providers[1].id) == host(2)
    assert snapshot.tree(host(2).providers[1].id) is None
    assert snapshot.tree_of(UUID(int=7)) is None


def test_amounts_beyond_64_bits_are_no_error() -> None:
    root = Provider(UUID(int=1), "wide", 0, None, {"VCPU": Stock(2**31 - 1, allocation_ratio=1e38)})
    snapshot = snapshot_of([Tree((root,))])
    assert _names(snapshot, ResourceRequest({"": Group({"VCPU": 2**31 - 1})}), "spread") == ["wide"]
    assert _names(snapshot, ResourceRequest({"": Group({"VCPU": 10**30})}), "created") in ([], ["wide"])


def test_trees_made_once_are_remembered_within_bounds() -> None:
    snapshot = snapshot_of([host(number) for number in range(1, 30)])
    memory = Memory(capacity=8)
    (block,) = snapshot.blocks
    assert memory.tree(block, 3) is memory.tree(block, 3)
    for index in range(block.trees):
        memory.tree(block, index)
    assert memory.size <= 2 * (8 + 2)


def test_a_trait_that_nobody_has_ends_the_search_at_once() -> None:
    snapshot = snapshot_of([host(1)])
    request = ResourceRequest({"_1": Group({"PGPU": 1}, required=all_of("CUSTOM_NOWHERE"))})
    assert _names(snapshot, request, "created") == []
