"""Layouts that no back end could make are refused, with the field that is to blame."""

from typing import Any

import pytest
from pydantic import ValidationError

from kcloud_api.hosts.layouts.bodies import LayoutBody, check, merged
from kcloud_common.errors import BadRequest
from kcloud_common.wire import Sharing, SharingPolicy

CUT: dict[str, Any] = {"kind": "mdev", "type": "nvidia-558", "count": 4}
QUARTERS = {"match": "10de:26b9", "cuts": [CUT], "sharing": {"policy": "equal", "quantum_us": 2000}}


def read(*cards: dict[str, Any]) -> LayoutBody:
    return LayoutBody.model_validate({"name": "x", "target": {"kind": "all"}, "cards": cards})


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"match": "all"}, "cards.0.match"),
    ({"cuts": [{**CUT, "kind": "magic"}]}, "kind"),
    ({"cuts": [{**CUT, "count": 0}]}, "count"),
    ({"cuts": [{**CUT, "count": 5000}]}, "count"),
    ({"cuts": [CUT, CUT]}, "cards.0.cuts.1"),
    ({"cuts": [{"kind": "whole", "count": 2}], "sharing": None}, "cards.0.cuts.0.kind"),
    ({"cuts": [{"kind": "mdev", "count": 2}]}, "cards.0.cuts.0.type"),
    ({"cuts": [{"kind": "vf", "type": "x"}], "sharing": None}, "cards.0.cuts.0.type"),
    ({"cuts": [{**CUT, "memory_mib": 5}]}, "cards.0.cuts.0.memory_mib"),
    ({"cuts": [{**CUT, "resource_class": "VCPU"}]}, "cards.0.cuts.0.resource_class"),
    ({"cuts": [{**CUT, "resource_class": "vgpu"}]}, "cards.0.cuts.0.resource_class"),
    ({"cuts": [{**CUT, "traits": ["FAST"]}]}, "cards.0.cuts.0.traits"),
    ({"sharing": {"policy": "lottery"}}, "policy"),
    ({"sharing": {"policy": "equal", "weight": 3}}, "cards.0.cuts.0.sharing.weight"),
    ({"sharing": {"quantum_us": 5}}, "cards.0.cuts.0.sharing.quantum_us"),
    ({"cuts": [{"kind": "vf", "count": 2}]}, "cards.0.cuts.0.sharing"),
    ({"cuts": [{"kind": "xe-vf", "count": 2}]}, "cards.0.cuts.0.sharing.policy"),
    ({"cuts": []}, "cards.0.sharing"),
    ({"cuts": [CUT, {**CUT, "type": "b"}], "sharing": {"policy": "fixed"}}, "cards.0.cuts"),
    ({"cuts": [{**CUT, "type": f"nvidia-{number}"} for number in range(257)]}, "cards.0.cuts"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "field"), WRONG)
def test_what_no_back_end_could_do_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises((ValidationError, BadRequest)) as refused:
        check(read({**QUARTERS, **change}).cards)
    error = refused.value
    if isinstance(error, ValidationError):
        assert error.errors()[0]["loc"][-1] == field
        return
    assert isinstance(error, BadRequest)
    assert error.details["field"] == field
    assert error.message.startswith(f"{field}: ")


@pytest.mark.parametrize(
    "card",
    [
        QUARTERS,
        {"match": "known"},
        {"match": "address:0000:41:00.0", "cuts": [{"kind": "whole"}]},
        {"match": "class:1200", "cuts": [{"kind": "vf", "count": 8, "resource_class": "CUSTOM_NPU_SLICE"}]},
        {"match": "8086:e211", "cuts": [{"kind": "xe-vf", "count": 4, "memory_mib": 4096}],
         "sharing": {"quantum_us": 8000, "preempt_timeout_us": 640, "weight": 2}},
        {"match": "10de:20b5", "cuts": [CUT, {**CUT, "type": "nvidia-560", "resource_class": "CUSTOM_BIG"}],
         "sharing": {"policy": "best-effort"}},
    ],
)  # fmt: skip
def test_what_a_back_end_could_do_is_taken(card: dict[str, Any]) -> None:
    check(read(card).cards)


def test_a_cut_has_the_cards_words_where_it_has_none_of_its_own() -> None:
    card = Sharing(policy=SharingPolicy.EQUAL, quantum_us=2000)
    assert merged(card, Sharing(quantum_us=500)) == Sharing(policy=SharingPolicy.EQUAL, quantum_us=500)
    assert merged(None, None) == Sharing()
