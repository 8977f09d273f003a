"""Words for "nowhere to place it": what the tenant may read, and what the operator needs. Pure.

The tenant's message counts hosts and says what would help, and names no host (invariant I5). The operator's
details are the whole ledger, with the hosts that came nearest and their numbers (invariant I7).
"""

from collections.abc import Sequence
from typing import NamedTuple

from kcloud_api.placement.constraints import Constraint
from kcloud_api.placement.judging import NearestMiss
from kcloud_api.placement.ledger import UNKNOWN, Entry, Ledger
from kcloud_api.scheduler.wording import help_with, is_of_hosts_alone, of_host, what, what_one

REASONS_TOLD = 6
"""In one sentence; what removed most hosts is told, in the order of constraints."""


class Explanation(NamedTuple):
    """`message` for the tenant, `details` for operators."""

    message: str
    details: str


def explain(ledger: Ledger) -> Explanation:
    """For a search that found no candidate."""
    if ledger is UNKNOWN:
        return Explanation("No valid host was found.", "Why, could not be said: see the controller's log.")
    if not ledger.hosts:
        return Explanation(
            "No valid host was found: this cloud has no host yet. Ask its operator to add one.",
            "No host has reported an inventory: enrol one with `kcloud host enroll`.",
        )
    return Explanation(f"No valid host was found. {summary(ledger)}", details(ledger))


def summary(ledger: Ledger) -> str:
    """How many hosts there are, what removed them, and what would help. Names no host."""
    if not ledger.hosts:
        return "This cloud has no host yet."
    if not ledger.removing and not ledger.untried:
        return f"Every host can serve this: {ledger.hosts}."
    told = f"{_counted(ledger)}."
    if ledger.serving or not ledger.removing:
        return f"{ledger.serving} of {_hosts(ledger.hosts)} can serve this; {told}"
    return f"{_capital(told)} What would help: {advice(ledger)}."


def details(ledger: Ledger) -> str:
    """Line by line: the ledger, then the nearest misses."""
    lines = [f"{_hosts(ledger.hosts)}:"]
    lines += [f"  {_line(entry)}" for entry in ledger.removing]
    if ledger.nearest:
        lines += ["Nearest misses:", *(f"  {miss_line(missed)}" for missed in ledger.nearest)]
    return "\n".join(lines)


def miss_line(missed: NearestMiss) -> str:
    """`host-1: resource_class_short: needs 2 PGPU, has 1 free; also: is down`."""
    line = f"{missed.host}: {missed.removed_by.code}: {of_host(missed)}"
    also = ", ".join(what_one(constraint) for constraint in missed.also[:3])
    return f"{line}; also: {also}" if also else line


def _line(entry: Entry) -> str:
    """`3 are down [host_down], 7 left`."""
    words = what(entry.constraint) if entry.removed > 1 else what_one(entry.constraint)
    return f"{entry.removed} {words} [{entry.constraint.code}], {entry.remaining} left"


def _counted(ledger: Ledger) -> str:
    """`2 hosts are down; 1 host has no PGPU`. Equal words are one reason."""
    reasons: dict[str, tuple[Constraint, int]] = {}
    for entry in ledger.removing:
        words = what(entry.constraint)
        _, before = reasons.get(words, (entry.constraint, 0))
        reasons[words] = (entry.constraint, before + entry.removed)
    told = sorted(reasons.values(), key=lambda pair: -pair[1])[:REASONS_TOLD]
    phrases = [_phrase(*pair) for pair in reasons.values() if pair in told]
    others = sum(count for _, count in reasons.values()) - sum(count for _, count in told)
    if others:
        phrases.append(f"{_hosts(others)} for other reasons")
    if ledger.untried:
        looked = "have the amounts and were" if ledger.untried > 1 else "has the amounts and was"
        phrases.append(f"{_hosts(ledger.untried)} {looked} looked at no further")
    return "; ".join(phrases)


def _phrase(constraint: Constraint, count: int) -> str:
    return f"{_hosts(count)} {what(constraint) if count > 1 else what_one(constraint)}"


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts"


def advice(ledger: Ledger) -> str:
    """What would help the host that came nearest; where none was described, most hosts. What no host could
    ever serve comes before. Empty where nothing has to be mended."""
    if ledger.serving or not ledger.removing:
        return ""
    asked = (entry.constraint for entry in ledger.entries)
    hopeless = next(filter(is_of_hosts_alone, asked), None)
    if hopeless is not None:
        return help_with(hopeless)
    nearest: Sequence[NearestMiss] = ledger.nearest[:1]
    if nearest:
        return help_with(nearest[0].removed_by)
    return help_with(max(ledger.removing, key=lambda entry: entry.removed).constraint)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
