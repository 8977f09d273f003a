"""Says in extra specs what a device profile stands for, and which of its groups a device serves. Pure.

A flavor names a profile (`accel:device_profile=NAME`); each of the profile's groups becomes a group of its
own, `device_profile_N`, as Nova does it: all that one group asks for comes from one card.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kcloud_common.errors import BadRequest

KEY = "accel:device_profile"
SUFFIX = "device_profile_"
_RESOURCES = re.compile(rf"^resources{SUFFIX}(\d+):(.+)$")
_TRAIT = re.compile(rf"^trait{SUFFIX}(\d+):(.+)$")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One accelerator that a profile asks for."""

    group: int
    resource_class: str
    required: frozenset[str]


@dataclass(frozen=True, slots=True)
class Given:
    """What a server holds."""

    resource_class: str
    traits: frozenset[str]


def as_extra_specs(groups: Iterable[Mapping[str, str]]) -> dict[str, str]:
    specs: dict[str, str] = {}
    for number, group in enumerate(groups):
        for key, value in group.items():
            prefix, _, name = key.partition(":")
            specs[f"{prefix}{SUFFIX}{number}:{name}"] = value
    return specs


def check_apart(extra_specs: Mapping[str, str], asked: Mapping[str, str]) -> None:
    """BadRequest where a flavor says itself what a group of a profile or an alias says."""
    suffixes = {_group_of(key) for key in asked} - {""}
    for key in sorted(extra_specs):
        if _group_of(key) in suffixes:
            raise BadRequest(
                f"Extra spec {key} is of a group that the flavor's device profile or PCI alias has.",
                field=key,
            )


def _group_of(key: str) -> str:
    head, colon, _ = key.partition(":")
    return head.removeprefix("resources").removeprefix("trait") if colon else ""


def wanted(asked: Mapping[str, str]) -> tuple[Wanted, ...]:
    """Each single accelerator that these extra specs of a profile ask for, by group."""
    required: dict[int, set[str]] = {}
    for key, value in asked.items():
        if (trait := _TRAIT.match(key)) and value == "required":
            required.setdefault(int(trait[1]), set()).add(trait[2])
    found = [
        Wanted(int(match[1]), match[2], frozenset(required.get(int(match[1]), ())))
        for key, value in sorted(asked.items())
        if (match := _RESOURCES.match(key))
        for _ in range(int(value))
    ]
    return tuple(sorted(found, key=lambda each: each.group))


def shared_out(wants: Sequence[Wanted], given: Sequence[Given]) -> tuple[int | None, ...]:
    """Which wish each thing given fulfils, by its place among the wishes; None: it was given for something
    else. As many wishes as possible are fulfilled, however the groups overlap."""
    taken: dict[int, int] = {}
    """Places among what is given, with their wishes."""

    def find(wish: int, tried: set[int]) -> bool:
        for place, each in enumerate(given):
            if place in tried or not _serves(each, wants[wish]):
                continue
            tried.add(place)
            if place not in taken or find(taken[place], tried):
                taken[place] = wish
                return True
        return False

    for wish, wanted in enumerate(wants):
        free = (place for place, each in enumerate(given) if place not in taken and _serves(each, wanted))
        # Most wishes are fulfilled at once; only the others need somebody to move.
        if (place := next(free, None)) is not None:
            taken[place] = wish
        else:
            find(wish, set())
    return tuple(taken.get(place) for place in range(len(given)))


def _serves(given: Given, wish: Wanted) -> bool:
    return given.resource_class == wish.resource_class and wish.required <= given.traits
