"""What a body or a query may be: told quickly where it is right, in few words where it is not."""

from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kcloud_api.placement import schema_fault, schemas
from kcloud_api.placement.query import candidate_query, provider_query
from kcloud_api.placement.schema_check import LARGE, Form
from kcloud_common.errors import BadRequest

FORMS = (schemas.TRAITS_PUT, schemas.AGGREGATES_PUT_19, schemas.PROVIDER_POST_14, schemas.INVENTORIES_PUT)
NAMES = st.sampled_from(
    ["traits", "aggregates", "name", "uuid", "parent_provider_uuid", "resource_provider_generation",
     "inventories", "VCPU", "total", "x"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from([1.0, 1.5, "", "A", str(UUID(int=1))]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


def refusal(form: Form, raw: bytes) -> str:
    with pytest.raises(BadRequest) as caught:
        form.body(raw)
    return caught.value.message


@given(st.sampled_from(FORMS), st.dictionaries(NAMES, VALUES, max_size=4) | VALUES)
def test_small_and_large_documents_are_taken_and_refused_alike(form: Form, document: object) -> None:
    formats = schema_fault.FORMATS
    is_right = Draft202012Validator(form.schema, format_checker=formats).is_valid(document)
    assert not (form.plainly_right(document) and not is_right)
    assert (schema_fault.of_small(form.schema, document) is None) == is_right
    assert (schema_fault.of_large(form.schema, document) is None) == is_right


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"resource_provider_generation": 0, "traits": [*["T"] * LARGE, 5]}, f"at $.traits.{LARGE}"),
        ({"resource_provider_generation": 0, "traits": [5] * LARGE}, "not of type 'string' at $.traits.0"),
        ({"traits": ["T"] * LARGE}, "'resource_provider_generation' is a required property at $"),
        ([1] * LARGE, "[1, 1, 1,"),
        ({"resource_provider_generation": 0, "traits": [], **dict.fromkeys(map(str, range(LARGE)), 1)},
         "Additional properties are not allowed"),
        ({"resource_provider_generation": 0, "traits": {"k" * LARGE: 1}}, "{'kkkk"),
    ],
)  # fmt: skip
def test_of_a_large_body_the_first_mistake_is_told_in_few_words(document: object, words: str) -> None:
    said = refusal(schemas.TRAITS_PUT, orjson.dumps(document))
    assert words in said
    assert len(said) < 1200


def test_a_small_body_is_refused_in_the_words_of_the_library() -> None:
    said = refusal(schemas.TRAITS_PUT, b'{"traits": [5], "resource_provider_generation": 0}')
    assert "5 is not of type 'string'" in said
    assert "Failed validating 'type' in schema['properties']['traits']['items']" in said


def test_what_repeats_in_a_set_is_wrong() -> None:
    one = str(UUID(int=1))
    form = schemas.AGGREGATES_PUT_19
    assert form.plainly_right({"resource_provider_generation": 0, "aggregates": [one]})
    assert "has non-unique elements" in refusal(
        form, orjson.dumps({"resource_provider_generation": 0, "aggregates": [one, one]})
    )


@pytest.mark.parametrize(
    ("form", "document", "place"),
    [
        (schemas.PROVIDER_POST_14, {"name": "a\0b"}, "name"),
        (schemas.PROVIDER_PUT, {"name": "\0"}, "name"),
        (schemas.TRAITS_PUT, {"traits": ["A", "B\0"], "resource_provider_generation": 0}, "traits.1"),
        (schemas.TRAITS_PUT, {"tr\0its": [], "resource_provider_generation": 0}, "tr\\u0000its"),
    ],
)
def test_a_nul_is_refused_with_the_field_that_has_it(
    form: Form, document: dict[str, object], place: str
) -> None:
    raw = orjson.dumps(document)
    said = refusal(form, raw)
    assert said == f"JSON does not validate: '{place}' holds a NUL character, which cannot be stored."


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert schemas.PROVIDER_PUT.body(b'{"name": "a\\\\u0000"}') == {"name": "a\\u0000"}


def test_a_query_with_a_nul_is_refused_too() -> None:
    with pytest.raises(BadRequest, match="'name' holds a NUL"):
        provider_query([("name", "a\0")], 39)
    with pytest.raises(BadRequest, match="'required' holds a NUL"):
        candidate_query([("resources", "VCPU:1"), ("required", "\0")], 39)
    with pytest.raises(BadRequest, match="'associated' holds a NUL"):
        schemas.TRAITS_QUERY.query({"associated": "\0"})
