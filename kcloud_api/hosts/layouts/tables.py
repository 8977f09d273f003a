"""The rows of layouts: what they are, every version of them, and which hosts they are for."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime


class LayoutRow(SQLModel, table=True):
    """One layout; `version` is the newest of its versions, and the one that counts."""

    __tablename__ = "hosts_layout"

    id: UUID = Field(primary_key=True)
    name: str = Field(max_length=255, unique=True)
    version: int
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class LayoutVersionRow(SQLModel, table=True):
    """What a layout said from `created_at` on. Never changed."""

    __tablename__ = "hosts_layout_version"

    layout_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    target: dict[str, object] = Field(sa_type=JSON)
    cards: list[dict[str, object]] = Field(sa_type=JSON)
    user_id: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)


class LayoutTargetRow(SQLModel, table=True):
    """That a layout is for a host: alone, as one of a group, or as any. The key is why no two layouts can be
    for the same host in the same way."""

    __tablename__ = "hosts_layout_target"

    kind: str = Field(primary_key=True, max_length=8)
    host_name: str = Field(primary_key=True, max_length=64)
    """Empty for all hosts."""
    layout_id: UUID = Field(index=True)
