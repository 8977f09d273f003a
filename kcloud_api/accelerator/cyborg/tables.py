"""The rows of device profiles."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, Text
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime


class DeviceProfileRow(SQLModel, table=True):
    """A named list of what flavors may ask of cards. It never changes: servers are told apart by its name."""

    __tablename__ = "accelerator_device_profile"

    id: UUID = Field(primary_key=True)
    name: str = Field(max_length=255, unique=True)
    description: str | None = Field(default=None, sa_type=Text)
    groups: list[dict[str, str]] = Field(sa_type=JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)
