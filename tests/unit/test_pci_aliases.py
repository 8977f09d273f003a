"""PCI aliases as operators write them, and device profiles, as the extra specs that they stand for."""

import json
from itertools import permutations

import pytest

from kcloud_api.scheduler.aliases import Alias, BadAlias, as_extra_specs, asked_for, known, read_aliases
from kcloud_api.scheduler.device_policy import NOVAS
from kcloud_api.scheduler.profiles import Given, Wanted, check_apart, shared_out, wanted
from kcloud_api.scheduler.profiles import as_extra_specs as profile_specs
from kcloud_api.scheduler.request import FlavorShape, from_flavor
from kcloud_common.errors import BadRequest
from kcloud_common.wire import SliceKind

H100 = {"name": "h100", "vendor_id": "10DE", "product_id": "2331"}


def read(**said: object) -> Alias:
    (alias,) = read_aliases([json.dumps({**H100, **said})]).values()
    return alias


def test_an_alias_means_whole_cards_unless_it_says_that_it_means_virtual_functions() -> None:
    alias = read()
    assert (alias.ids, alias.resource_class) == (("10de", "2331"), None)
    assert alias.traits == ("CUSTOM_PCI_10DE_2331",)
    assert alias.kinds == read(device_type="type-PF").kinds == {SliceKind.WHOLE}
    assert read(device_type="type-VF").kinds == {SliceKind.VF, SliceKind.VENDOR_VF, SliceKind.XE_VF}


def test_classes_and_traits_of_an_alias_are_written_as_nova_writes_them() -> None:
    alias = read(resource_class="my-gpu", traits="fast, HW_GPU_API_VULKAN", capability_type="pci")
    assert alias.resource_class == "CUSTOM_MY_GPU"
    assert alias.traits == ("CUSTOM_PCI_10DE_2331", "CUSTOM_FAST", "HW_GPU_API_VULKAN")
    assert read(resource_class="pgpu").resource_class == "PGPU"
    (by_class,) = read_aliases(['{"name": "x", "resource_class": "CUSTOM_AICHIP"}']).values()
    assert (by_class.ids, by_class.resource_class, by_class.traits) == (None, "CUSTOM_NPU", ())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("h100", "no JSON"),
        ('["h100"]', "no object of texts"),
        ('{"name": 1}', "no object of texts"),
        (json.dumps({**H100, "name": ""}), "needs a name"),
        (json.dumps({**H100, "name": "a:b"}), "needs a name"),
        (json.dumps({**H100, "speed": "x"}), "speed is nothing"),
        (json.dumps({**H100, "product_id": "233"}), "four hexadecimal digits"),
        (json.dumps({"name": "x", "vendor_id": "10de", "resource_class": "PGPU"}), "come together"),
        (json.dumps({"name": "x"}), "or a resource_class"),
        (json.dumps({**H100, "device_type": "type-X"}), "device_type must be"),
        (json.dumps({**H100, "numa_policy": "near"}), "numa_policy must be"),
        (json.dumps({**H100, "capability_type": "usb"}), "capability_type"),
    ],
)
def test_an_alias_that_makes_no_sense_is_refused_with_its_name_and_the_reason(line: str, said: str) -> None:
    with pytest.raises(BadAlias, match=said):
        read_aliases([line])


def test_two_aliases_of_one_name_are_refused() -> None:
    with pytest.raises(BadAlias, match="two named 'h100'"):
        read_aliases([json.dumps(H100)] * 2)


def test_each_device_of_an_alias_is_a_group_of_its_own() -> None:
    aliases = read_aliases([json.dumps(H100), '{"name": "npu", "resource_class": "NPU"}'])
    specs = as_extra_specs(known(asked_for("h100:2, npu:1"), aliases), {"h100": "PGPU"})
    assert specs == {
        "resourcespci_alias_0:PGPU": "1", "traitpci_alias_0:CUSTOM_PCI_10DE_2331": "required",
        "resourcespci_alias_1:PGPU": "1", "traitpci_alias_1:CUSTOM_PCI_10DE_2331": "required",
        "resourcespci_alias_2:CUSTOM_NPU": "1",
    }  # fmt: skip
    groups = from_flavor(FlavorShape(1, 256, extra_specs=specs)).groups
    assert {suffix: dict(group.resources) for suffix, group in groups.items() if suffix} == {
        "pci_alias_0": {"PGPU": 1},
        "pci_alias_1": {"PGPU": 1},
        "pci_alias_2": {"CUSTOM_NPU": 1},
    }


def test_a_numa_policy_of_an_alias_is_the_flavors_and_two_may_not_differ() -> None:
    near, anywhere = read(numa_policy="required"), read(numa_policy="preferred")
    assert as_extra_specs([(near, 1)], {"h100": "PGPU"})[NOVAS] == "required"
    with pytest.raises(BadRequest, match="different NUMA policies"):
        as_extra_specs([(near, 1), (anywhere, 1)], {"h100": "PGPU"})


@pytest.mark.parametrize(
    "value", ["", "h100", "h100:", ":1", "h100:0", "h100:-1", "h100:x", "h100:1,", "h:65"]
)
def test_what_a_flavor_asks_by_alias_has_names_and_numbers(value: str) -> None:
    with pytest.raises(BadRequest, match="NAME:COUNT"):
        asked_for(value)


def test_an_alias_that_is_not_configured_is_named() -> None:
    with pytest.raises(BadRequest, match="PCI alias other is not defined"):
        known(asked_for("other:1"), {})


def test_each_group_of_a_profile_is_a_group_of_its_own_and_can_be_read_back() -> None:
    groups = [{"resources:PGPU": "2", "trait:CUSTOM_X": "required"}, {"resources:VGPU": "1"}]
    specs = profile_specs([*groups, {"resources:FPGA": "1", "trait:CUSTOM_Y": "forbidden"}])
    asked = from_flavor(FlavorShape(1, 256, extra_specs=specs)).groups
    assert sorted(asked) == ["", "device_profile_0", "device_profile_1", "device_profile_2"]
    assert asked["device_profile_2"].forbidden == {"CUSTOM_Y"}
    wide = Wanted(0, "PGPU", frozenset({"CUSTOM_X"}))
    plain = frozenset[str]()
    assert wanted(specs) == (wide, wide, Wanted(1, "VGPU", plain), Wanted(2, "FPGA", plain))


@pytest.mark.parametrize("key", ["resourcesdevice_profile_0:VGPU", "traitdevice_profile_0:CUSTOM_Y"])
def test_a_flavor_may_not_speak_of_a_group_that_its_profile_has(key: str) -> None:
    specs = profile_specs([{"resources:PGPU": "1"}])
    with pytest.raises(BadRequest, match=key):
        check_apart({key: "1"}, specs)
    check_apart({"resources:PGPU": "1", "resourcesdevice_profile_1:VGPU": "1", "hw:x": "1"}, specs)


def test_what_is_given_is_shared_out_to_as_many_wishes_as_possible_in_any_order() -> None:
    fussy, any_gpu = Wanted(0, "PGPU", frozenset({"CUSTOM_X"})), Wanted(1, "PGPU", frozenset())
    fine = Given("PGPU", frozenset({"CUSTOM_X"}))
    things = (fine, Given("PGPU", frozenset()), Given("VGPU", frozenset()))
    for wishes in permutations((fussy, any_gpu)):
        for given in permutations(things):
            shared = shared_out(wishes, given)
            served = {
                each: wishes[wish] for each, wish in zip(given, shared, strict=True) if wish is not None
            }
            assert served == {things[0]: fussy, things[1]: any_gpu}
