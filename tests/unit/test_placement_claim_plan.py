"""What a write of allocations changes, and whether it fits."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.claim_plan import Amounts, Move, misfit, moves

A, B = UUID(int=1), UUID(int=2)
ROOM = {(A, "VCPU"): Stock(10, used=4), (A, "DISK_GB"): Stock(100, min_unit=10, max_unit=50, step_size=5)}


def reason(*wanted: Amounts, held: tuple[Amounts, ...] = ()) -> str | None:
    found = misfit(wanted, moves(held, wanted), ROOM)
    return found.reason if found else None


def test_what_stays_the_same_is_no_move() -> None:
    assert moves([{A: {"VCPU": 2, "DISK_GB": 5}}], [{A: {"VCPU": 2}, B: {"VCPU": 1}}]) == (
        Move(A, "DISK_GB", -5),
        Move(B, "VCPU", 1),
    )


def test_what_one_consumer_gives_another_may_take() -> None:
    assert reason({A: {"VCPU": 8}}, {}, held=({A: {"VCPU": 4}},)) is None
    assert reason({A: {"VCPU": 11}}, {}, held=({A: {"VCPU": 4}},)) == "resource_class_short"


def test_several_consumers_count_together() -> None:
    assert reason({A: {"VCPU": 3}}, {A: {"VCPU": 3}}) is None
    assert reason({A: {"VCPU": 3}}, {A: {"VCPU": 4}}) == "resource_class_short"


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (5, "below_min_unit"),
        (55, "above_max_unit"),
        (12, "not_step_size"),
        (15, None),
        (10**30, "above_max_unit"),
    ],
)
def test_limits_hold_for_each_amount(amount: int, expected: str | None) -> None:
    assert reason({A: {"DISK_GB": amount}}) == expected


def test_limits_hold_even_for_what_is_held_already() -> None:
    assert reason({A: {"DISK_GB": 12}}, held=({A: {"DISK_GB": 12}},)) == "not_step_size"


def test_an_overcommitted_inventory_takes_what_does_not_make_it_worse() -> None:
    stocks = {(A, "VCPU"): Stock(4, used=10)}
    held = [{A: {"VCPU": 5}}]
    for amount, fits in ((3, True), (5, True), (6, False)):
        wanted = [{A: {"VCPU": amount}}]
        assert (misfit(wanted, moves(held, wanted), stocks) is None) is fits


def test_a_provider_without_any_of_the_classes_is_named_with_all_of_them() -> None:
    found = misfit([{B: {"VCPU": 1, "DISK_GB": 1}}], (), ROOM)
    assert found is not None
    assert found.sentence == f"Inventory for 'DISK_GB, VCPU' on resource provider '{B}' invalid."


def test_sentences_say_capacity_or_constraints() -> None:
    for amounts, words in (
        ({"VCPU": 7}, "exceed the capacity"),
        ({"DISK_GB": 5}, "violate inventory constraints"),
    ):
        found = misfit([{A: amounts}], moves((), [{A: amounts}]), ROOM)
        assert found is not None
        assert words in found.sentence


amounts = st.dictionaries(
    st.sampled_from([A, B]), st.dictionaries(st.sampled_from(["VCPU", "PGPU"]), st.integers(1, 9), min_size=1)
)


@given(st.lists(amounts, max_size=4), st.lists(amounts, max_size=4))
def test_moves_lead_from_what_is_held_to_what_is_wanted(held: list[Amounts], wanted: list[Amounts]) -> None:
    def total(sides: list[Amounts]) -> dict[tuple[UUID, str], int]:
        sums: dict[tuple[UUID, str], int] = {}
        for one in sides:
            for provider, classes in one.items():
                for name, amount in classes.items():
                    sums[provider, name] = sums.get((provider, name), 0) + amount
        return sums

    after = total(held)
    for move in moves(held, wanted):
        key = (move.provider_id, move.resource_class)
        after[key] = after.get(key, 0) + move.change
    assert {key: used for key, used in after.items() if used} == total(wanted)
