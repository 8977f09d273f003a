"""Rows of key pairs."""

from datetime import datetime

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime, utcnow


class KeyPair(SQLModel, table=True):
    __tablename__ = "compute_keypair"
    __table_args__ = (UniqueConstraint("user_id", "name", name="uq_compute_keypair_name"),)

    id: int | None = Field(default=None, primary_key=True)
    user_id: str = Field(max_length=64)
    name: str = Field(max_length=255)
    type: str = Field(default="ssh", max_length=4)
    public_key: str = Field(sa_type=Text)
    fingerprint: str = Field(max_length=255)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
