"""Rows of the keys that seal tokens, and of tokens that ended before their time."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime, utcnow


class FernetKey(SQLModel, table=True):
    """One key; the highest number seals, the older ones still open. In the database, so that every worker
    on every machine has it without copying; who can read this table can forge any token."""

    __tablename__ = "identity_fernet_key"

    number: int = Field(primary_key=True)
    secret: str = Field(max_length=64)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class Revocation(SQLModel, table=True):
    """A token that was handed back. Needed only until it would have expired by itself."""

    __tablename__ = "identity_revocation"

    audit_id: str = Field(primary_key=True, max_length=32)
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)
