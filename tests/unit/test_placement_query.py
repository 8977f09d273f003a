"""Placement's query parameters, version by version and as hostile as they come."""

from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcloud_api.placement.query import CandidateQuery, candidate_query, provider_query
from kcloud_api.placement.query_values import amounts
from kcloud_api.placement.request import Group, all_of
from kcloud_api.placement.schema_check import Form
from kcloud_common.errors import BadRequest

NEWEST = 39
A, B = UUID(int=0xA), UUID(int=0xB)


def read(minor: int = NEWEST, **params: str | list[str]) -> CandidateQuery:
    pairs = [
        (name, value)
        for name, values in params.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    return candidate_query(pairs, minor)


def test_amounts_are_read_by_class() -> None:
    assert amounts("VCPU:2,MEMORY_MB:2147483647") == {"VCPU": 2, "MEMORY_MB": 2**31 - 1}


@pytest.mark.parametrize(
    "text",
    ["VCPU:" + "9" * 5000, "VCPU:2147483648", "VCPU:0", "VCPU:-1", "VCPU:\u0665", "VCPU:--1", "VCPU:1_0"],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        amounts(text)


def test_a_group_carries_all_its_conditions() -> None:
    asked = read(
        resources="VCPU:1", required=["CUSTOM_A,!CUSTOM_B", "in:CUSTOM_C,CUSTOM_D"],
        resources_GPU="PGPU:1,VGPU:2", member_of_GPU=[f"in:{A},{B}", f"!{A}"], in_tree_GPU=str(B),
        group_policy="isolate", root_required="CUSTOM_R,!CUSTOM_S", limit="7",
    )  # fmt: skip
    assert asked.limit == 7
    request = asked.request
    assert request.groups == {
        "": Group(
            {"VCPU": 1},
            (frozenset({"CUSTOM_A"}), frozenset({"CUSTOM_C", "CUSTOM_D"})),
            frozenset({"CUSTOM_B"}),
        ),
        "_GPU": Group(
            {"PGPU": 1, "VGPU": 2}, member_of=(frozenset({A, B}),), not_member_of=frozenset({A}), in_tree=B
        ),
    }
    assert request.group_policy == "isolate"
    assert request.root_required == {"CUSTOM_R"}
    assert request.root_forbidden == {"CUSTOM_S"}
    assert not request.flat


def test_a_group_without_resources_is_read_where_it_is_near_one_with_them() -> None:
    request = read(
        resources_A="PGPU:1", required_B="CUSTOM_NUMA", same_subtree=["_A,_B"], group_policy="none"
    ).request
    assert request.groups["_B"] == Group({}, all_of("CUSTOM_NUMA"))
    assert request.same_subtrees == (frozenset({"_A", "_B"}),)


def test_older_clients_know_no_trees() -> None:
    assert read(28, resources="VCPU:1").request.flat


def test_of_required_an_older_clients_last_one_counts() -> None:
    asked = read(38, resources="VCPU:1", required=["CUSTOM_A", "CUSTOM_B"])
    assert asked.request.groups[""].required == all_of("CUSTOM_B")


@pytest.mark.parametrize(
    ("minor", "params", "words"),
    [
        (15, {"limit": "1"}, "'limit' was unexpected"),
        (16, {"limit": "0"}, "Failed validating 'pattern'"),
        (16, {"limit": ["x", "1"]}, "limit must be 1 or more"),
        (16, {"required": "CUSTOM_A"}, "'required' was unexpected"),
        (20, {"member_of": str(A)}, "'member_of' was unexpected"),
        (24, {"resources1": "VCPU:1"}, "'resources1' was unexpected"),
        (24, {"group_policy": "none"}, "'group_policy' was unexpected"),
        (30, {"in_tree": str(A)}, "'in_tree' does not match any of the regexes"),
        (32, {"resources_A": "VCPU:1"}, "'resources_A' does not match any of the regexes"),
        (34, {"root_required": "CUSTOM_A"}, "'root_required'"),
        (35, {"same_subtree": "_A"}, "'same_subtree'"),
        (25, {"group_policy": "bogus"}, "'bogus' is not one of ['none', 'isolate']"),
        (25, {"resources1": "VCPU:1", "resources2": "VCPU:1"}, 'The "group_policy" parameter is required'),
        (21, {"required": "!CUSTOM_A"}, "of the form: HW_CPU_X86_VMX,CUSTOM_MAGIC. Got: !CUSTOM_A"),
        (22, {"required": "CUSTOM_A,!CUSTOM_A"}, "Conflicting required and forbidden traits"),
        (22, {"required": ","}, "Got an empty trait"),
        (38, {"required": "in:CUSTOM_A"}, "only supported since microversion 1.39"),
        (39, {"required": "in:CUSTOM_A,!CUSTOM_B"}, "does not support forbidden traits"),
        (39, {"required": "in:"}, "Got an empty trait in: in:"),
        (23, {"member_of": [str(A), str(B)]}, "Multiple member_of parameters are not supported"),
        (31, {"resources1": "VCPU:1", "member_of1": f"!{A}"}, "Forbidden member_of1 parameters are not"),
        (32, {"member_of": f"{A},{B}"}, "must be prefixed with the 'in:'"),
        (32, {"member_of": "in:"}, "to contain valid UUID(s)"),
        (31, {"in_tree": "here"}, "Expected 'in_tree' parameter to be a format of uuid"),
        (35, {"root_required": ["CUSTOM_A", "CUSTOM_B"]}, "may be specified only once"),
        (35, {"root_required": "CUSTOM_A,!CUSTOM_A"}, "found in root_required: CUSTOM_A"),
        (35, {"required1": "CUSTOM_A"}, "orphaned traits keys: required1"),
        (35, {"member_of1": str(A)}, "orphaned member_of keys: member_of1"),
        (35, {"in_tree1": str(A)}, "All request groups must specify resources."),
        (36, {"required1": "CUSTOM_A"}, "bad group(s) - ['1']"),
        (36, {"resources_A": "VCPU:1", "same_subtree": "A,_A"}, "['A'] not found in"),
        (36, {"resources_A": "VCPU:1", "same_subtree": "_A,,"}, "Empty string (unsuffixed group)"),
    ],
)  # fmt: skip
def test_what_a_version_does_not_take_is_refused_in_the_usual_words(
    minor: int, params: dict[str, str | list[str]], words: str
) -> None:
    with pytest.raises(BadRequest) as raised:
        read(minor, resources="VCPU:1", **params)
    assert words in raised.value.message


@pytest.mark.parametrize(
    ("minor", "words"),
    [
        (10, "'resources' is a required property"),
        (25, "At least one request group"),
        (36, "There must be at least one resources or resources[$S] parameter."),
    ],
)
def test_something_must_be_asked_for(minor: int, words: str) -> None:
    with pytest.raises(BadRequest) as raised:
        read(minor)
    assert words in raised.value.message


def test_a_list_of_providers_is_narrowed_by_the_same_words() -> None:
    query = provider_query(
        [("required", "in:CUSTOM_A,CUSTOM_B"), ("member_of", f"!in:{A},{B}"), ("resources", "VCPU:1")], NEWEST
    )
    assert query.required == (frozenset({"CUSTOM_A", "CUSTOM_B"}),)
    assert query.not_member_of == {A, B}
    assert query.resources == {"VCPU": 1}


@pytest.mark.parametrize(
    ("minor", "name", "value", "words"),
    [
        (2, "member_of", str(A), "'member_of' was unexpected"),
        (3, "resources", "VCPU:1", "'resources' was unexpected"),
        (13, "in_tree", str(A), "'in_tree' was unexpected"),
        (14, "in_tree", "here", "'here' is not a 'uuid'"),
        (17, "required", "CUSTOM_A", "'required' was unexpected"),
        (39, "colour", "red", "'colour' was unexpected"),
    ],
)
def test_a_list_of_providers_takes_what_its_version_takes(
    minor: int, name: str, value: str, words: str
) -> None:
    with pytest.raises(BadRequest) as raised:
        provider_query([(name, value)], minor)
    assert words in raised.value.message


NAMES = st.sampled_from(
    [
        "resources",
        "required",
        "member_of",
        "in_tree",
        "limit",
        "group_policy",
        "root_required",
        "same_subtree",
    ]
)
KEYS = st.builds(lambda name, suffix: name + suffix, NAMES, st.sampled_from(["", "1", "_A", "01", "@", "\n"]))
TEXTS = st.text(max_size=12) | st.sampled_from(["VCPU:1", "in:", "!", "CUSTOM_A", str(A), "1", "_A", "none"])


@given(st.lists(st.tuples(KEYS, TEXTS), max_size=6), st.integers(0, NEWEST))
def test_whatever_is_asked_the_answer_is_a_request_or_a_bad_request(
    pairs: list[tuple[str, str]], minor: int
) -> None:
    for reader in (candidate_query, provider_query):
        with suppress(BadRequest):
            reader(pairs, minor)


def test_no_query_has_more_conditions_than_a_statement_takes() -> None:
    several = [str(UUID(int=number)) for number in range(501)]
    with pytest.raises(BadRequest, match="more than 500 conditions"):
        provider_query([("member_of", each) for each in several], NEWEST)
    with pytest.raises(BadRequest, match="more than 500 conditions"):
        read(resources="VCPU:1", member_of=several)


def test_the_same_subtree_said_twice_is_one() -> None:
    asked = read(resources_a="VCPU:1", resources_b="VCPU:1", group_policy="none", same_subtree=["_a,_b"] * 9)
    assert asked.request.same_subtrees == (frozenset({"_a", "_b"}),)


@pytest.mark.parametrize("depth", [2, 900])
def test_a_body_that_is_nested_too_deeply_to_be_quoted_is_refused(depth: int) -> None:
    form = Form({"type": "object", "properties": {"name": {"type": "string"}}})
    with pytest.raises(BadRequest, match="JSON does not validate: "):
        form.body(b'{"name":' + b"[" * depth + b"]" * depth + b"}")
