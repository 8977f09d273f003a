"""What a host that cannot serve a request says of itself."""

from uuid import UUID

import pytest
from hypothesis import given, settings

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.refusing import refuse
from kcloud_api.placement.request import HOST_DOWN, HOST_NOT_READY, Group, ResourceRequest, all_of
from kcloud_api.placement.tree import Provider, Tree
from kcloud_api.placement.ways import ways
from tests.placement_oracle import WORLDS, brute_force, world
from tests.thoroughness import examples


def provider(number: int, traits: str = "", **stocks: Stock | int) -> Provider:
    have = {name: stock if isinstance(stock, Stock) else Stock(stock) for name, stock in stocks.items()}
    root = UUID(int=1)
    parent = None if number == 1 else root
    return Provider(UUID(int=number), f"p{number}", number, parent, have, frozenset(traits.split()))


def host(*devices: Provider, vcpu: int = 8, traits: str = "") -> Tree:
    return Tree((provider(1, traits, VCPU=vcpu), *devices))


@settings(max_examples=examples(200), deadline=None)
@given(WORLDS)
def test_every_tree_that_cannot_serve_says_why(seed: int) -> None:
    (tree, *_), request = world(seed)
    if not brute_force((tree,), request):
        assert refuse(tree, request).code


def test_more_isolated_groups_than_devices_are_refused_with_their_number() -> None:
    tree = host(*(provider(number, PGPU=1) for number in range(2, 17)))
    request = ResourceRequest({str(n): Group({"PGPU": 1}) for n in range(16)}, group_policy="isolate")
    assert list(ways(tree, request)) == []
    assert refuse(tree, request).code == "resource_class_short"


def test_a_class_is_never_put_together_from_two_devices() -> None:
    tree = host(provider(2, PGPU=1), provider(3, PGPU=1))
    request = ResourceRequest({"": Group({"PGPU": 2})})
    assert list(ways(tree, request)) == []
    refusal = refuse(tree, request)
    assert (refusal.code, refusal.needed, refusal.free, refusal.total) == ("not_in_one_provider", 2, 2, 2)


def test_two_groups_may_share_a_provider_unless_isolated() -> None:
    tree = host(provider(2, VGPU=4))
    groups = {"1": Group({"VGPU": 2}), "2": Group({"VGPU": 2})}
    assert len(list(ways(tree, ResourceRequest(groups)))) == 1
    isolated = ResourceRequest(groups, group_policy="isolate")
    assert list(ways(tree, isolated)) == []
    assert refuse(tree, isolated).code == "groups_do_not_fit"


PGPU = ResourceRequest(
    {"": Group({"VCPU": 1, "PGPU": 1})}, root_forbidden=frozenset({HOST_DOWN, HOST_NOT_READY})
)
BUSY = Stock(1, used=1)


@pytest.mark.parametrize(
    ("tree", "request_", "code", "numbers"),
    [
        (host(provider(2, PGPU=BUSY)), PGPU, "resource_class_short", ("PGPU", 1, 0, 1)),
        (host(), PGPU, "resource_class_short", ("PGPU", 1, 0, 0)),
        (host(provider(2, PGPU=1), traits=HOST_DOWN), PGPU, "host_down", ("", 0, 0, 0)),
        (host(provider(2, PGPU=1), traits=HOST_NOT_READY), PGPU, "host_not_ready", ("", 0, 0, 0)),
        (
            host(provider(2, PGPU=1), traits=f"{HOST_DOWN} {HOST_NOT_READY}"),
            PGPU, "host_down", ("", 0, 0, 0),
        ),
        (
            host(provider(2, PGPU=1)),
            ResourceRequest({"1": Group({"PGPU": 1}, all_of("CUSTOM_A"))}),
            "trait_missing", ("", 0, 0, 0),
        ),
        (
            host(provider(2, "CUSTOM_A", PGPU=1)),
            ResourceRequest({"1": Group({"PGPU": 1}, forbidden=frozenset({"CUSTOM_A"}))}),
            "trait_forbidden", ("", 0, 0, 0),
        ),
        (
            host(provider(2, "CUSTOM_A", PGPU=BUSY), provider(3, PGPU=1)),
            ResourceRequest({"1": Group({"PGPU": 1}, all_of("CUSTOM_A"))}),
            "resource_class_short", ("PGPU", 1, 0, 1),
        ),
        (
            host(provider(2, PGPU=1)),
            ResourceRequest({"1": Group({"PGPU": 1}), "2": Group({"PGPU": 1})}),
            "resource_class_short", ("PGPU", 2, 1, 1),
        ),
        (host(vcpu=0), PGPU, "resource_class_short", ("PGPU", 1, 0, 0)),
        (
            host(provider(2, VGPU=Stock(8, max_unit=2))),
            ResourceRequest({"": Group({"VGPU": 4})}), "above_max_unit", ("VGPU", 4, 8, 8),
        ),
    ],
)  # fmt: skip
def test_a_refusal_names_the_first_thing_that_stands_in_the_way(
    tree: Tree, request_: ResourceRequest, code: str, numbers: tuple[str, int, int, int]
) -> None:
    assert list(ways(tree, request_)) == []
    refusal = refuse(tree, request_)
    assert refusal.code == code
    assert (refusal.resource_class, refusal.needed, refusal.free, refusal.total) == numbers
