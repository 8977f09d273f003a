"""Shapes a reason ledger as JSON: all of it for operators, for anybody else without what hosts are called and
what each of them has. Pure.
"""

from typing import Any

from kcloud_api.placement.constraints import Constraint
from kcloud_api.placement.judging import NearestMiss
from kcloud_api.placement.ledger import Entry, Ledger
from kcloud_api.scheduler.reasons import advice, summary
from kcloud_api.scheduler.wording import of_host, what, what_one

Json = dict[str, Any]


def view(ledger: Ledger, *, names_hosts: bool) -> Json:
    """Counts of hosts are for all; names, ids and amounts of single hosts only with `names_hosts`."""
    return {
        "hosts": ledger.hosts,
        "remaining": ledger.remaining,
        "untried": ledger.untried,
        "message": summary(ledger),
        "help": advice(ledger),
        "constraints": [_entry(entry) for entry in ledger.entries],
        "nearest_misses": _misses(ledger) if names_hosts else _kinds_of_misses(ledger),
    }


def _entry(entry: Entry) -> Json:
    words = what_one(entry.constraint) if entry.removed == 1 else what(entry.constraint)
    return {
        **_constraint(entry.constraint),
        "removed": entry.removed,
        "remaining": entry.remaining,
        "message": words,
    }


def _constraint(constraint: Constraint) -> Json:
    return {
        "code": constraint.code,
        "groups": list(constraint.groups),
        "resource_class": constraint.resource_class,
        "amount": constraint.amount,
        "names": list(constraint.names),
    }


def _misses(ledger: Ledger) -> list[Json]:
    return [
        {
            "host": {"id": str(missed.host_id), "name": missed.host},
            **_kind(missed),
            "has": list(missed.has),
            "message": of_host(missed),
        }
        for missed in ledger.nearest
    ]


def _kinds_of_misses(ledger: Ledger) -> list[Json]:
    """Each kind once: how many hosts missed in this way, `constraints` say as far as anybody may know."""
    kinds: dict[tuple[Constraint, ...], Json] = {}
    for missed in ledger.nearest:
        kinds.setdefault((missed.removed_by, *missed.also), _kind(missed))
    return list(kinds.values())


def _kind(missed: NearestMiss) -> Json:
    also = [{**_constraint(constraint), "message": what_one(constraint)} for constraint in missed.also]
    return {**_constraint(missed.removed_by), "message": what_one(missed.removed_by), "also": also}
