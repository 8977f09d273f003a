"""Placement's query parameters, as hostile as they come."""

import pytest

from kcloud_api.placement.query import amounts
from kcloud_common.errors import BadRequest


def test_amounts_are_read_by_class() -> None:
    assert amounts("resources", "VCPU:2,MEMORY_MB:2147483647") == {"VCPU": 2, "MEMORY_MB": 2**31 - 1}


@pytest.mark.parametrize(
    "text", ["VCPU:" + "9" * 5000, "VCPU:2147483648", "VCPU:0", "VCPU:-1", "VCPU:\u0665"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        amounts("resources", text)
