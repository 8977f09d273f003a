"""From a flavor to what placement is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcloud_api.placement.request import HOST_DOWN, HOST_NOT_READY, Group, all_of
from kcloud_api.scheduler.request import FlavorShape, from_flavor
from kcloud_common.errors import BadRequest


def flavor(**extra_specs: str) -> FlavorShape:
    return FlavorShape(
        vcpus=2, ram_mib=1024, disk_gib=10, ephemeral_gib=1, swap_mib=1, extra_specs=extra_specs
    )


def test_a_flavor_asks_for_its_own_size_with_swap_rounded_up() -> None:
    request = from_flavor(flavor())
    assert request.groups == {"": Group({"VCPU": 2, "MEMORY_MB": 1024, "DISK_GB": 12})}
    assert request.root_forbidden == {HOST_DOWN, HOST_NOT_READY}


def test_extra_specs_add_replace_and_leave_out() -> None:
    request = from_flavor(flavor(**{"resources:PGPU": "1", "resources:VCPU": "4", "resources:DISK_GB": "0"}))
    assert request.groups == {"": Group({"VCPU": 4, "MEMORY_MB": 1024, "PGPU": 1})}


def test_groups_keep_their_suffix_traits_and_policy() -> None:
    request = from_flavor(
        flavor(
            **{
                "resources1:PGPU": "1",
                "resources_b:CUSTOM_NPU": "2",
                "trait1:CUSTOM_H100": "required",
                "trait1:CUSTOM_MIG": "forbidden",
                "trait:COMPUTE_ACCELERATORS": "required",
                "group_policy": "isolate",
                "hw:cpu_policy": "shared",
            }
        )
    )
    assert request.groups["1"] == Group({"PGPU": 1}, all_of("CUSTOM_H100"), frozenset({"CUSTOM_MIG"}))
    assert request.groups["_b"] == Group({"CUSTOM_NPU": 2})
    assert request.groups[""].required == all_of("COMPUTE_ACCELERATORS")
    assert request.group_policy == "isolate"


def test_the_name_that_openkcloud_gives_to_npus_is_understood() -> None:
    assert from_flavor(flavor(**{"resources:CUSTOM_AICHIP": "1"})).groups[""].resources["CUSTOM_NPU"] == 1


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("CUSTOM_FURIOSA_0001", "CUSTOM_PCI_1ED2_0001"),
        ("CUSTOM_REBELLIONS_1220", "CUSTOM_PCI_1EFF_1220"),
        ("CUSTOM_NVIDIA_20B5", "CUSTOM_PCI_10DE_20B5"),
        ("CUSTOM_REBELLIONS_CA22", "CUSTOM_REBELLIONS_CA22"),
        ("CUSTOM_ACME_0001", "CUSTOM_ACME_0001"),
    ],
)
def test_the_traits_that_openkcloud_makes_of_ids_are_understood(theirs: str, ours: str) -> None:
    asked = flavor(**{"resources:PGPU": "1", f"trait:{theirs}": "required"})
    assert from_flavor(asked).groups[""].required >= all_of(ours)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("resources:GPU", "1"),
        ("resources:custom_gpu", "1"),
        ("resources:", "1"),
        ("resources:PGPU", "one"),
        ("resources:PGPU", "-1"),
        ("resources:PGPU", "1.5"),
        ("resources:PGPU", "\u0661"),
        ("resources:PGPU", ""),
        ("resources:PGPU", "99999999999"),
        ("trait:CUSTOM_X", "maybe"),
        ("trait:H100", "required"),
        ("group_policy", "sometimes"),
    ],
)
def test_a_wrong_extra_spec_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(BadRequest, match=key.replace(":", ".")) as raised:
        from_flavor(flavor(**{key: value}))
    assert raised.value.details["field"] == key


def test_traits_of_a_group_without_resources_are_refused() -> None:
    with pytest.raises(BadRequest, match="'7'"):
        from_flavor(flavor(**{"trait7:CUSTOM_X": "required"}))


def test_a_flavor_that_asks_for_nothing_is_refused() -> None:
    nothing = {f"resources:{name}": "0" for name in ("VCPU", "MEMORY_MB", "DISK_GB")}
    with pytest.raises(BadRequest, match="no resources"):
        from_flavor(flavor(**nothing))


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=5), max_size=4))
def test_whatever_the_extra_specs_the_answer_is_a_request_or_a_bad_request(extra: dict[str, str]) -> None:
    try:
        request = from_flavor(FlavorShape(1, 64, extra_specs=extra))
    except BadRequest:
        return
    assert all(amount > 0 for group in request.groups.values() for amount in group.resources.values())
