"""How a host joins, and how one agent at a time speaks for it."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from kcloud_common.wire.base import Wire


class Enrolment(Wire):
    """Sent once, with the one-time token in `X-Kcloud-Enrol-Token`. The agent makes and stores `secret`
    first, so a repeat after a crash is the same request again and succeeds."""

    host: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$")
    secret: str = Field(min_length=32, max_length=128)


class Enrolled(Wire):
    host_id: UUID


class HostSession(Wire):
    """Answer to POST .../session: reports with a lower epoch are refused from now on."""

    epoch: int
    server_time: datetime


class ReportAck(Wire):
    accepted: bool
    """False: stale epoch or sequence; a stale epoch means another agent took over."""
    assignment_generation: int
