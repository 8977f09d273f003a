"""By which policy a flavor's devices are chosen."""

import pytest

from kcloud_api.scheduler.device_policy import NOVA_WORDS, NOVAS, OURS, device_policy
from kcloud_api.scheduler.topology import Policy
from kcloud_common.errors import BadRequest


@pytest.mark.parametrize("policy", list(Policy))
def test_a_flavor_that_says_nothing_gets_the_configured_policy(policy: Policy) -> None:
    assert device_policy({"resources:PGPU": "1"}, policy) is policy
    assert device_policy({NOVAS: "legacy"}, policy) is policy


@pytest.mark.parametrize("policy", list(Policy))
def test_a_flavor_names_its_policy(policy: Policy) -> None:
    assert device_policy({OURS: policy.value}, Policy.SPREAD) is policy


@pytest.mark.parametrize(
    ("novas", "ours", "policy"),
    [
        ("required", None, Policy.SAME_NUMA),
        ("socket", None, Policy.SAME_NUMA),
        ("preferred", None, Policy.PACK),
        ("preferred", "spread", Policy.SPREAD),
        ("preferred", "same-switch", Policy.SAME_SWITCH),
        ("legacy", "spread", Policy.SPREAD),
        ("required", "pack", Policy.SAME_NUMA),
        ("required", "same-numa", Policy.SAME_NUMA),
        ("required", "same-switch", Policy.SAME_SWITCH),
    ],
)
def test_novas_words_are_understood_beside_ours(novas: str, ours: str | None, policy: Policy) -> None:
    assert device_policy({NOVAS: novas, **({OURS: ours} if ours else {})}, Policy.SPREAD) is policy


@pytest.mark.parametrize(
    ("specs", "key"),
    [
        ({OURS: "scatter"}, OURS),
        ({OURS: ""}, OURS),
        ({OURS: "PACK"}, OURS),
        ({NOVAS: "strict"}, NOVAS),
        ({NOVAS: "required", OURS: "spread"}, OURS),
    ],
)
def test_a_word_that_is_none_is_refused_by_its_key(specs: dict[str, str], key: str) -> None:
    with pytest.raises(BadRequest, match=key) as raised:
        device_policy(specs)
    assert raised.value.details["field"] == key


def test_all_of_novas_words_are_known() -> None:
    assert set(NOVA_WORDS) == {"required", "preferred", "legacy", "socket"}
