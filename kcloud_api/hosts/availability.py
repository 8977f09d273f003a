"""Tells placement whether a host may have new servers, and if not, why: refusals say it to people."""

from uuid import UUID

from sqlmodel import Session

from kcloud_api.hosts.records import HostState
from kcloud_api.placement import service as placement


def tell(session: Session, host_id: UUID, *, enabled: bool, state: str) -> None:
    """A host that is down is called down even when it is disabled too. Idempotent."""
    reason = "host_down" if state == HostState.DOWN else "host_not_ready"
    placement.set_host_available(session, host_id, enabled and state == HostState.UP, reason=reason)
