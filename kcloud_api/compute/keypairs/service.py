"""Use cases of key pairs. They belong to a user, not to a project."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from kcloud_api.compute.keypairs.fingerprints import fingerprint
from kcloud_api.compute.keypairs.tables import KeyPair
from kcloud_api.db.unique import add_unique
from kcloud_common.errors import AlreadyExists, BadRequest, NotFound


@dataclass(frozen=True, slots=True)
class KeyPairRecord:
    name: str
    type: str
    public_key: str
    fingerprint: str
    user_id: str
    id: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewKeyPair:
    user_id: str
    name: str
    public_key: str
    type: str = "ssh"


def get_keypair(session: Session, user_id: str, name: str) -> KeyPairRecord:
    return _record(_row(session, user_id, name))


def list_keypairs(
    session: Session, user_id: str, *, marker: str | None, limit: int
) -> tuple[KeyPairRecord, ...]:
    """By name. Raises BadRequest for a marker that is no key of this user's."""
    query = select(KeyPair).where(KeyPair.user_id == user_id).order_by(col(KeyPair.name)).limit(limit)
    if marker is not None:
        try:
            _row(session, user_id, marker)
        except NotFound:
            raise BadRequest(f"Marker {marker} could not be found.") from None
        query = query.where(col(KeyPair.name) > marker)
    return tuple(_record(row) for row in session.exec(query))


def import_keypair(session: Session, new: NewKeyPair) -> KeyPairRecord:
    """Raises BadRequest for what is no key, AlreadyExists for a name in use."""
    taken = f"Key pair '{new.name}' already exists."
    row = KeyPair(
        user_id=new.user_id,
        name=new.name,
        type=new.type,
        public_key=new.public_key,
        fingerprint=fingerprint(new.public_key, new.type),
    )
    held = select(KeyPair.id).where(KeyPair.user_id == new.user_id, KeyPair.name == new.name)
    if session.exec(held).first() is not None:
        raise AlreadyExists(taken)
    add_unique(session, row, taken)
    return _record(row)


def delete_keypair(session: Session, user_id: str, name: str) -> None:
    session.delete(_row(session, user_id, name))
    session.flush()


def _row(session: Session, user_id: str, name: str) -> KeyPair:
    row = session.exec(select(KeyPair).where(KeyPair.user_id == user_id, KeyPair.name == name)).first()
    if row is None:
        raise NotFound(f"Keypair {name} not found for user {user_id}")
    return row


def _record(row: KeyPair) -> KeyPairRecord:
    return KeyPairRecord(
        name=row.name,
        type=row.type,
        public_key=row.public_key,
        fingerprint=row.fingerprint,
        user_id=row.user_id,
        id=row.id or 0,
        created_at=row.created_at,
    )
