"""Reads the query strings of the Placement API. Pure.

Not understood yet, and refused rather than ignored: `member_of`, `same_subtree`, `required=in:`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from kcloud_api.placement.names import is_resource_class
from kcloud_api.placement.request import UNSUFFIXED, Group, ResourceRequest, all_of
from kcloud_common.errors import BadRequest

Pairs = Iterable[tuple[str, str]]
GROUP_KEY = re.compile(r"^(resources|required)([a-zA-Z0-9_-]{1,64})?$")
LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CandidateQuery:
    request: ResourceRequest
    limit: int | None


@dataclass(frozen=True, slots=True)
class ProviderQuery:
    """What a list of providers is narrowed by; None and empty narrow nothing."""

    name: str | None = None
    id: UUID | None = None
    in_tree: UUID | None = None
    resources: Mapping[str, int] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()


def candidate_query(pairs: Pairs) -> CandidateQuery:
    """Of GET /allocation_candidates. BadRequest names the parameter."""
    resources: dict[str, Mapping[str, int]] = {}
    required: dict[str, frozenset[str]] = {}
    forbidden: dict[str, frozenset[str]] = {}
    single: dict[str, str] = {}
    for key, value in pairs:
        match = GROUP_KEY.match(key)
        suffix = (match[2] or UNSUFFIXED) if match else UNSUFFIXED
        if match and match[1] == "resources":
            _once(suffix in resources, key)
            resources[suffix] = amounts(key, value)
        elif match:
            wanted, unwanted = traits(key, value)
            required[suffix] = required.get(suffix, frozenset()) | wanted
            forbidden[suffix] = forbidden.get(suffix, frozenset()) | unwanted
        elif key in ("limit", "group_policy", "in_tree", "root_required"):
            _once(key in single, key)
            single[key] = value
        else:
            raise _unknown(key)
    _check_groups(resources, required, single.get("group_policy"))
    root_wanted, root_unwanted = traits("root_required", single.get("root_required", ""))
    in_tree = uuid("in_tree", single["in_tree"]) if "in_tree" in single else None
    none: frozenset[str] = frozenset()
    groups = {
        suffix: Group(
            asked,
            all_of(*sorted(required.get(suffix, none))),
            forbidden.get(suffix, none),
            in_tree=in_tree if suffix == UNSUFFIXED else None,
        )
        for suffix, asked in resources.items()
    }
    policy = single.get("group_policy", "none")
    request = ResourceRequest(
        groups, group_policy=policy, root_required=root_wanted, root_forbidden=root_unwanted
    )
    return CandidateQuery(request, _limit(single["limit"]) if "limit" in single else None)


def provider_query(pairs: Pairs) -> ProviderQuery:
    """Of GET /resource_providers. BadRequest names the parameter."""
    given: dict[str, str] = {}
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    for key, value in pairs:
        if key == "required":
            wanted, unwanted = traits(key, value)
            required, forbidden = required | wanted, forbidden | unwanted
        elif key in ("name", "uuid", "in_tree", "resources"):
            _once(key in given, key)
            given[key] = value
        else:
            raise _unknown(key)
    return ProviderQuery(
        name=given.get("name"),
        id=uuid("uuid", given["uuid"]) if "uuid" in given else None,
        in_tree=uuid("in_tree", given["in_tree"]) if "in_tree" in given else None,
        resources=amounts("resources", given["resources"]) if "resources" in given else {},
        required=required,
        forbidden=forbidden,
    )


def amounts(key: str, text: str) -> dict[str, int]:
    """`VCPU:2,MEMORY_MB:1024`."""
    found: dict[str, int] = {}
    for part in text.split(","):
        name, separator, number = part.strip().partition(":")
        # Its length first: Python does not even read a number of some thousand digits.
        is_number = number.isascii() and number.isdecimal() and len(number) <= len(str(LARGEST))
        if not (separator and is_number and 0 < int(number) <= LARGEST):
            raise BadRequest(
                f"Badly formed {key} parameter: want CLASS:AMOUNT,... (1 or more). Got: {text}",
                field=key,
            )
        if not is_resource_class(name):
            raise BadRequest(f"Invalid resource class in {key} parameter: {name}", field=key)
        _once(name in found, f"{key} ({name})")
        found[name] = int(number)
    return found


def traits(key: str, text: str) -> tuple[frozenset[str], frozenset[str]]:
    """`A,!B`: wanted and unwanted."""
    names = [name.strip() for name in text.split(",")] if text else []
    if any(name in ("", "!") for name in names):
        raise BadRequest(f"Badly formed {key} parameter: want TRAIT,!TRAIT,... Got: {text}", field=key)
    if text.startswith("in:"):
        raise BadRequest(f"{key}=in:... is not supported.", field=key)
    unwanted = frozenset(name[1:] for name in names if name.startswith("!"))
    wanted = frozenset(name for name in names if not name.startswith("!"))
    if both := wanted & unwanted:
        raise BadRequest(f"{key} both requires and forbids {', '.join(sorted(both))}.", field=key)
    return wanted, unwanted


def uuid(key: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadRequest(f"Expected {key} parameter to be a UUID. Got: {text}", field=key) from None


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise BadRequest(
            f"Invalid query string parameters: limit must be 1 or more, not {text}", field="limit"
        )
    return int(text)


def _check_groups(
    resources: Mapping[str, Mapping[str, int]], required: Mapping[str, object], policy: str | None
) -> None:
    if not resources:
        raise BadRequest("At least one request group (`resources` or `resources{$S}`) is required.")
    for suffix in sorted(required.keys() - resources.keys()):
        raise BadRequest(
            f"All request groups must specify resources: `required{suffix}` has no `resources{suffix}`.",
            field=f"required{suffix}",
        )
    if policy not in (None, "none", "isolate"):
        raise BadRequest("group_policy must be 'none' or 'isolate'.", field="group_policy")
    if policy is None and len(resources.keys() - {UNSUFFIXED}) > 1:
        raise BadRequest(
            'The "group_policy" parameter is required when specifying more than one '
            '"resources{N}" parameter.',
            field="group_policy",
        )


def _once(again: bool, key: str) -> None:
    if again:
        raise BadRequest(f"Query parameter {key} is given more than once.", field=key)


def _unknown(key: str) -> BadRequest:
    return BadRequest(f"Invalid query string parameters: {key!r} is not supported.", field=key)
