"""What placement is told about devices, and what a host's tree is changed by."""

from itertools import product
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kcloud_api.accelerator.inventory import (
    MISSING,
    Slice,
    Standing,
    device_providers,
    held_back,
    provider_id,
)
from kcloud_api.network.macs import mac
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.inventory import HostInventory, Inventory, ProviderInventory
from kcloud_api.placement.sync_plan import Current, plan
from kcloud_common.wire import DeviceState

HOST = UUID(int=1)
CARD = "pci_0000_41_00_0"


def piece(name: str = CARD, card: str = CARD, *traits: str, **facts: object) -> Slice:
    standing = {"state": DeviceState.FREE, **facts}
    resource_class = str(standing.pop("resource_class", "CUSTOM_NPU"))
    return Slice(name, card, resource_class, frozenset(traits), Standing(**standing))  # type: ignore[arg-type]


def test_a_whole_card_is_one_unit_below_its_host() -> None:
    (child,) = device_providers(HOST, "h1", [piece(CARD, CARD, "CUSTOM_REBELLIONS_ATOM")])
    assert child.id == provider_id(HOST, CARD)
    assert child.name == f"h1_{CARD}"
    assert child.inventories == {"CUSTOM_NPU": Inventory(1)}
    assert child.traits == {"CUSTOM_REBELLIONS_ATOM"}


def test_the_same_device_name_on_two_hosts_makes_two_providers() -> None:
    assert provider_id(HOST, "pci_1") != provider_id(UUID(int=2), "pci_1")


def test_a_cut_card_has_a_unit_for_each_slice_by_class_and_only_the_traits_of_all() -> None:
    slices = [
        piece("a", CARD, "CUSTOM_L40S", "CUSTOM_12Q", resource_class="VGPU"),
        piece("b", CARD, "CUSTOM_L40S", "CUSTOM_12Q", resource_class="VGPU", state=DeviceState.SANITISING),
        piece("c", CARD, "CUSTOM_L40S", resource_class="CUSTOM_VGPU_LARGE", claimed=True),
    ]
    (child,) = device_providers(HOST, "h1", slices)
    assert (child.id, child.name) == (provider_id(HOST, CARD), f"h1_{CARD}")
    assert child.inventories == {"VGPU": Inventory(2, reserved=1), "CUSTOM_VGPU_LARGE": Inventory(1)}
    assert child.traits == {"CUSTOM_L40S"}


def test_a_missing_slice_counts_while_it_is_held_and_a_missing_card_is_not_told_of() -> None:
    here, held, gone = piece("a"), piece("b", state=MISSING, claimed=True), piece("c", state=MISSING)
    (child,) = device_providers(HOST, "h1", [here, held, gone])
    assert child.inventories == {"CUSTOM_NPU": Inventory(2)}
    assert device_providers(HOST, "h1", [held, gone]) == ()


STANDINGS = [
    Standing(*facts)
    for facts in product(
        [*DeviceState, MISSING], [False, True], [False, True], ["", "smoke"], [0, 1, 2], [-1, 0, 1, 2],
        ["", "the signature does not fit"],
    )
]  # fmt: skip
"""Every combination that matters."""


def test_nothing_unclean_is_ever_offered() -> None:
    offered = 0
    for standing in STANDINGS:
        (child,) = device_providers(HOST, "h1", [replace_standing(standing)]) or (None,)
        if standing.claimed:
            assert held_back(standing) == ""
            continue
        may = held_back(standing) == ""
        offered += may
        assert child is None or child.inventories["CUSTOM_NPU"].reserved == (0 if may else 1)
        if may:
            assert standing.state == DeviceState.FREE
            assert not standing.maintenance
            assert not standing.quarantine
            assert standing.certified >= standing.begun
    assert offered


def replace_standing(standing: Standing) -> Slice:
    return Slice(CARD, CARD, "CUSTOM_NPU", frozenset(), standing)


def test_why_a_slice_is_held_back_is_said() -> None:
    assert "certified" in held_back(Standing(begun=3, certified=2))
    assert held_back(Standing(begun=3, certified=2, fault="it was altered")) == "it was altered"
    assert "quarantined" in held_back(Standing(state=DeviceState.QUARANTINED))
    assert "smoke" in held_back(Standing(quarantine="smoke"))
    stands = [held_back(Standing(state=state)) for state in (*DeviceState, MISSING)]
    assert len(set(stands)) == len(stands), "each in its own words"
    assert held_back(Standing(state=DeviceState.MAINTENANCE)) == "its host still has it in maintenance"
    assert held_back(Standing(state="melted")) == "its host reports the state 'melted'"
    assert "maintenance" in held_back(Standing(maintenance=True))
    assert held_back(Standing(begun=3, certified=3)) == ""


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
