"""Seals and opens tokens with the keys in the database, remembering them for a while in each process."""

import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy.engine import Connection, Engine
from sqlmodel import Session, col, select

from kcloud_api.identity.tokens.tables import FernetKey
from kcloud_common.errors import Unavailable

REMEMBER_SECONDS = 60.0
"""How long a rotated-out key may still be honoured by a process that has not looked since."""
LONGEST_TOKEN = 1024
OPENED_KEPT = 1024
KEYS_KEPT = 3


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys at one moment. The first of `fernet` seals; all open."""

    fernet: MultiFernet
    newest: int
    read_at: float
    opened: dict[str, bytes] = field(default_factory=dict)
    """What tokens have turned out to hold: a seal does not change while its key is honoured."""


_rings: MutableMapping[Engine | Connection, KeyRing] = WeakKeyDictionary()
"""By database: several clouds may live in one process, as in the tests."""


def seal(session: Session, data: bytes) -> str:
    return _ring(session).fernet.encrypt(data).decode()


def unseal(session: Session, token: str) -> bytes | None:
    """What was sealed, or None for what no key of ours sealed."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    ring = _ring(session)
    known = ring.opened.get(token)
    if known is not None:
        return known
    try:
        return _open(ring, token)
    except InvalidToken:
        if _newest(session) == ring.newest:
            return None
    try:
        # Another worker has rotated the keys since we looked.
        return _open(_read(session), token)
    except InvalidToken:
        return None


def _open(ring: KeyRing, token: str) -> bytes:
    """Raises InvalidToken."""
    data = ring.fernet.decrypt(token.encode())
    if len(ring.opened) >= OPENED_KEPT:
        ring.opened.clear()
    ring.opened[token] = data
    return data


def ensure_key(session: Session) -> None:
    """Make the first key. Safe to repeat."""
    if _newest(session) is None:
        rotate(session)


def rotate(session: Session) -> None:
    """Seal with a new key from now on; tokens sealed with the last few still open."""
    number = (_newest(session) or 0) + 1
    session.add(FernetKey(number=number, secret=Fernet.generate_key().decode()))
    for old in session.exec(select(FernetKey).where(col(FernetKey.number) <= number - KEYS_KEPT)):
        session.delete(old)
    session.flush()
    _rings.pop(session.get_bind(), None)


def _ring(session: Session) -> KeyRing:
    ring = _rings.get(session.get_bind())
    if ring is None or time.monotonic() - ring.read_at > REMEMBER_SECONDS:
        return _read(session)
    return ring


def _read(session: Session) -> KeyRing:
    rows = session.exec(select(FernetKey).order_by(col(FernetKey.number).desc())).all()
    if not rows:
        raise Unavailable("This cloud has no token keys yet: identity was never bootstrapped.")
    ring = KeyRing(MultiFernet([Fernet(row.secret) for row in rows]), rows[0].number, time.monotonic())
    _rings[session.get_bind()] = ring
    return ring


def _newest(session: Session) -> int | None:
    return session.exec(select(FernetKey.number).order_by(col(FernetKey.number).desc()).limit(1)).first()
