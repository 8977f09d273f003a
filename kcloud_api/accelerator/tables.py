"""The rows of cards and their slices, of the claims on them, and of what hosts certify about them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Column, Index, Text, text
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime


def _index_where(name: str, column: str, condition: str) -> Index:
    """Of the rows alone that are looked for."""
    return Index(name, column, sqlite_where=text(condition), postgresql_where=text(condition))


class DeviceRow(SQLModel, table=True):
    """One slice that a host offers or offered. A row stays while a claim rests on it, and from its first
    lease on: what it must be cleaned of is not forgotten because a report left it out."""

    __tablename__ = "accelerator_device"
    __table_args__ = (
        Index("ux_accelerator_device_host_name", "host_id", "name", unique=True),
        Index("ix_accelerator_device_product", "vendor_id", "product_id", "kind", "resource_class"),
        Index("ix_accelerator_device_state", "state", "host_id", "name"),
        _index_where("ix_accelerator_device_departed", "departed_from", "departed_from IS NOT NULL"),
        _index_where("ix_accelerator_device_serial", "serial", "serial <> ''"),
    )

    id: UUID = Field(primary_key=True)
    """Made from host and name, so that a device that comes back has its id again."""
    host_id: UUID
    name: str = Field(max_length=128)
    card: str = Field(max_length=128)
    """Name of the card that it is a slice of; its own where it is the whole card."""
    provider_id: UUID = Field(index=True)
    """Of the card, which all its slices share."""
    kind: str = Field(default="whole", max_length=16)
    slice_type: str = Field(default="", max_length=255)
    mdev: UUID | None = None
    addresses: list[str] = Field(sa_column=Column(JSON, nullable=False))
    vendor_id: str = Field(max_length=4)
    product_id: str = Field(max_length=4)
    model: str = Field(default="", max_length=255)
    serial: str = Field(default="", max_length=255)
    resource_class: str = Field(max_length=255)
    traits: list[str] = Field(sa_column=Column(JSON, nullable=False))
    share: int = 1000
    """Of the card, in thousandths."""
    memory_mib: int | None = None
    sharing: dict[str, object] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    shape_id: UUID | None = Field(default=None, index=True)
    """What tenants are shown of it."""
    numa_node: int | None = None
    pci_path: list[str] = Field(sa_column=Column(JSON, nullable=False))
    link_speed: float | None = None
    """GT/s of one lane."""
    link_width: int | None = None
    """Lanes."""
    health: dict[str, object] | None = Field(default=None, sa_type=JSON(none_as_null=True))

    state: str = Field(max_length=16)
    """As its host says; MISSING when the host does not speak of it any more."""
    reason: str = Field(default="", sa_type=Text)
    offered: bool
    """Whether placement may hand it out; inventory.held_back decides."""
    oddity: str = Field(default="", sa_type=Text)
    """What its host says of it that can't be kept as it is said; such a device is not offered."""
    held_back: str = Field(default="", sa_type=Text)
    """Why it is not offered; empty while it is, or while a claim rests on it."""

    generation: int = Field(default=0, sa_type=BigInteger)
    """Of the newest lease: grows with every claim."""
    begun_generation: int = Field(default=0, sa_type=BigInteger)
    """Of the newest lease that its host was seen to take up: one that ended before needs no cleaning."""
    certified_generation: int = Field(default=0, sa_type=BigInteger)
    """Of the newest lease after which it was certified to be clean; less once it was used again."""
    chain: int = 0
    """Of its certificates: an operator may have a new chain begun where the old one was lost."""
    certificate_fault: str = Field(default="", sa_type=Text)
    """Why the newest certificate was refused."""

    maintenance: bool = False
    """Wanted by an operator."""
    quarantine_reason: str = Field(default="", max_length=1024)
    """An operator's; empty when none wants it out of use."""
    quarantine_until: int = 0
    """The release count that ends an operator's quarantine."""
    release_count: int = 0
    """Wanted."""
    release_done: int = Field(default=0, sa_type=BigInteger)
    last_seen: datetime = Field(sa_type=UtcDateTime)
    """When its host last said something new of it."""
    departed_from: str | None = Field(default=None, max_length=64)
    """Name of its host, once that was deleted: what must be remembered goes to the next host of this name."""


