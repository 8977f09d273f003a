"""The rows of ports."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime


class PortRow(SQLModel, table=True):
    """One NIC of a server: the address on the wire is ours, the IP addresses are what its host reports."""

    __tablename__ = "network_port"

    id: UUID = Field(primary_key=True)
    server_id: UUID = Field(index=True)
    project_id: str = Field(max_length=64, index=True)
    mac: str = Field(max_length=17, unique=True)
    addresses: list[str] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_type=UtcDateTime)
