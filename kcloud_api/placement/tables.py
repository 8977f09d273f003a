"""The rows of placement. Indices serve a cloud of 10,000 hosts: no request reads a whole table.

`placement_inventory.used` and `.free` repeat what allocations say, so that the candidates of a resource class
are one range of an index; only `service.py` writes them, in the transaction that writes the allocations.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime, utcnow


class Origin(StrEnum):
    """Who says so; each origin replaces only its own rows."""

    HOST = "host"
    """The host's report (sync_host)."""
    STATUS = "status"
    """The control plane's own view of the host (set_host_available)."""
    API = "api"
    """A client of the Placement API."""


class ProviderRow(SQLModel, table=True):
    """A resource provider. A host's root provider has the host's id; `root_id` of a root is its own id.

    Where an order of trees matters it is that of (created_at, id) of their roots, the same in every process.
    """

    __tablename__ = "placement_provider"

    id: UUID = Field(primary_key=True)
    name: str = Field(max_length=200, unique=True)
    generation: int = 0
    parent_id: UUID | None = Field(default=None, index=True)
    root_id: UUID = Field(index=True)
    origin: str = Field(max_length=8)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


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
    updated_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class ProviderTraitRow(SQLModel, table=True):
    """A provider has a trait while at least one origin says so."""

    __tablename__ = "placement_provider_trait"
    __table_args__ = (Index("ix_placement_provider_trait_trait", "trait", "provider_id"),)

    provider_id: UUID = Field(primary_key=True)
    trait: str = Field(primary_key=True, max_length=255)
    origin: str = Field(primary_key=True, max_length=8)


class AggregateRow(SQLModel, table=True):
    """A provider's membership in an aggregate, which exists by being named here."""

    __tablename__ = "placement_aggregate"
    __table_args__ = (Index("ix_placement_aggregate_aggregate", "aggregate_id", "provider_id"),)

    provider_id: UUID = Field(primary_key=True)
    aggregate_id: UUID = Field(primary_key=True)


class TraitRow(SQLModel, table=True):
    """A custom trait; the standard ones are known from os-traits."""

    __tablename__ = "placement_trait"

    name: str = Field(primary_key=True, max_length=255)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class ResourceClassRow(SQLModel, table=True):
    """A custom resource class; the standard ones are known from os-resource-classes."""

    __tablename__ = "placement_resource_class"

    name: str = Field(primary_key=True, max_length=255)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class ConsumerRow(SQLModel, table=True):
    """Who holds allocations: a server, for kcloud itself."""

    __tablename__ = "placement_consumer"
    __table_args__ = (Index("ix_placement_consumer_project", "project_id", "user_id"),)

    id: UUID = Field(primary_key=True)
    project_id: str = Field(max_length=255)
    user_id: str = Field(max_length=255)
    generation: int = 0
    type: str | None = Field(default=None, max_length=255)
    """None: written by a client that did not say (before 1.38)."""
    updated_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class AllocationRow(SQLModel, table=True):
    """One consumer's use of one class of one provider."""

    __tablename__ = "placement_allocation"
    __table_args__ = (Index("ix_placement_allocation_provider", "provider_id", "resource_class"),)

    consumer_id: UUID = Field(primary_key=True)
    provider_id: UUID = Field(primary_key=True)
    resource_class: str = Field(primary_key=True, max_length=255)
    used: int = Field(sa_type=BigInteger)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class ChangeRow(SQLModel, table=True):
    """The journal of trees that a committed transaction has touched: what a snapshot must read again.

    On PostgreSQL `seq` is handed out before the commit, so a reader that only looked past the last `seq`
    would miss late commits; it asks by `transaction` instead (journal.py). SQLite has one writer: there
    `transaction` stays 0.
    """

    __tablename__ = "placement_change"

    seq: int | None = Field(
        default=None,
        primary_key=True,
        sa_type=BigInteger().with_variant(Integer, "sqlite"),
    )
    transaction: int = Field(default=0, sa_type=BigInteger, index=True)
    root_id: UUID
    kind: str = Field(max_length=8)
    """`usage`: only amounts in use and generations; `shape`: anything."""
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime, index=True)
