"""Words for "nowhere to place it": what the tenant may read, and what the operator needs. Pure.

The tenant's message counts hosts and says what would help, and names no host (invariant I5). The operator's
details name each host with its reason and numbers, the nearest miss first (invariant I7).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from kcloud_api.placement.candidates import Refusal

HOSTS_NAMED = 200
"""Details end after this many hosts; they are kept with the server for as long as it is there."""


class Explanation(NamedTuple):
    """`message` for the tenant, `details` for operators."""

    message: str
    details: str


def _short(refusal: Refusal) -> str:
    if refusal.total == 0:
        return f"have no {refusal.resource_class}"
    return f"have too little {refusal.resource_class} free ({refusal.needed} needed)"


WHAT: dict[str, Callable[[Refusal], str]] = {
    "resource_class_short": _short,
    "not_in_one_provider": lambda r: (
        f"have {r.needed} {r.resource_class} only in several devices, and a device is not shared out"
    ),
    "below_min_unit": lambda r: f"give out {r.resource_class} only in larger amounts",
    "above_max_unit": lambda r: f"give a single server less {r.resource_class} than {r.needed}",
    "not_step_size": lambda r: f"give out {r.resource_class} in steps that {r.needed} does not meet",
    "trait_missing": lambda r: f"lack the trait {r.trait}",
    "trait_forbidden": lambda r: f"have the forbidden trait {r.trait}",
    "host_down": lambda _: "are down",
    "host_not_ready": lambda _: "are not ready for new servers",
    "groups_do_not_fit": lambda _: "cannot serve all resource groups together",
}
"""By the refusal's code: "2 hosts ..."."""


def _help_short(refusal: Refusal) -> str:
    name = refusal.resource_class
    if refusal.total == 0:
        return f"ask for a flavor without {name}, or have a host with {name} added"
    fewer = "ask for fewer, " if refusal.needed > 1 else ""
    return f"delete a server that holds {name}, {fewer}or have a host with {name} added"


HELP: dict[str, Callable[[Refusal], str]] = {
    "resource_class_short": _help_short,
    "not_in_one_provider": lambda r: (
        f"ask for one {r.resource_class} in each of several numbered groups "
        f"(resources1:{r.resource_class}=1, resources2:{r.resource_class}=1)"
    ),
    "below_min_unit": lambda r: f"ask for more {r.resource_class}",
    "above_max_unit": lambda r: f"ask for less {r.resource_class}",
    "not_step_size": lambda r: f"ask for another amount of {r.resource_class}",
    "trait_missing": lambda r: f"ask for a flavor without {r.trait}, or have a host with it added",
    "trait_forbidden": lambda r: f"ask for a flavor that does not forbid {r.trait}",
    "host_down": lambda _: "try again when the hosts are back",
    "host_not_ready": lambda _: "try again when the hosts are ready",
    "groups_do_not_fit": lambda _: "ask for fewer groups, or for group_policy=none",
}

NEARNESS = (
    "resource_class_short", "host_not_ready", "host_down", "not_in_one_provider", "above_max_unit",
    "not_step_size", "below_min_unit", "groups_do_not_fit", "trait_missing", "trait_forbidden",
)  # fmt: skip
"""What a tenant can mend comes first, then what passes by itself, then what somebody else has to change."""


def explain(refusals: Sequence[Refusal]) -> Explanation:
    """For a search that found no candidate: the refusals of every host."""
    if not refusals:
        return Explanation(
            "No valid host was found: this cloud has no host yet. Ask its operator to add one.",
            "No host has reported an inventory: enrol one with `kcloud host enroll`.",
        )
    nearest = min(refusals, key=_distance)
    message = (
        f"No valid host was found. {_counted(refusals)}. What would help: {HELP[nearest.code](nearest)}."
    )
    return Explanation(message, _details(nearest, refusals))


def _counted(refusals: Iterable[Refusal]) -> str:
    """`1 host has ...; 3 hosts are ...`, the most frequent first."""
    phrases = Counter(WHAT[refusal.code](refusal) for refusal in refusals)
    ordered = sorted(phrases.items(), key=lambda pair: (-pair[1], pair[0]))
    return "; ".join(_phrase(words, count) for words, count in ordered)


def _phrase(words: str, count: int) -> str:
    if count > 1:
        return f"{count} hosts {words}"
    verb, _, rest = words.partition(" ")
    return f"1 host {_SINGULAR[verb]} {rest}"


_SINGULAR = {
    "have": "has", "are": "is", "lack": "lacks", "give": "gives", "cannot": "cannot",
}  # fmt: skip


def _details(nearest: Refusal, refusals: Sequence[Refusal]) -> str:
    ordered = sorted(refusals, key=lambda r: (_distance(r), r.host))
    lines = [f"Nearest miss: {_line(nearest)}", *(_line(refusal) for refusal in ordered[:HOSTS_NAMED])]
    if len(ordered) > HOSTS_NAMED:
        lines.append(f"... and {len(ordered) - HOSTS_NAMED} more hosts")
    return "\n".join(lines)


def _line(refusal: Refusal) -> str:
    """`host-1: resource_class_short PGPU needed=1 free=0 total=2`."""
    words = [f"{refusal.host}: {refusal.code}"]
    if refusal.resource_class:
        words.append(
            f"{refusal.resource_class} needed={refusal.needed} free={refusal.free} total={refusal.total}"
        )
    if refusal.trait:
        words.append(refusal.trait)
    return " ".join(words)


def _distance(refusal: Refusal) -> tuple[bool, int, float, str]:
    """Hosts that could serve if something were given back come before those that never can."""
    never = bool(refusal.resource_class) and refusal.total < refusal.needed
    lacking = 1 - refusal.free / refusal.needed if refusal.needed else 0.0
    return (never, NEARNESS.index(refusal.code), lacking, refusal.host)
