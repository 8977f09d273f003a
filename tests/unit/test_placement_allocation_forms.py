"""What clients of each version may say about allocations, checked quickly and in jsonschema's words."""

from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from kcloud_api.placement import allocation_bodies, allocation_schemas
from kcloud_api.placement.allocation_bodies import INCOMPLETE, consumer_form, consumers_form, usages_form
from kcloud_api.placement.plain_check import is_uuid, plain_check
from kcloud_common.errors import BadRequest

CONSUMER = UUID(int=7)
PROVIDER = str(UUID(int=1))
RESOURCES = {"VCPU": 1}
OWNED = {"project_id": "p", "user_id": "u"}
LISTED = {"allocations": [{"resource_provider": {"uuid": PROVIDER}, "resources": RESOURCES}]}
KEYED = {"allocations": {PROVIDER: {"resources": RESOURCES}}, **OWNED}
COUNTED = {**KEYED, "consumer_generation": None}
MAPPED = {**COUNTED, "mappings": {"": [PROVIDER], "_a": [PROVIDER]}}
TYPED = {**COUNTED, "consumer_type": "INSTANCE"}
BODIES = {
    "listed": (LISTED, range(8)),
    "listed, owned": ({**LISTED, **OWNED}, range(8, 12)),
    "keyed": (KEYED, range(12, 28)),
    "counted": (COUNTED, range(28, 38)),
    "mapped": ({**COUNTED, "mappings": {"_a": [PROVIDER]}}, range(34, 38)),
    "typed": (TYPED, range(38, 40)),
    "typed and mapped": ({**TYPED, "mappings": {"_a": [PROVIDER]}}, range(38, 40)),
    "emptied": ({**COUNTED, "allocations": {}}, range(28, 38)),
    "emptied too early": ({**KEYED, "allocations": {}}, range(0)),
    "odd": ({**KEYED, "cow": 1}, range(0)),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_taken_by_its_versions_and_no_others(name: str) -> None:
    body, versions = BODIES[name]
    taken = [minor for minor in range(40) if refusal(minor, body) is None]
    assert taken == list(versions)
    for minor in {*range(40)}.difference(versions):
        assert str(refusal(minor, body)).startswith("JSON does not validate: ")


def refusal(minor: int, body: object) -> str | None:
    try:
        consumer_form(minor).body(orjson.dumps(body))
    except BadRequest as error:
        return error.message
    return None


def test_all_versions_come_out_as_the_newest_one_has_it() -> None:
    want = allocation_bodies.want(CONSUMER, LISTED, 0)
    assert (want.consumer.project_id, want.consumer.user_id, want.consumer.type) == (
        INCOMPLETE,
        INCOMPLETE,
        None,
    )
    assert not want.check_generation
    newest = allocation_bodies.want(CONSUMER, {**TYPED, "consumer_generation": 3}, 39)
    assert newest.amounts == want.amounts == {UUID(PROVIDER): RESOURCES}
    assert (newest.generation, newest.check_generation, newest.consumer.type) == (3, True, "INSTANCE")


def test_an_integer_may_be_written_as_a_float() -> None:
    body = {**KEYED, "allocations": {PROVIDER: {"resources": {"VCPU": 2.0}}}}
    said = consumer_form(12).body(orjson.dumps(body))
    amount = allocation_bodies.want(CONSUMER, said, 12).amounts[UUID(PROVIDER)]["VCPU"]
    assert (amount, type(amount)) == (2, int)


def test_no_json_is_said_to_be_none() -> None:
    with pytest.raises(BadRequest, match="Malformed JSON"):
        consumer_form(12).body(b"{")


def test_one_consumer_in_two_spellings_is_refused() -> None:
    low, high = str(UUID(int=10)), str(UUID(int=10)).upper()
    with pytest.raises(BadRequest, match="twice"):
        allocation_bodies.wants({low: KEYED, high: KEYED}, 13)


def test_usages_are_asked_for_by_type_only_since_there_are_types() -> None:
    asked = {"project_id": "p", "consumer_type": "all"}
    usages_form(38).query(asked)
    with pytest.raises(BadRequest, match="Additional properties are not allowed"):
        usages_form(37).query(asked)
    with pytest.raises(BadRequest, match="'project_id' is a required property"):
        usages_form(38).query({})


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3), st.floats(allow_nan=False), st.text(max_size=3),
    st.sampled_from([PROVIDER, "VCPU", "cow", "-" * 36]),
)  # fmt: skip
keys = st.sampled_from(
    [PROVIDER, "VCPU", "cow", "allocations", "resources", "resource_provider", "uuid", "mappings", *OWNED]
)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3)
)


@st.composite
def bodies(draw: st.DrawFn) -> Any:  # noqa: ANN401
    """A good body, or one with something in it put in another's place."""
    body = orjson.loads(
        orjson.dumps(draw(st.sampled_from([body for body, _ in BODIES.values()] + [{PROVIDER: TYPED}])))
    )
    place = body
    for _ in range(draw(st.integers(0, 3))):
        inner = [each for each in place.values() if isinstance(each, dict) and each]
        if not inner:
            break
        place = draw(st.sampled_from(inner))
    if place and draw(st.booleans()):
        place[draw(st.sampled_from([*place, "cow"]))] = draw(anything)
    return body


@given(bodies() | anything, st.integers(0, 39), st.booleans())
def test_what_is_plainly_right_is_right_for_jsonschema_too(body: object, minor: int, several: bool) -> None:
    of = allocation_schemas.of_consumers if several else allocation_schemas.of_consumer
    formats = FormatChecker(formats=())
    formats.checks("uuid")(is_uuid)
    if plain_check(of(minor))(body):
        assert Draft202012Validator(of(minor), format_checker=formats).is_valid(body)


@pytest.mark.parametrize("name", [name for name, (_, versions) in BODIES.items() if versions])
def test_what_clients_send_is_plainly_right(name: str) -> None:
    """Or every claim would pay for the library."""
    body, versions = BODIES[name]
    for minor in versions:
        assert consumer_form(minor).plainly_right(body)
        if minor >= 13:
            assert consumers_form(minor).plainly_right({PROVIDER: body})
