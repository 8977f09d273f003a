"""Reads the values of placement's query parameters: amounts, traits, aggregates, ids. Pure.

What is wrong is said in the words that the Placement API's clients know.
"""

from typing import NamedTuple
from uuid import UUID

from kcloud_common.errors import BadRequest

LARGEST = 2**31 - 1
FORBIDDEN_TRAITS = 22
ANY_TRAITS = 39
"""Minor versions from which `!TRAIT` and `in:TRAIT,TRAIT` (and `required` more than once) are understood."""
SEVERAL_MEMBER_OF = 24
FORBIDDEN_AGGREGATES = 32


class BadValue(BadRequest):
    code = "placement.query.bad_value"


class MissingValue(BadRequest):
    code = "placement.query.missing_value"


class DuplicateKey(BadRequest):
    code = "placement.query.duplicate_key"


class Traits(NamedTuple):
    """`required`: of each set any one."""

    required: tuple[frozenset[str], ...] = ()
    forbidden: frozenset[str] = frozenset()


class Aggregates(NamedTuple):
    member_of: tuple[frozenset[UUID], ...] = ()
    not_member_of: frozenset[UUID] = frozenset()


def amounts(text: str) -> dict[str, int]:
    """`VCPU:2,MEMORY_MB:1024`; whether there are such classes is not asked here."""
    if not text.strip():
        raise _badly_formed("empty string")
    found: dict[str, int] = {}
    for part in text.split(","):
        name, separator, number = part.partition(":")
        if not separator or ":" in number:
            raise _badly_formed(part)
        found[name] = _amount(name, number.strip())
    return found


def _badly_formed(text: str) -> BadRequest:
    return BadRequest(
        "Badly formed resources parameter. Expected resources query string parameter in form: "
        f"?resources=VCPU:2,MEMORY_MB:1024. Got: {text}."
    )


def _amount(name: str, text: str) -> int:
    digits = text.removeprefix("-")
    # Its length first: Python does not even read a number of some thousand digits.
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= len(str(LARGEST))
    if not is_number or int(text) > LARGEST:
        raise BadRequest(
            f"Requested resource {name} expected positive integer amount. Got: {text}.", field="resources"
        )
    if int(text) < 1:
        raise BadRequest(f"Requested resource {name} requires amount >= 1. Got: {text}.", field="resources")
    return int(text)


def traits(values: list[str], minor: int) -> Traits:
    """All values of one `required` parameter together; an older client's last one alone counts."""
    required: list[frozenset[str]] = []
    forbidden: frozenset[str] = frozenset()
    for value in values if minor >= ANY_TRAITS else values[-1:]:
        if value.startswith("in:"):
            required.append(_any_of(value, minor))
        else:
            wanted, unwanted = trait_list(value, minor)
            required += [frozenset({name}) for name in wanted]
            forbidden |= unwanted
    return Traits(tuple(dict.fromkeys(required)), forbidden)


def _any_of(value: str, minor: int) -> frozenset[str]:
    if minor < ANY_TRAITS:
        raise BadRequest(
            "Invalid query string parameters: The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported "
            f"since microversion 1.39. Got: {value}"
        )
    names = frozenset(name.strip() for name in value[3:].split(","))
    if "" in names:
        raise BadRequest(
            "Invalid query string parameters: Expected 'required' parameter value of the form: "
            f"in:HW_CPU_X86_VMX,CUSTOM_MAGIC. Got an empty trait in: {value}"
        )
    if any(name.startswith("!") for name in names):
        raise BadRequest(
            "Invalid query string parameters: The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' does not support "
            f"forbidden traits. Got: {value}"
        )
    return names


def trait_list(value: str, minor: int) -> tuple[list[str], frozenset[str]]:
    """`A,!B`: wanted, in order, and unwanted."""
    if value.startswith("in:"):
        # Only where sets of which any one will do are not understood (`root_required`).
        raise BadRequest(
            "Invalid query string parameters: The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported "
            f"since microversion 1.39. Got: {value}"
        )
    names = [name.strip() for name in value.split(",")]
    # However many exclamation marks: clients have come to rely on it.
    unwanted = frozenset(name.lstrip("!") for name in names if name.startswith("!"))
    form = "HW_CPU_X86_VMX,CUSTOM_MAGIC" if minor < FORBIDDEN_TRAITS else "HW_CPU_X86_VMX,!CUSTOM_MAGIC"
    expected = f"Invalid query string parameters: Expected 'required' parameter value of the form: {form}."
    if "" in names or "" in unwanted:
        raise BadRequest(f"{expected} Got an empty trait in: {value}")
    if unwanted and minor < FORBIDDEN_TRAITS:
        raise BadRequest(f"{expected} Got: {value}")
    return [name for name in names if not name.startswith("!")], unwanted


def aggregates(values: list[str], minor: int, suffix: str = "") -> Aggregates:
    """All values of one `member_of` parameter together."""
    if minor < SEVERAL_MEMBER_OF and len(values) > 1:
        raise BadRequest(f"Multiple member_of{suffix} parameters are not supported")
    required: list[frozenset[UUID]] = []
    forbidden: frozenset[UUID] = frozenset()
    for value in values:
        named = _aggregates_named(value)
        if not value.startswith("!"):
            required.append(named)
        elif minor < FORBIDDEN_AGGREGATES:
            raise BadRequest(
                f"Forbidden member_of{suffix} parameters are not supported in the specified microversion"
            )
        else:
            forbidden |= named
    return Aggregates(tuple(dict.fromkeys(required)), forbidden)


def _aggregates_named(value: str) -> frozenset[UUID]:
    """`A`, `!A`, `in:A,B` or `!in:A,B`."""
    text = value.removeprefix("!")
    if text.startswith("in:"):
        return frozenset(_aggregate(part) for part in text[3:].split(","))
    if "," in text:
        raise BadRequest(
            "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the "
            f"valid microversion. Got: {value}"
        )
    return frozenset({_aggregate(text)})


def _aggregate(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadRequest(
            "Invalid query string parameters: Expected 'member_of' parameter to contain valid UUID(s). "
            f"Got: {text}"
        ) from None


def tree_id(text: str) -> UUID:
    """Of `in_tree`."""
    try:
        return UUID(text.strip())
    except ValueError:
        raise BadRequest(
            "Invalid query string parameters: Expected 'in_tree' parameter to be a format of uuid. "
            f"Got: {text}",
            field="in_tree",
        ) from None
