"""Rows of images. The data lies beside the database, in the store."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime, utcnow


class Image(SQLModel, table=True):
    __tablename__ = "image_image"

    id: UUID = Field(primary_key=True)
    name: str | None = Field(default=None, max_length=255, index=True)
    owner: str | None = Field(default=None, max_length=255, index=True)
    status: str = Field(default="queued", max_length=16)
    visibility: str = Field(default="shared", max_length=16)
    protected: bool = False
    os_hidden: bool = False
    disk_format: str | None = Field(default=None, max_length=16)
    container_format: str | None = Field(default=None, max_length=16)
    min_disk: int = 0
    min_ram: int = 0
    size: int | None = Field(default=None, sa_type=BigInteger)
    virtual_size: int | None = Field(default=None, sa_type=BigInteger)
    checksum: str | None = Field(default=None, max_length=32)
    sha512: str | None = Field(default=None, max_length=128)
    tags: list[str] = Field(default_factory=list, sa_type=JSON)
    properties: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
