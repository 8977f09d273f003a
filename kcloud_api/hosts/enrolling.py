"""Lets a machine become a host: one-time tokens, and the secret by which the host is known from then on.

Only digests are kept. The agent makes and stores its secret before it asks, so a repeat after a crash on
either side is the same request again, and succeeds.
"""

import hmac
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from uuid import UUID, uuid4

from sqlalchemy import bindparam
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from kcloud_api.accelerator import service as accelerator
from kcloud_api.compute import assigning
from kcloud_api.db.columns import utcnow
from kcloud_api.hosts.records import EnrolmentRecord, HostState
from kcloud_api.hosts.tables import EnrolmentRow, HostRow
from kcloud_common.errors import BadRequest, Unauthenticated
from kcloud_common.wire import Enrolled, Enrolment

BAD_TOKEN = "The enrolment token is unknown, used or expired: ask for a new one."  # noqa: S105 - no secret

# Made once: every request of a host asks it, and making it takes longer than asking.
_SECRET = select_columns(col(HostRow.secret_sha256)).where(col(HostRow.id) == bindparam("host_id"))


def create_token(session: Session, host: str, *, ttl: float) -> EnrolmentRecord:
    """A token with which a machine may become the host of this name, or take its place after a reinstall."""
    token = token_urlsafe(32)
    expires_at = utcnow() + timedelta(seconds=ttl)
    session.add(EnrolmentRow(token_sha256=digest(token), host=host, expires_at=expires_at))
    session.flush()
    return EnrolmentRecord(token, host, expires_at)


def enrol(session: Session, token: str, enrolment: Enrolment) -> Enrolled:
    """Make the host, or give it a new secret. Unauthenticated for a token that is not (or no longer) good."""
    row = session.exec(
        select(EnrolmentRow)
        .where(EnrolmentRow.token_sha256 == digest(token))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    secret = digest(enrolment.secret)
    if row is None:
        raise Unauthenticated(BAD_TOKEN)
    if row.host != enrolment.host:
        raise BadRequest(f"This token enrols the host {row.host!r}, not {enrolment.host!r}.", field="host")
    if row.used_by is not None:
        return _again(row, secret)
    now = utcnow()
    if row.expires_at <= now:
        raise Unauthenticated(BAD_TOKEN)
    row.used_by = secret
    row.host_id = _admit(session, enrolment.host, secret, now)
    session.flush()
    return Enrolled(host_id=row.host_id)


def _again(row: EnrolmentRow, secret: str) -> Enrolled:
    if row.host_id is None or row.used_by is None or not hmac.compare_digest(row.used_by, secret):
        raise Unauthenticated(BAD_TOKEN)
    return Enrolled(host_id=row.host_id)


def _admit(session: Session, name: str, secret: str, now: datetime) -> UUID:
    host = session.exec(select(HostRow).where(HostRow.name == name)).first()
    is_new = host is None
    if host is None:
        host = HostRow(
            id=uuid4(), name=name, secret_sha256=secret, last_seen=now, state=HostState.UP,
            created_at=now, updated_at=now,
        )  # fmt: skip
    host.secret_sha256 = secret
    host.updated_at = now
    session.add(host)
    session.flush()
    assigning.add_host(session, host.id, name)
    if is_new:
        accelerator.welcome_host(session, host.id, name)
    return host.id


def authenticate(session: Session, host_id: UUID, given_id: str, secret: str) -> None:
    """Unauthenticated unless the credential is this very host's. Which of them was wrong is not told."""
    known = session.connection().execute(_SECRET, {"host_id": host_id}).scalar()
    # Compared even when the host is unknown, so that the time taken does not tell which ids exist.
    right = hmac.compare_digest(known or digest(""), digest(secret))
    if known is None or not right or given_id != str(host_id):
        raise Unauthenticated("This host's credential is not valid; if the host was deleted, enrol it again.")


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
