"""Rows of flavors and of the projects that may use a private one."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Text
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime, utcnow


class Flavor(SQLModel, table=True):
    __tablename__ = "compute_flavor"

    id: str = Field(primary_key=True, max_length=255)
    name: str = Field(max_length=255, unique=True)
    vcpus: int
    ram_mib: int
    disk_gib: int
    ephemeral_gib: int = 0
    swap_mib: int = 0
    is_public: bool = True
    description: str | None = Field(default=None, sa_type=Text)
    extra_specs: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class FlavorAccess(SQLModel, table=True):
    __tablename__ = "compute_flavor_access"

    flavor_id: str = Field(primary_key=True, max_length=255)
    project_id: str = Field(primary_key=True, max_length=255)
