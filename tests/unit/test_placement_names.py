"""Which names traits and resource classes may have."""

import pytest

from kcloud_api.placement.names import LONGEST, is_resource_class, is_trait


@pytest.mark.parametrize("name", ["CUSTOM_A", "CUSTOM_1_B", "CUSTOM_" + "A" * (LONGEST - 7)])
def test_names_of_ones_own_are_in_capitals(name: str) -> None:
    assert is_trait(name)
    assert is_resource_class(name)


@pytest.mark.parametrize(
    "name",
    ["CUSTOM_", "CUSTOM_A\n", "\nCUSTOM_A", "CUSTOM_a", "CUSTOM_A B", "CUSTOM_" + "A" * (LONGEST - 6), ""],
)
def test_others_are_no_names(name: str) -> None:
    assert not is_trait(name)
    assert not is_resource_class(name)
