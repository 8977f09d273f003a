"""The ledger counted in columns says the same as the one made by looking at each tree."""

from dataclasses import replace
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.constraints import Constraint
from kcloud_api.placement.ledger import of_trees
from kcloud_api.placement.request import Group, ResourceRequest
from kcloud_api.placement.snapshot.counting import count
from kcloud_api.placement.tree import SHARES, Provider, Tree
from tests.placement_blocks import all_trees, snapshot_of
from tests.placement_oracle import AGGREGATES, WORLDS, Dice, random_tree, world
from tests.thoroughness import examples


def provider(tree: int, index: int = 0, traits: str = "", **stocks: Stock | int) -> Provider:
    have = {name: stock if isinstance(stock, Stock) else Stock(stock) for name, stock in stocks.items()}
    parent = UUID(int=100 * tree) if index else None
    return Provider(
        UUID(int=100 * tree + index), f"p{tree}-{index}", 0, parent, have, frozenset(traits.split())
    )


@pytest.mark.slow
@settings(max_examples=examples(1500), deadline=None)
@given(WORLDS)
def test_both_ways_to_the_ledger_agree(seed: int) -> None:
    forest, request = world(seed)
    dice = Dice(seed)
    more = (random_tree(dice, 100 * at, dice.randint(1, 6), 0.0) for at in range(len(forest) + 1, 9))
    snapshot = snapshot_of((*forest, *more))
    limit = Random(seed).randint(0, 5)
    expected = of_trees(all_trees(snapshot), request, limit=limit)
    assert count(snapshot, request, limit=limit) == expected


def test_what_a_provider_shares_counts_for_those_it_shares_with() -> None:
    ours, theirs = (frozenset({one}) for one in AGGREGATES)
    disk = replace(provider(1, traits=SHARES, DISK_GB=10), aggregates=ours)
    near, far = (replace(provider(tree, VCPU=4), aggregates=a) for tree, a in ((2, ours), (3, theirs)))
    snapshot = snapshot_of([Tree((one,)) for one in (disk, near, far)])
    request = ResourceRequest({"": Group({"VCPU": 1, "DISK_GB": 5})})
    ledger = count(snapshot, request)
    assert ledger == of_trees(all_trees(snapshot), request)
    assert (ledger.hosts, ledger.remaining) == (3, 1)


def test_hosts_of_one_kind_are_tried_once() -> None:
    """Two hundred hosts whose eight devices do not do for nine groups: one is tried, and stands for all."""
    cloud = [
        Tree((provider(number), *(provider(number, index, PGPU=2) for index in range(1, 9))))
        for number in range(1, 201)
    ]
    groups = {str(number): Group({"PGPU": 1}) for number in range(9)}
    ledger = count(snapshot_of(cloud), ResourceRequest(groups, group_policy="isolate"), limit=1)
    (entry,) = ledger.removing
    assert (entry.constraint.code, entry.removed, ledger.remaining) == ("not_isolated", 200, 0)
    assert ledger.nearest[0].has == (8,)


def test_amounts_beyond_every_stock_are_counted_as_too_large() -> None:
    cloud = [Tree((provider(1, VCPU=Stock(2**31 - 1, allocation_ratio=3e38)),))]
    ask = ResourceRequest({"": Group({"VCPU": 2**31 - 1}), "1": Group({"MEMORY_MB": 2**60})})
    ledger = count(snapshot_of(cloud), ask)
    assert ledger == of_trees(all_trees(snapshot_of(cloud)), ask)
    assert ledger.removing[0].constraint == Constraint("resource_class_absent", ("1",), "MEMORY_MB", 2**60)


def test_a_cloud_without_hosts_has_a_ledger_too() -> None:
    ledger = count(snapshot_of([]), ResourceRequest({"": Group({"VCPU": 1}, in_tree=UUID(int=1))}))
    assert (ledger.hosts, ledger.remaining, ledger.removing, ledger.nearest) == (0, 0, (), ())
