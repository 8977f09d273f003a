"""The way that placement found, with the devices that suit best."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.request import Group, ResourceRequest, all_of
from kcloud_api.placement.tree import Provider, Tree
from kcloud_api.placement.ways import Way, ways
from kcloud_api.scheduler.choose import Sites, choose_devices, has_choice
from kcloud_api.scheduler.device_tree import Level
from kcloud_api.scheduler.topology import Device, Impossible, Policy
from tests.unit.device_choice import host

ROOT = UUID(int=1000)
EIGHT = host(4, 4)


def tree(
    devices: tuple[Device, ...] = EIGHT,
    *,
    taken: tuple[int, ...] = (),
    classes: Mapping[int, str] | None = None,
    traits: Mapping[int, str] | None = None,
) -> Tree:
    """A host with a provider for each device, PGPU unless `classes` says otherwise."""
    root = Provider(ROOT, "h1", 7, None, {"VCPU": Stock(8)}, frozenset())
    children = (
        Provider(
            device.id,
            f"h1_{device.address}",
            100 + device.id.int,
            ROOT,
            {(classes or {}).get(device.id.int, "PGPU"): Stock(1, max_unit=1, used=device.id.int in taken)},
            frozenset({(traits or {})[device.id.int]} if device.id.int in (traits or {}) else ()),
        )
        for device in devices
    )
    return Tree((root, *children))


def asking(count: int, resource_class: str = "PGPU", *more: tuple[str, Group]) -> ResourceRequest:
    groups = {"": Group({"VCPU": 1}), **{str(n + 1): Group({resource_class: 1}) for n in range(count)}}
    return ResourceRequest(groups | dict(more), group_policy="isolate")


def chosen(
    standing: Tree, request: ResourceRequest, policy: Policy, sites: Sites | None = None
) -> Way | Impossible:
    way = next(ways(standing, request))
    everything = Sites(EIGHT, frozenset(device.id for device in EIGHT))
    return choose_devices(way, sites or everything, policy)


def mapped(found: Way | Impossible) -> dict[str, list[int]]:
    assert isinstance(found, Way), found
    return {suffix: [id_.int for id_ in ids] for suffix, ids in found.mappings().items()}


def test_devices_are_exchanged_with_amounts_generations_and_mappings() -> None:
    found = chosen(tree(taken=(0,)), asking(4), Policy.SAME_SWITCH)
    assert mapped(found) == {"": [1000], "1": [4], "2": [5], "3": [6], "4": [7]}
    assert isinstance(found, Way)
    assert has_choice(found)
    taken = found.candidate()
    assert taken.allocations[ROOT] == {"VCPU": 1}
    assert {id_.int: dict(amounts) for id_, amounts in taken.allocations.items() if id_ != ROOT} == {
        number: {"PGPU": 1} for number in (4, 5, 6, 7)
    }
    assert taken.generations == {ROOT: 7, **{UUID(int=number): 100 + number for number in (4, 5, 6, 7)}}


def test_a_device_of_the_unsuffixed_group_is_chosen_too() -> None:
    request = ResourceRequest({"": Group({"VCPU": 1, "PGPU": 1}, required=all_of("CUSTOM_H100"))})
    standing = tree(taken=(5,), traits={3: "CUSTOM_H100", 6: "CUSTOM_H100", 5: "CUSTOM_H100"})
    assert mapped(chosen(standing, request, Policy.PACK)) == {"": [6, 1000]}, "only one that has the trait"


def test_only_what_has_the_groups_traits_takes_part() -> None:
    group = Group({"PGPU": 1}, required=all_of("CUSTOM_H100"))
    banned = Group({"PGPU": 1}, forbidden=frozenset({"CUSTOM_H100"}))
    standing = tree(traits={3: "CUSTOM_H100", 4: "CUSTOM_H100"})
    request = asking(0, "PGPU", ("a", group), ("b", banned))
    assert mapped(chosen(standing, request, Policy.SAME_SWITCH)) == {"": [1000], "a": [3], "b": [0]}


def test_devices_of_two_classes_come_from_one_switch() -> None:
    standing = tree(classes={3: "CUSTOM_NPU", 6: "CUSTOM_NPU", 7: "CUSTOM_NPU"})
    request = asking(2, "PGPU", ("n1", Group({"CUSTOM_NPU": 1})), ("n2", Group({"CUSTOM_NPU": 1})))
    assert mapped(chosen(standing, request, Policy.SAME_SWITCH)) == {
        "": [1000], "1": [4], "2": [5], "n1": [6], "n2": [7],
    }  # fmt: skip


def test_a_device_that_may_not_be_handed_out_is_left_alone() -> None:
    shut = Sites(EIGHT, frozenset(UUID(int=number) for number in (2, 3, 5)))
    assert mapped(chosen(tree(), asking(2), Policy.PACK, shut)) == {"": [1000], "1": [2], "2": [3]}


def test_a_hard_policy_that_cannot_be_met_says_how_near_it_came() -> None:
    found = chosen(tree(taken=(0, 5)), asking(4), Policy.SAME_SWITCH)
    assert isinstance(found, Impossible)
    assert (found.within, found.needed, found.free, found.total) == (Level.SWITCH, 4, (3, 3), 4)


@pytest.mark.parametrize("policy", [Policy.PACK, Policy.SPREAD])
def test_a_preference_takes_what_there_is(policy: Policy) -> None:
    found = chosen(tree(taken=(0, 5)), asking(6), policy)
    assert isinstance(found, Way)
    assert len(found.allocations()) == 7


def test_of_devices_too_varied_to_weigh_those_found_are_judged() -> None:
    traits = {number: f"CUSTOM_{number}" for number in range(10)}
    for shape, policy, possible in (
        (host(10), Policy.SAME_SWITCH, True),
        (host(5, 5), Policy.SAME_SWITCH, False),
    ):
        standing = tree(shape, traits=traits)
        groups = {f"g{n}": Group({"PGPU": 1}, required=all_of(f"CUSTOM_{n}")) for n in range(10)}
        request = ResourceRequest(groups, group_policy="isolate")
        sites = Sites(shape, frozenset(device.id for device in shape))
        assert isinstance(chosen(standing, request, policy, sites), Way) is possible
        assert isinstance(chosen(standing, request, Policy.PACK, sites), Way)


def test_a_server_without_devices_has_no_choice() -> None:
    request = ResourceRequest({"": Group({"VCPU": 1})})
    found = chosen(tree(), request, Policy.SAME_SWITCH)
    assert mapped(found) == {"": [1000]}
    assert isinstance(found, Way)
    assert not has_choice(found)
