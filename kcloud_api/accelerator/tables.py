"""The rows of devices and of the claims on them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, Column, Index
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime


class DeviceRow(SQLModel, table=True):
    """One slice that a host offers or offered. A row stays while a claim rests on it."""

    __tablename__ = "accelerator_device"
    __table_args__ = (Index("ux_accelerator_device_host_name", "host_id", "name", unique=True),)

    id: UUID = Field(primary_key=True)
    """Made from host and name, so that a device that comes back has its id again."""
    host_id: UUID
    name: str = Field(max_length=128)
    addresses: list[str] = Field(sa_column=Column(JSON, nullable=False))
    vendor_id: str = Field(max_length=4)
    product_id: str = Field(max_length=4)
    resource_class: str = Field(max_length=255)
    traits: list[str] = Field(sa_column=Column(JSON, nullable=False))
    numa_node: int | None = None
    pci_path: list[str] = Field(sa_column=Column(JSON, nullable=False))
    link_speed: float | None = None
    """GT/s of one lane."""
    link_width: int | None = None
    """Lanes."""
    state: str = Field(max_length=16)
    reason: str = ""
    offered: bool
    """Whether placement may hand it out; inventory.may_be_handed_out decides."""
    provider_id: UUID = Field(unique=True)
    last_seen: datetime = Field(sa_type=UtcDateTime)


class ClaimRow(SQLModel, table=True):
    """A server's hold on a device. The unique index is the last line of invariant I1: one claim a device."""

    __tablename__ = "accelerator_claim"

    id: UUID = Field(primary_key=True)
    device_id: UUID = Field(unique=True)
    server_id: UUID = Field(index=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