class CardRow(SQLModel, table=True):
    """One card of a host: what it can be cut into, and how its layout stands. Its id is its provider's."""

    __tablename__ = "accelerator_card"
    __table_args__ = (Index("ux_accelerator_card_host_name", "host_id", "name", unique=True),)

    id: UUID = Field(primary_key=True)
    host_id: UUID
    name: str = Field(max_length=128)
    address: str = Field(max_length=255)
    vendor_id: str = Field(max_length=4)
    product_id: str = Field(max_length=4)
    model: str = Field(default="", max_length=255)
    serial: str = Field(default="", max_length=255)
    memory_mib: int | None = None
    abilities: list[dict[str, object]] = Field(sa_column=Column(JSON, nullable=False))
    drift: str = Field(default="", sa_type=Text)
    last_seen: datetime = Field(sa_type=UtcDateTime)
    """When its host last said something new of it."""


class ShapeRow(SQLModel, table=True):
    """One sort of slice as tenants see it: nothing of hosts, nothing of numbers. Made from its fields."""

    __tablename__ = "accelerator_shape"

    id: UUID = Field(primary_key=True)
    resource_class: str = Field(max_length=255, index=True)
    kind: str = Field(max_length=16)
    share: int
    memory_mib: int | None = None
    policy: str | None = Field(default=None, max_length=16)
    quantum_us: int | None = None
    preempt_timeout_us: int | None = None
    weight: int | None = None


class ClaimRow(SQLModel, table=True):
    """A server's hold on a device. The unique index is the last line of invariant I1: one claim a device."""

    __tablename__ = "accelerator_claim"

    id: UUID = Field(primary_key=True)
    device_id: UUID = Field(unique=True)
    server_id: UUID = Field(index=True)
    generation: int = Field(default=0, sa_type=BigInteger)
    """The device's, as this claim made it."""
    created_at: datetime = Field(sa_type=UtcDateTime)


class LeaseRow(SQLModel, table=True):
    """Whose a claim was. Kept when it has ended, for the certificate that follows is his to read."""

    __tablename__ = "accelerator_lease"
    __table_args__ = (
        Index("ix_accelerator_lease_device", "device_id", "project_id"),
        _index_where("ix_accelerator_lease_ended", "ended_at", "ended_at IS NOT NULL"),
    )

    id: UUID = Field(primary_key=True)
    """The claim's."""
    device_id: UUID
    server_id: UUID = Field(index=True)
    project_id: str = Field(max_length=64)
    generation: int = Field(sa_type=BigInteger)
    began_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class CertificateRow(SQLModel, table=True):
    """One certificate, as it was signed. Only those that verify and continue a device's chain are here."""

    __tablename__ = "accelerator_certificate"
    __table_args__ = (
        Index("ux_accelerator_certificate_device", "device_id", "chain", "sequence", unique=True),
        Index("ix_accelerator_certificate_project", "project_id", "device_id"),
        _index_where("ix_accelerator_certificate_superseded", "superseded_at", "superseded_at IS NOT NULL"),
    )

    id: UUID = Field(primary_key=True)
    device_id: UUID
    chain: int
    sequence: int = Field(sa_type=BigInteger)
    host_id: UUID
    generation: int = Field(sa_type=BigInteger)
    claim_id: UUID | None = None
    project_id: str | None = Field(default=None, max_length=64)
    """Whose lease it followed; None: nobody's."""
    server_id: UUID | None = Field(default=None, index=True)
    hash: str = Field(max_length=64)
    body: dict[str, object] = Field(sa_type=JSON)
    received_at: datetime = Field(sa_type=UtcDateTime)
    superseded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When the next of its chain came, or its device went for good; None for the newest, which never grows
    old."""


class AnchorRow(SQLModel, table=True):
    """Where what is kept of a chain begins, if not with its first certificate: number and hash of the one
    before."""

    __tablename__ = "accelerator_chain_anchor"

    device_id: UUID = Field(primary_key=True)
    chain: int = Field(primary_key=True)
    host_id: UUID
    device: str = Field(max_length=255)
    sequence: int = Field(sa_type=BigInteger)
    hash: str = Field(max_length=64)
    reason: str = Field(max_length=16)
    """`pruned`: it grew too old. `unknown`: this cloud never had it."""
    made_at: datetime = Field(sa_type=UtcDateTime)


class HostKeyRow(SQLModel, table=True):
    """A public key with which a host signs, or once signed, certificates."""

    __tablename__ = "accelerator_host_key"

    host_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True, max_length=64)
    first_seen: datetime = Field(sa_type=UtcDateTime)
