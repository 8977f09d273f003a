"""What of a device's report can't be kept, and what that means for its card."""

from uuid import UUID

import pytest

from kcloud_api.accelerator.inventory import Slice, Standing, device_providers, held_back
from kcloud_api.accelerator.oddities import EMPTY, in_words, oddities
from kcloud_common.wire import DeviceReport, DeviceState
from tests.functional.scripted_agent import gpu, vgpus


def odd(**facts: object) -> DeviceReport:
    return gpu().model_copy(update=facts)


def test_ordinary_devices_have_no_oddities() -> None:
    assert not any(oddities(device) for device in (gpu(), *vgpus(4)))
    assert oddities(odd(numa_node=-1)) == {}
    assert oddities(odd(resource_class="CUSTOM_AICHIP")) == {}, "openKcloud's word for another class"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("resource_class", "CUSTOM_" + "A" * 300),
        ("resource_class", "CUSTOM_\x00"),
        ("resource_class", "not a class"),
        ("resource_class", ""),
        ("numa_node", 2**31),
        ("numa_node", -(2**200)),
        ("addresses", ("0000:41:00",)),
        ("addresses", ("x",)),
        ("addresses", ("0000:41:00.0",) * 300),
        ("traits", ("CUSTOM_\x00",)),
        ("traits", ("T" * 256,)),
        ("pci_path", ("\ud800",)),
    ],
)
def test_what_no_database_keeps_and_no_reader_understands_is_odd(field: str, value: object) -> None:
    found = oddities(odd(**{field: value}))
    assert list(found) == [field]
    assert in_words(found).isprintable()
    assert len(in_words(found)) < 200
    assert field in EMPTY


def test_an_odd_slice_is_left_out_of_its_card_and_takes_nothing_from_the_others() -> None:
    strange = Standing(odd="no resource class is called ''")
    slices = [
        Slice("a", "card", "VGPU", frozenset({"CUSTOM_A"}), Standing()),
        Slice("b", "card", "", frozenset(), strange),
    ]
    (provider,) = device_providers(UUID(int=1), "h1", slices)
    assert (provider.inventories["VGPU"].total, provider.traits) == (1, frozenset({"CUSTOM_A"}))
    assert "odd values" in held_back(strange)
    assert device_providers(UUID(int=1), "h1", slices[1:]) == ()
    held = Slice(
        "b", "card", "VGPU", frozenset(), Standing(state=DeviceState.ATTACHED, claimed=True, odd="x")
    )
    (provider,) = device_providers(UUID(int=1), "h1", [held])
    assert provider.inventories["VGPU"].total == 1, "what somebody holds counts"
