"""Reads the query strings of the Placement API, as the version that the client speaks has it. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from kcloud_api.placement.query_schemas import check_candidates, check_providers, group_key
from kcloud_api.placement.query_values import (
    BadValue,
    DuplicateKey,
    MissingValue,
    Traits,
    aggregates,
    amounts,
    trait_list,
    traits,
    tree_id,
)
from kcloud_api.placement.request import UNSUFFIXED, Group, ResourceRequest
from kcloud_api.placement.schema_check import refuse_nul
from kcloud_common.errors import BadRequest

Pairs = Iterable[tuple[str, str]]
Values = Mapping[str, list[str]]
"""Of each parameter all values, in the order given."""

NESTED = 29
"""Minor version from which clients know that providers make trees."""
RESOURCELESS = 36
MOST_CONDITIONS = 500
"""Each is a part of one statement; SQLite takes no thousand."""


@dataclass(frozen=True, slots=True)
class CandidateQuery:
    request: ResourceRequest
    limit: int | None


@dataclass(frozen=True, slots=True)
class ProviderQuery:
    """What a list of providers is narrowed by; None and empty narrow nothing. Of each set in `required` and
    `member_of` any one will do; all sets must be met."""

    name: str | None = None
    id: UUID | None = None
    in_tree: UUID | None = None
    resources: Mapping[str, int] = field(default_factory=dict)
    required: tuple[frozenset[str], ...] = ()
    forbidden: frozenset[str] = frozenset()
    member_of: tuple[frozenset[UUID], ...] = ()
    not_member_of: frozenset[UUID] = frozenset()


def candidate_query(pairs: Pairs, minor: int) -> CandidateQuery:
    """Of GET /allocation_candidates; `minor`: the version's second number. Raises BadRequest."""
    values = _collect(pairs)
    check_candidates({name: given[-1] for name, given in values.items()}, minor)
    root = _root_traits(values.get("root_required", []), minor)
    subtrees = _same_subtrees(values.get("same_subtree", []))
    groups = _groups(values, minor)
    if minor >= RESOURCELESS:
        _check_suffixes(groups, frozenset().union(*subtrees))
    else:
        _check_all_have_resources(groups)
    _check_conflicts(groups)
    policy = values.get("group_policy", [""])[0]
    if not policy and len(groups.keys() - {UNSUFFIXED}) > 1:
        raise BadRequest(
            'The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.'
        )
    request = ResourceRequest(
        groups,
        group_policy=policy or "none",
        same_subtrees=subtrees,
        root_required=frozenset().union(*root.required),
        root_forbidden=root.forbidden,
        flat=minor < NESTED,
    )
    return CandidateQuery(request, _limit(values))


def _check_number(required: Collection[object], member_of: Collection[object]) -> None:
    if len(required) + len(member_of) > MOST_CONDITIONS:
        raise BadRequest(
            "Invalid query string parameters: 'required' and 'member_of' have more than "
            f"{MOST_CONDITIONS} conditions together."
        )


def provider_query(pairs: Pairs, minor: int) -> ProviderQuery:
    """Of GET /resource_providers. Raises BadRequest."""
    values = _collect(pairs)
    last = {name: given[-1] for name, given in values.items()}
    check_providers(last, minor)
    in_aggregates = aggregates(values.get("member_of", []), minor)
    wanted = traits(values.get("required", []), minor)
    _check_number(wanted.required, in_aggregates.member_of)
    return ProviderQuery(
        name=last.get("name"),
        id=UUID(last["uuid"]) if "uuid" in last else None,
        in_tree=UUID(last["in_tree"]) if "in_tree" in last else None,
        resources=amounts(last["resources"]) if "resources" in last else {},
        required=wanted.required,
        forbidden=wanted.forbidden,
        member_of=in_aggregates.member_of,
        not_member_of=in_aggregates.not_member_of,
    )


def _collect(pairs: Pairs) -> dict[str, list[str]]:
    pairs = list(pairs)
    refuse_nul(pairs)
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _groups(values: Values, minor: int) -> dict[str, Group]:
    """By suffix, in the order in which they are first spoken of."""
    named: dict[str, dict[str, list[str]]] = {}
    for name, given in values.items():
        key = group_key(name, minor)
        if key is not None:
            named.setdefault(key.suffix, {})[key.word] = given
    return {suffix: _group(words, minor, suffix) for suffix, words in named.items()}


