"""What placement is told about devices, and what a host's tree is changed by."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcloud_api.accelerator.inventory import device_providers, provider_id
from kcloud_api.network.macs import mac
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.inventory import HostInventory, Inventory, ProviderInventory
from kcloud_api.placement.sync_plan import Current, plan
from kcloud_common.wire import DeviceReport, DeviceState

HOST = UUID(int=1)


def device(**facts: object) -> DeviceReport:
    base: dict[str, object] = {
        "name": "pci_0000_41_00_0", "addresses": ("0000:41:00.0",), "vendor_id": "1eff",
        "product_id": "1220", "resource_class": "CUSTOM_NPU", "traits": ("CUSTOM_REBELLIONS_ATOM",),
    }  # fmt: skip
    return DeviceReport.model_validate(base | facts)


def test_a_device_is_one_unit_below_its_host() -> None:
    (child,) = device_providers(HOST, "h1", [device()])
    assert child.id == provider_id(HOST, "pci_0000_41_00_0")
    assert child.name == "h1_pci_0000_41_00_0"
    assert child.inventories == {"CUSTOM_NPU": Inventory(1)}
    assert child.traits == {"CUSTOM_REBELLIONS_ATOM"}


def test_the_same_device_name_on_two_hosts_makes_two_providers() -> None:
    assert provider_id(HOST, "pci_1") != provider_id(UUID(int=2), "pci_1")


def test_the_class_that_openkcloud_calls_aichip_is_offered_as_npu() -> None:
    (child,) = device_providers(HOST, "h1", [device(resource_class="CUSTOM_AICHIP")])
    assert list(child.inventories) == ["CUSTOM_NPU"]


@pytest.mark.parametrize("known", [True, False])
def test_a_prepared_device_is_reserved_unless_its_claim_lives(known: bool) -> None:
    claim = uuid4()
    reported = device(state=DeviceState.CLAIMED, claim_id=claim)
    (child,) = device_providers(HOST, "h1", [reported], claims={claim} if known else ())
    assert child.inventories["CUSTOM_NPU"].reserved == (0 if known else 1)


def test_a_quarantined_device_is_reserved_even_while_its_claim_lives() -> None:
    claim = uuid4()
    reported = device(state=DeviceState.QUARANTINED, claim_id=claim, reason="would not reset")
    (child,) = device_providers(HOST, "h1", [reported], claims={claim})
    assert child.inventories["CUSTOM_NPU"].reserved == 1


def host(*children: ProviderInventory, vcpus: int = 4) -> HostInventory:
    return HostInventory(HOST, "h1", {"VCPU": Inventory(vcpus)}, frozenset(), children)


def test_what_vanished_goes_and_what_is_held_stays_reserved() -> None:
    current = {
        HOST: Current("h1", {"VCPU": Stock(4, max_unit=4)}, frozenset()),
        UUID(int=2): Current("free", {"PGPU": Stock(1, max_unit=1)}, frozenset()),
        UUID(int=3): Current("held", {"PGPU": Stock(1, max_unit=1, used=1)}, frozenset()),
    }
    gone, kept = plan(current, host())
    assert (gone.provider_id, gone.delete) == (UUID(int=2), True)
    assert (kept.provider_id, kept.delete) == (UUID(int=3), False)
    assert kept.put_stocks["PGPU"].reserved == 1


names = st.sampled_from(["a", "b", "c"])
inventories = st.dictionaries(
    st.sampled_from(["PGPU", "VGPU"]), st.builds(Inventory, st.integers(1, 3), st.integers(0, 1)), max_size=2
)
hosts = st.dictionaries(
    names, st.tuples(inventories, st.frozensets(st.sampled_from(["CUSTOM_A", "CUSTOM_B"]))), max_size=3
).map(
    lambda found: host(
        *(
            ProviderInventory(provider_id(HOST, name), f"h1_{name}", stocks, traits)
            for name, (stocks, traits) in found.items()
        )
    )
)


def applied(current: dict[UUID, Current], wanted: HostInventory) -> dict[UUID, Current]:
    result = dict(current)
    for change in plan(current, wanted):
        if change.delete:
            del result[change.provider_id]
            continue
        old = result.get(change.provider_id, Current(change.name, {}, frozenset()))
        kept = {name: stock for name, stock in old.stocks.items() if name not in change.drop_stocks}
        traits = (old.traits | change.add_traits) - change.drop_traits
        result[change.provider_id] = Current(change.name, kept | dict(change.put_stocks), traits)
    return result


@given(hosts, hosts)
def test_a_plan_converges_and_then_rests(before: HostInventory, after: HostInventory) -> None:
    state = applied(applied({}, before), after)
    assert plan(state, after) == ()
    assert state == applied({}, after)


@given(st.integers(0, 2**24 - 1))
def test_hardware_addresses_are_ours_and_well_formed(number: int) -> None:
    address = mac(number)
    assert address.startswith("fa:16:3e:")
    assert int(address.replace(":", ""), 16) == 0xFA163E << 24 | number
