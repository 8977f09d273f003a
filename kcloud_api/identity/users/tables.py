"""Rows of users."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, UniqueConstraint
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime, utcnow


class User(SQLModel, table=True):
    __tablename__ = "identity_user"
    __table_args__ = (UniqueConstraint("domain_id", "name", name="uq_identity_user_name"),)

    id: str = Field(primary_key=True, max_length=64)
    name: str = Field(max_length=255)
    domain_id: str = Field(max_length=64)
    enabled: bool = True
    password_hash: str | None = Field(default=None, max_length=128)
    default_project_id: str | None = Field(default=None, max_length=64)
    description: str | None = None
    email: str | None = Field(default=None, max_length=255)
    extra: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    tokens_valid_from: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
    """Tokens issued before are void: raised when the password changes or the user is disabled."""
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