def _group(words: Values, minor: int, suffix: str) -> Group:
    asked = amounts(words["resources"][-1]) if "resources" in words else {}
    wanted = traits(words.get("required", []), minor)
    in_aggregates = aggregates(words.get("member_of", []), minor, suffix)
    _check_number(wanted.required, in_aggregates.member_of)
    in_tree = tree_id(words["in_tree"][-1]) if "in_tree" in words else None
    return Group(asked, *wanted, *in_aggregates, in_tree)


def _root_traits(values: list[str], minor: int) -> Traits:
    if not values:
        return Traits()
    if len(values) > 1:
        raise DuplicateKey("Query parameter 'root_required' may be specified only once.")
    wanted, unwanted = trait_list(values[0], minor)
    if both := unwanted.intersection(wanted):
        raise BadValue(
            f"Conflicting required and forbidden traits found in root_required: {', '.join(sorted(both))}"
        )
    return Traits(tuple(frozenset({name}) for name in wanted), unwanted)


def _same_subtrees(values: list[str]) -> tuple[frozenset[str], ...]:
    found = tuple(frozenset(part.strip() for part in value.split(",")) for value in values)
    if any(UNSUFFIXED in suffixes for suffixes in found):
        raise BadValue("Empty string (unsuffixed group) can not be specified in `same_subtree` ")
    # Said twice it means no more.
    return tuple(dict.fromkeys(found))


def _check_suffixes(groups: Mapping[str, Group], in_subtrees: frozenset[str]) -> None:
    """A group without resources must at least be near one with them."""
    resourceless = [suffix for suffix, group in groups.items() if not group.resources]
    if len(resourceless) == len(groups):
        raise MissingValue("There must be at least one resources or resources[$S] parameter.")
    if lonely := [suffix for suffix in resourceless if suffix not in in_subtrees]:
        raise BadValue(
            "Resourceless suffixed group request should be specified in `same_subtree` query param: "
            f"bad group(s) - {lonely}."
        )
    if unknown := sorted(in_subtrees - groups.keys()):
        raise BadValue(
            f"Real suffixes should be specified in `same_subtree`: {unknown} not found in {list(groups)}."
        )


def _check_all_have_resources(groups: Mapping[str, Group]) -> None:
    orphans = {suffix: group for suffix, group in groups.items() if not group.resources}
    if keys := [f"required{suffix}" for suffix, group in orphans.items() if group.required]:
        raise BadRequest(
            "All traits parameters must be associated with resources.  Found the following orphaned "
            f"traits keys: {', '.join(keys)}"
        )
    in_aggregates = {s: group for s, group in orphans.items() if group.member_of or group.not_member_of}
    if keys := [f"member_of{suffix}" for suffix in in_aggregates]:
        raise BadRequest(
            "All member_of parameters must be associated with resources. Found the following orphaned "
            f"member_of keys: {', '.join(keys)}"
        )
    if orphans:
        raise BadRequest("All request groups must specify resources.")
    if not groups:
        raise BadRequest("At least one request group (`resources` or `resources{$S}`) is required.")


def _check_conflicts(groups: Mapping[str, Group]) -> None:
    conflicts = sorted(
        f"required{suffix}: ({', '.join(sorted(any_of))})"
        for suffix, group in groups.items()
        for any_of in group.required
        if any_of <= group.forbidden
    )
    if conflicts:
        raise BadRequest(
            "Conflicting required and forbidden traits found in the following traits keys: "
            f"{', '.join(conflicts)}"
        )


def _limit(values: Values) -> int | None:
    """The first one counts, but it is the last one that was checked."""
    if "limit" not in values:
        return None
    text = values["limit"][0]
    if not (text.isascii() and text.isdecimal() and text[0] != "0"):
        raise BadRequest(f"Invalid query string parameters: limit must be 1 or more, not {text}")
    # Longer ones limit nothing either.
    return int(text[:18])
