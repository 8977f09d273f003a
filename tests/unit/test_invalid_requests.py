"""Pydantic's faults, retold in the words of JSON Schema."""

from typing import Annotated, Literal

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kcloud_api.http.invalid import first_fault, nova_sentence


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=5, pattern="^[a-z]*$")]
    size: Annotated[int, Field(ge=1, le=9)] = 1
    kind: Literal["ssh", "x509"] = "ssh"


class Outer(BaseModel):
    thing: Inner


def sentence(body: object) -> str:
    try:
        Outer.model_validate(body)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        return nova_sentence(first_fault(RequestValidationError(faults, body=body)))
    raise AssertionError("the body is valid")


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        ({"name": "toolong"}, "name. Value: toolong. 'toolong' is too long"),
        ({"name": ""}, "name. Value: . '' should be non-empty"),
        ({"name": 5}, "name. Value: 5. 5 is not of type 'string'"),
        ({"name": "A"}, "name. Value: A. 'A' does not match '^[a-z]*$'"),
        ({"name": "a", "size": 0}, "size. Value: 0. 0 is less than the minimum of 1"),
        ({"name": "a", "size": 10}, "size. Value: 10. 10 is greater than the maximum of 9"),
        ({"name": "a", "size": "x"}, "size. Value: x. 'x' is not of type 'integer'"),
        ({"name": "a", "kind": "pgp"}, "kind. Value: pgp. 'pgp' is not one of ['ssh', 'x509']"),
        ({"size": 1}, "thing. Value: {'size': 1}. 'name' is a required property"),
        ({"name": "a", "x": 1}, "thing. Value: {'name': 'a', 'x': 1}. Additional properties are not allowed "
         "('x' was unexpected)"),
        (5, "thing. Value: 5. 5 is not of type 'object'"),
    ],
)  # fmt: skip
def test_a_fault_names_its_field_and_value(thing: object, expected: str) -> None:
    assert sentence({"thing": thing}) == f"Invalid input for field/attribute {expected}"


def test_a_fault_at_the_top_names_only_what_is_missing() -> None:
    assert sentence({}) == "'thing' is a required property"
