"""Rows of domains and projects."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, UniqueConstraint
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime, utcnow


class Domain(SQLModel, table=True):
    __tablename__ = "identity_domain"

    id: str = Field(primary_key=True, max_length=64)
    name: str = Field(max_length=64, unique=True)
    description: str = ""
    enabled: bool = True


class Project(SQLModel, table=True):
    __tablename__ = "identity_project"
    __table_args__ = (UniqueConstraint("domain_id", "name", name="uq_identity_project_name"),)

    id: str = Field(primary_key=True, max_length=64)
    name: str = Field(max_length=64)
    domain_id: str = Field(max_length=64)
    parent_id: str = Field(max_length=64)
    description: str = ""
    enabled: bool = True
    extra: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """Attributes that Keystone has no name for; kept and given back."""
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
