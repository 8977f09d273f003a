"""How a request fits a host's tree, held against a brute force that tries everything."""

from collections.abc import Iterator
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcloud_api.placement.candidates import Candidate, has_all, ways
from kcloud_api.placement.capacity import Stock, misfit
from kcloud_api.placement.refusing import refuse
from kcloud_api.placement.request import HOST_DOWN, HOST_NOT_READY, Group, ResourceRequest, all_of
from kcloud_api.placement.tree import Provider, Tree
from tests.thoroughness import examples

TRAITS = ("CUSTOM_A", "CUSTOM_B")
CLASSES = ("VCPU", "PGPU", "CUSTOM_NPU")
Allocation = frozenset[tuple[UUID, str, int]]


def provider(number: int, traits: str = "", **stocks: Stock | int) -> Provider:
    have = {name: stock if isinstance(stock, Stock) else Stock(stock) for name, stock in stocks.items()}
    root = UUID(int=1)
    parent = None if number == 1 else root
    return Provider(UUID(int=number), f"p{number}", number, parent, have, frozenset(traits.split()))


def host(*devices: Provider, vcpu: int = 8, traits: str = "") -> Tree:
    return Tree((provider(1, traits, VCPU=vcpu), *devices))


def flat(candidate: Candidate) -> Allocation:
    return frozenset(
        (provider_id, name, amount)
        for provider_id, amounts in candidate.allocations.items()
        for name, amount in amounts.items()
    )


def brute_force(tree: Tree, request: ResourceRequest) -> Iterator[Allocation]:
    """Every choice of a provider for each class of the unsuffixed group and for each suffixed group."""
    if not request.root_required <= tree.root.traits or request.root_forbidden & tree.root.traits:
        return
    unsuffixed = request.groups.get("", Group({}))
    parts = [("", {name: amount}) for name, amount in unsuffixed.resources.items()]
    parts += [(suffix, dict(group.resources)) for suffix, group in request.groups.items() if suffix]
    for choice in product(tree.providers, repeat=len(parts)):
        taken: dict[tuple[UUID, str], int] = {}
        good = True
        for (suffix, amounts), chosen in zip(parts, choice, strict=True):
            good &= not request.groups[suffix].forbidden & chosen.traits
            good &= not suffix or has_all(chosen.traits, request.groups[suffix])
            for name, amount in amounts.items():
                stock = chosen.stocks.get(name)
                good &= stock is not None and misfit(stock, amount) is None
                taken[chosen.id, name] = taken.get((chosen.id, name), 0) + amount
        used = [chosen.traits for (suffix, _), chosen in zip(parts, choice, strict=True) if not suffix]
        good &= has_all(frozenset().union(*used), unsuffixed)
        granular = [chosen.id for (suffix, _), chosen in zip(parts, choice, strict=True) if suffix]
        good &= request.group_policy == "none" or len(set(granular)) == len(granular)
        by_id = {p.id: p for p in tree.providers}
        for (provider_id, name), amount in taken.items():
            stock = by_id[provider_id].stocks.get(name, Stock(0))
            good &= amount <= min(stock.free, stock.max_unit)
        if good:
            yield frozenset((provider_id, name, amount) for (provider_id, name), amount in taken.items())


@st.composite
def stocks(draw: st.DrawFn) -> Stock:
    total = draw(st.integers(1, 4))
    return Stock(
        total=total,
        reserved=draw(st.sampled_from([0, 0, 0, 1])),
        min_unit=draw(st.sampled_from([1, 1, 1, 2])),
        max_unit=draw(st.sampled_from([total, 1, 2])),
        step_size=draw(st.sampled_from([1, 1, 1, 2])),
        allocation_ratio=draw(st.sampled_from([1.0, 1.0, 1.5])),
        used=draw(st.integers(0, 2)),
    )


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    count = draw(st.integers(1, 4))
    return Tree(
        tuple(
            Provider(
                UUID(int=number), f"p{number}", 0,
                None if number == 1 else UUID(int=1),
                draw(st.dictionaries(st.sampled_from(CLASSES), stocks(), max_size=3)),
                draw(st.frozensets(st.sampled_from(TRAITS))),
            )
            for number in range(1, count + 1)
        )
    )  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> ResourceRequest:
    amounts = st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 2), min_size=1, max_size=2)
    # Few, or trying everything takes too long.
    suffixes = draw(st.lists(st.sampled_from(["", "1", "2", "3"]), min_size=1, max_size=3, unique=True))
    some_traits = st.frozensets(st.sampled_from(TRAITS), max_size=1)
    return ResourceRequest(
        {suffix: Group(draw(amounts), all_of(*draw(some_traits)), draw(some_traits)) for suffix in suffixes},
        group_policy=draw(st.sampled_from(["none", "isolate"])),
        root_forbidden=draw(some_traits),
    )


@settings(max_examples=examples(60), deadline=None)
@given(trees(), requests())
def test_the_search_finds_exactly_what_trying_everything_finds(tree: Tree, request: ResourceRequest) -> None:
    everything = set(brute_force(tree, request))
    assert {flat(way) for way in ways(tree, request, distinct=False)} == everything


@settings(max_examples=examples(60), deadline=None)
@given(trees(), requests())
def test_counting_like_devices_once_loses_no_answer_and_invents_none(
    tree: Tree, request: ResourceRequest
) -> None:
    everything = set(brute_force(tree, request))
    distinct = {flat(way) for way in ways(tree, request)}
    assert distinct <= everything
    assert bool(distinct) == bool(everything)


@settings(max_examples=examples(60), deadline=None)
@given(trees(), requests())
def test_every_tree_that_cannot_serve_says_why(tree: Tree, request: ResourceRequest) -> None:
    if any(brute_force(tree, request)):
        return
    refusal = refuse(tree, request)
    assert refusal.code
    if refusal.code == "resource_class_short":
        assert refusal.free < refusal.needed


def test_eight_equal_devices_make_one_candidate_and_eight_permutations() -> None:
    tree = host(*(provider(number, PGPU=1) for number in range(2, 10)))
    request = ResourceRequest({"": Group({"VCPU": 1, "PGPU": 1})})
    assert len(list(ways(tree, request))) == 1
    assert len(list(ways(tree, request, distinct=False))) == 8


def test_more_isolated_groups_than_devices_are_refused_without_trying_every_order() -> None:
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


def test_traits_of_the_unsuffixed_group_may_be_on_different_providers() -> None:
    tree = host(provider(2, "CUSTOM_B", PGPU=1), traits="CUSTOM_A")
    request = ResourceRequest({"": Group({"VCPU": 1, "PGPU": 1}, all_of(*TRAITS))})
    assert len(list(ways(tree, request))) == 1


def test_a_candidate_carries_the_generations_it_rests_on_and_who_serves_which_group() -> None:
    tree = host(provider(2, PGPU=1))
    (way,) = ways(tree, ResourceRequest({"": Group({"VCPU": 2}), "_gpu": Group({"PGPU": 1})}))
    assert way.allocations == {UUID(int=1): {"VCPU": 2}, UUID(int=2): {"PGPU": 1}}
    assert way.generations == {UUID(int=1): 1, UUID(int=2): 2}
    assert way.mappings == {"": (UUID(int=1),), "_gpu": (UUID(int=2),)}


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
