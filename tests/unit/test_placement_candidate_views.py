"""Candidates as clients of each version read them."""

import json
from typing import Any
from uuid import UUID

import pytest

from kcloud_api.placement.candidate_views import body
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.request import Group, ResourceRequest
from kcloud_api.placement.tree import SHARES, Provider, Tree
from kcloud_api.placement.ways import all_ways

ROOT, CARD, DISK = UUID(int=1), UUID(int=2), UUID(int=9)
POOL = frozenset({UUID(int=0xA)})


def tree() -> Tree:
    root = Provider(
        ROOT, "host", 3, None, {"VCPU": Stock(8, used=2), "MEMORY_MB": Stock(64)}, frozenset(), POOL
    )
    card = Provider(CARD, "card", 1, ROOT, {"PGPU": Stock(1)}, frozenset({"CUSTOM_X", "HW_NUMA_ROOT"}))
    disk = Provider(DISK, "nfs", 1, None, {"DISK_GB": Stock(10)}, frozenset({SHARES}), POOL)
    return Tree((root, card), (Tree((disk,)),))


def shown(minor: int, request: ResourceRequest) -> Any:  # noqa: ANN401 - JSON
    return json.loads(body(all_ways([tree()], request), request, minor))


ONE = ResourceRequest({"": Group({"VCPU": 1}), "_A": Group({"VCPU": 2, "MEMORY_MB": 4})})
CARDS = ResourceRequest({"": Group({"VCPU": 1}), "_A": Group({"PGPU": 1})})


@pytest.mark.parametrize("minor", [11, 12, 33, 34, 39])
def test_what_groups_take_of_one_provider_is_one_sum(minor: int) -> None:
    (found,) = shown(minor, ONE)["allocation_requests"]
    taken = {"VCPU": 3, "MEMORY_MB": 4}
    if minor < 12:
        assert found == {"allocations": [{"resource_provider": {"uuid": str(ROOT)}, "resources": taken}]}
        return
    mappings = {"mappings": {"": [str(ROOT)], "_A": [str(ROOT)]}} if minor >= 34 else {}
    assert found == {"allocations": {str(ROOT): {"resources": taken}}, **mappings}


def test_summaries_say_more_from_version_to_version() -> None:
    plain = ResourceRequest({"": Group({"VCPU": 1})})
    root = {"resources": {"VCPU": {"capacity": 8, "used": 2}}}
    assert shown(16, plain)["provider_summaries"][str(ROOT)] == root
    assert shown(26, plain)["provider_summaries"][str(ROOT)] == {**root, "traits": []}
    root["resources"]["MEMORY_MB"] = {"capacity": 64, "used": 0}
    assert shown(28, plain)["provider_summaries"][str(ROOT)] == {**root, "traits": []}
    newest = shown(29, plain)["provider_summaries"]
    parents = {"parent_provider_uuid": None, "root_provider_uuid": str(ROOT)}
    assert newest[str(ROOT)] == {**root, "traits": [], **parents}
    assert newest[str(CARD)] == {
        "resources": {"PGPU": {"capacity": 1, "used": 0}}, "traits": ["HW_NUMA_ROOT", "CUSTOM_X"],
        "parent_provider_uuid": str(ROOT), "root_provider_uuid": str(ROOT),
    }  # fmt: skip


def test_clients_that_know_no_trees_see_only_who_gives() -> None:
    flat = ResourceRequest({"": Group({"PGPU": 1, "DISK_GB": 1})}, flat=True)
    assert shown(28, flat)["provider_summaries"].keys() == {str(CARD), str(DISK)}
    assert shown(28, ResourceRequest(CARDS.groups, flat=True))["allocation_requests"] == []


def test_the_summaries_are_of_the_trees_that_give() -> None:
    assert shown(39, CARDS)["provider_summaries"].keys() == {str(ROOT), str(CARD)}
    disk = ResourceRequest({"": Group({"DISK_GB": 1})})
    assert shown(39, disk)["provider_summaries"].keys() == {str(DISK)}


def test_nothing_found_is_an_empty_answer() -> None:
    nothing = ResourceRequest({"": Group({"VCPU": 100})})
    assert shown(39, nothing) == {"allocation_requests": [], "provider_summaries": {}}
