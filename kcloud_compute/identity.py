"""Who this host is: a name, a secret of its own making, and the id that the control plane gave it.

The secret is on disk before it is sent. An agent that dies in between sends the same one again, and the
control plane answers as it did.
"""

import logging
import secrets
from pathlib import Path
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kcloud_common.errors import KcloudError, PermanentError, Unavailable
from kcloud_common.wire import Enrolled, Enrolment
from kcloud_compute import durable
from kcloud_compute.durable import Checkpoint, no_checkpoint

log = logging.getLogger(__name__)


class NoIdentity(PermanentError):
    """The operator must enrol this host."""

    code = "not_enrolled"


class Enrols(Protocol):
    """The control plane's part."""

    def enrol(self, token: str, enrolment: Enrolment) -> Enrolled: ...


class Identity(BaseModel):
    """identity.json, mode 0600."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    secret: str = Field(repr=False)
    host_id: UUID | None = None


def load(path: Path) -> Identity | None:
    """None when there is none. A damaged file is raised: a new secret would make this another host."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return Identity.model_validate_json(text)
    except ValidationError:
        # Not with its cause: that would show the secret.
        raise NoIdentity(f"{path} is damaged: enrol this host anew after removing it") from None


def prepare(path: Path, host: str, checkpoint: Checkpoint = no_checkpoint) -> Identity:
    """The identity on disk, made first if there is none."""
    known = load(path)
    if known is not None:
        return known
    made = Identity(host=host, secret=secrets.token_urlsafe(48))
    _store(path, made, checkpoint)
    return made


def enrol(
    identity: Identity, path: Path, api: Enrols, token_file: Path, checkpoint: Checkpoint = no_checkpoint
) -> Identity:
    """Exchange the one-time token for a host id. Safe to repeat. NoIdentity without a token that is good."""
    if identity.host_id is not None:
        return identity
    token = _token(token_file)
    try:
        answer = api.enrol(token, Enrolment(host=identity.host, secret=identity.secret))
    except Unavailable:
        raise
    except KcloudError as error:
        raise NoIdentity(f"the control plane does not enrol this host: {error}") from error
    checkpoint("enrolled")
    enrolled = identity.model_copy(update={"host_id": answer.host_id})
    _store(path, enrolled, checkpoint)
    log.info("host_enrolled", extra={"host": identity.host, "host_id": str(answer.host_id)})
    return enrolled


def _token(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise NoIdentity(f"this host is not enrolled and its token {path} can't be read: {error}") from error
    if not token or not token.isascii() or not token.isprintable():
        raise NoIdentity(f"{path} holds no enrolment token")
    return token


def _store(path: Path, identity: Identity, checkpoint: Checkpoint) -> None:
    durable.write(path, identity.model_dump_json(indent=1).encode(), checkpoint=checkpoint)
