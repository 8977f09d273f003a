"""The rows of placement. Indices serve a cloud of 10,000 hosts: no request reads a whole table.

`placement_inventory.used` and `.free` repeat what allocations say, so that the candidates of a resource class
are one range of an index; only `service.py` writes them, in the transaction that writes the allocations.
"""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel


class Origin(StrEnum):
    """Who says so; each origin replaces only its own rows."""

    HOST = "host"
    """The host's report (sync_host)."""
    STATUS = "status"
    """The control plane's own view of the host (set_host_available)."""
    API = "api"
    """A client of the Placement API."""


class ProviderRow(SQLModel, table=True):
    """A resource provider. A host's root provider has the host's id; `root_id` of a root is its own id."""

    __tablename__ = "placement_provider"

    id: UUID = Field(primary_key=True)
    name: str = Field(max_length=200, unique=True)
    generation: int = 0
    parent_id: UUID | None = Field(default=None, index=True)
    root_id: UUID = Field(index=True)
    origin: str = Field(max_length=8)


class InventoryRow(SQLModel, table=True):
    """How much of a class a provider has. `free` = floor((total - reserved) * allocation_ratio) - used."""

    __tablename__ = "placement_inventory"
    __table_args__ = (Index("ix_placement_inventory_class_root", "resource_class", "root_id", "free"),)

    provider_id: UUID = Field(primary_key=True)
    resource_class: str = Field(primary_key=True, max_length=255)
    root_id: UUID = Field(index=True)
    total: int = Field(sa_type=BigInteger)
    reserved: int = Field(sa_type=BigInteger)
    min_unit: int = Field(sa_type=BigInteger)
    max_unit: int = Field(sa_type=BigInteger)
    step_size: int = Field(sa_type=BigInteger)
    allocation_ratio: float
    used: int = Field(sa_type=BigInteger)
    free: int = Field(sa_type=BigInteger)


class ProviderTraitRow(SQLModel, table=True):
    """A provider has a trait while at least one origin says so."""

    __tablename__ = "placement_provider_trait"
    __table_args__ = (Index("ix_placement_provider_trait_trait", "trait", "provider_id"),)

    provider_id: UUID = Field(primary_key=True)
    trait: str = Field(primary_key=True, max_length=255)
    origin: str = Field(primary_key=True, max_length=8)


class TraitRow(SQLModel, table=True):
    """A custom trait; the standard ones are known from os-traits."""

    __tablename__ = "placement_trait"

    name: str = Field(primary_key=True, max_length=255)


class ResourceClassRow(SQLModel, table=True):
    """A custom resource class; the standard ones are known from os-resource-classes."""

    __tablename__ = "placement_resource_class"

    name: str = Field(primary_key=True, max_length=255)


class ConsumerRow(SQLModel, table=True):
    """Who holds allocations: a server, for kcloud itself."""

    __tablename__ = "placement_consumer"
    __table_args__ = (Index("ix_placement_consumer_project", "project_id", "user_id"),)

    id: UUID = Field(primary_key=True)
    project_id: str = Field(max_length=255)
    user_id: str = Field(max_length=255)
    generation: int = 0
    type: str = Field(max_length=255)


class AllocationRow(SQLModel, table=True):
    """One consumer's use of one class of one provider."""

    __tablename__ = "placement_allocation"
    __table_args__ = (Index("ix_placement_allocation_provider", "provider_id", "resource_class"),)

    consumer_id: UUID = Field(primary_key=True)
    provider_id: UUID = Field(primary_key=True)
    resource_class: str = Field(primary_key=True, max_length=255)
    used: int = Field(sa_type=BigInteger)
