"""What a token says before it is sealed: who, where, until when. Pure."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kcloud_api.identity.roles.service import Scope

VERSION = 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unreadable(ValueError):
    """These bytes are no token of ours."""


@dataclass(frozen=True, slots=True)
class Payload:
    """`scope` None is an unscoped token. `audit_ids`: its own id, then that of the first in its line."""

    user_id: str
    scope: Scope | None
    methods: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    audit_ids: tuple[str, ...]


def pack(payload: Payload) -> bytes:
    scope = payload.scope
    return json.dumps(
        [
            VERSION,
            payload.user_id,
            [scope.kind, scope.id] if scope is not None else None,
            payload.methods,
            _to_micros(payload.issued_at),
            _to_micros(payload.expires_at),
            payload.audit_ids,
        ],
        separators=(",", ":"),
    ).encode()


def unpack(data: bytes) -> Payload:
    try:
        version, user_id, scope, methods, issued, expires, audit_ids = json.loads(data)
        if version != VERSION:
            raise Unreadable(f"token version {version!r}")
        return Payload(
            user_id=str(user_id),
            scope=Scope(str(scope[0]), str(scope[1])) if scope is not None else None,
            methods=tuple(map(str, methods)),
            issued_at=EPOCH + timedelta(microseconds=int(issued)),
            expires_at=EPOCH + timedelta(microseconds=int(expires)),
            audit_ids=tuple(map(str, audit_ids)),
        )
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise Unreadable("no token of this cloud") from error


def _to_micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)
