"""The route that says why no host can serve a request, `/kcloud/v1/explain` (docs/explain.md)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from sqlmodel import Session

from kcloud_api.caller import Caller
from kcloud_api.compute import explaining
from kcloud_api.compute.choosing import Wanted
from kcloud_api.compute.flavors import service as flavors
from kcloud_api.compute.flavors.accelerators import accelerators
from kcloud_api.compute.guest_shape import guest_of
from kcloud_api.hosts import policies
from kcloud_api.hosts.machines import machines_of
from kcloud_api.http.context import CallerDep
from kcloud_api.http.policy import allow, may
from kcloud_api.http.transaction import SessionDep
from kcloud_api.http.turns import Turns
from kcloud_api.placement.candidate_routes import check_names
from kcloud_api.placement.ledger import MISSES, MOST_MISSES
from kcloud_api.placement.microversion import NEWEST
from kcloud_api.placement.query import candidate_query
from kcloud_api.placement.request import HOST_DOWN, HOST_NOT_READY, Effort, ResourceRequest
from kcloud_api.scheduler.device_policy import device_policy
from kcloud_api.scheduler.ledger_view import view
from kcloud_api.scheduler.request import FlavorShape, from_flavor
from kcloud_api.scheduler.topology import Policy
from kcloud_common.errors import BadRequest, Forbidden

router = APIRouter(prefix="/explain")
"""hosts/routes.py includes it under /v1."""

OWN = ("limit", "flavor", "all_hosts")
"""Parameters that are not of GET /allocation_candidates, or mean something else there."""
MOST_GROUPS = 32
MOST_SUBTREES = 32
EFFORT = 30_000
"""Anybody may ask: a search turns back so often, in some seconds, before it says that it does not know."""
AT_ONCE = 2
WAITING = 6
PATIENCE = 5.0
"""Every host is looked at: more than so many questions wait, so many of them, for so many seconds."""

_turns = Turns(AT_ONCE, WAITING, PATIENCE)

Pairs = Sequence[tuple[str, str]]


@router.get("")
def explain(request: Request, session: SessionDep, caller: CallerDep) -> dict[str, Any]:
    """`flavor`, or a request in the words of GET /allocation_candidates."""
    allow(request, caller, policies.EXPLAIN)
    names_hosts = may(request, caller, policies.EXPLAIN_HOSTS)
    pairs = request.query_params.multi_items()
    own = {name: value for name, value in pairs if name in OWN}
    rest = [(name, value) for name, value in pairs if name not in OWN]
    limit = _limit(own.get("limit"))
    if "flavor" in own:
        if rest:
            raise BadRequest("Ask about a flavor, or about resources, not about both.", field="flavor")
        wanted = _of_flavor(request, session, caller, own["flavor"])
    else:
        allow(request, caller, policies.EXPLAIN_QUERY)
        wanted = Wanted(candidate_query(rest, NEWEST).request, Policy.PACK)
        _check(session, wanted.request, names_hosts=names_hosts)
    asked = replace(wanted.request, effort=Effort(EFFORT))
    if not _flag(own.get("all_hosts")):
        asked = replace(asked, root_forbidden=asked.root_forbidden | {HOST_DOWN, HOST_NOT_READY})
    with _turns.turn():
        wanted = replace(wanted, request=asked)
        ledger = explaining.ledger(session, wanted, limit=limit, keeper=request.app.state.keeper)
    return {"explanation": view(ledger, names_hosts=names_hosts)}


def _of_flavor(request: Request, session: Session, caller: Caller, id_or_name: str) -> Wanted:
    """With what its device profile and PCI aliases stand for, as a server of it would ask."""
    flavor = flavors.find_flavor(session, caller, id_or_name)
    meant = accelerators(session, flavor.extra_specs, request.app.state.aliases)
    shape = FlavorShape(
        flavor.vcpus, flavor.ram_mib, flavor.disk_gib, flavor.ephemeral_gib, flavor.swap_mib,
        {**meant, **flavor.extra_specs},
    )  # fmt: skip
    policy = device_policy(shape.extra_specs, Policy(request.app.state.conf.scheduler.device_policy))
    asked = replace(from_flavor(shape), root_forbidden=frozenset())
    return Wanted(asked, policy, guest_of(shape), machines_of)


def _check(session: Session, asked: ResourceRequest, *, names_hosts: bool) -> None:
    if len(asked.groups) > MOST_GROUPS:
        raise BadRequest(f"More than {MOST_GROUPS} groups cannot be explained at once.")
    if len(asked.same_subtrees) > MOST_SUBTREES:
        raise BadRequest(f"More than {MOST_SUBTREES} same_subtree cannot be explained at once.")
    if names_hosts:
        check_names(session, asked)
        return
    # Whoever may not see hosts must not ask about one at a time either.
    for suffix, group in asked.groups.items():
        if group.in_tree is not None or group.member_of or group.not_member_of:
            raise Forbidden(
                "Policy doesn't allow single hosts or aggregates to be asked about: leave out "
                f"in_tree{suffix} and member_of{suffix}."
            )


def _limit(text: str | None) -> int:
    if text is None:
        return MISSES
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and int(text) <= MOST_MISSES):
        raise BadRequest(f"limit must be a whole number from 0 to {MOST_MISSES}.", field="limit")
    return int(text)


def _flag(text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise BadRequest("all_hosts must be true or false.", field="all_hosts")
    return text == "true"
