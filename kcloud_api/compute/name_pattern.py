"""Decides which name filters are safe to run: Nova's is a regular expression that any tenant may send. Pure.

Python's engine, which SQLite uses, backtracks and holds the interpreter meanwhile: `(a|a)*b` against a name
of sixty letters would stop the whole control plane for years. So choices (repetitions and alternatives) are
few and never inside one another; then a match costs at most the square of a name's length.
"""

import re

from kcloud_common.errors import BadRequest

MOST_CHOICES = 2
"""In a pattern that starts with `^`; one that may match anywhere has made its first choice already."""

_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?|\)[*+?{]|[*+?{|]|.", re.DOTALL)
_QUANTIFIERS = frozenset("*+?{")
_CHOICES = _QUANTIFIERS | {"|"}


def checked_pattern(pattern: str) -> str:
    """The pattern, without what a search does anyway. BadRequest for one that is none, or could take long."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadRequest(f"Invalid name filter {pattern!r}: {error}", field="name") from error
    parts = _without_ends(_PART.findall(pattern))
    nested = any(part == "(?" or (part[0] == ")" and len(part) > 1) for part in parts)
    recalls = any(part[0] == "\\" and part[1:].isdigit() for part in parts)
    choices = sum(part in _CHOICES for part in parts)
    if nested or recalls or choices > MOST_CHOICES - (parts[:1] != ["^"]):
        raise BadRequest(
            f"The name filter {pattern!r} could take too long: it may have {MOST_CHOICES} repetitions or "
            "alternatives after a '^', one without it, and none of a group.",
            field="name",
        )
    return "".join(parts)


def _without_ends(parts: list[str]) -> list[str]:
    """`^.*` at the start and `.*$` at the end say what a search does by itself."""
    for start in (["^", ".", "*"], [".", "*"]):
        after = parts[len(start) : len(start) + 1]
        if parts[: len(start)] == start and not _QUANTIFIERS.intersection(after):
            parts = parts[len(start) :]
    for end in ([".", "*", "$"], [".", "*"]):
        if parts[-len(end) :] == end:
            parts = parts[: -len(end)]
    return parts
