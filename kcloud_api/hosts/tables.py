"""The rows of hosts: who they are, when they were last heard of, what they offer and what they must lose."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Index
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime


class HostRow(SQLModel, table=True):
    """One compute host. `epoch` counts its agents' sessions; `last_sequence` its reports within the epoch."""

    __tablename__ = "hosts_host"
    __table_args__ = (Index("ix_hosts_host_liveness", "state", "last_seen"),)

    id: UUID = Field(primary_key=True)
    name: str = Field(max_length=64, unique=True)
    secret_sha256: str = Field(max_length=64)
    epoch: int = Field(default=0, sa_type=BigInteger)
    last_sequence: int = Field(default=0, sa_type=BigInteger)
    boot_id: UUID | None = None
    last_seen: datetime = Field(sa_type=UtcDateTime)
    state: str = Field(default="up", max_length=8)
    enabled: bool = True
    disabled_reason: str | None = Field(default=None, max_length=255)
    report: dict[str, object] = Field(default_factory=dict, sa_type=JSON)
    """Its last report without servers, devices and counters."""
    report_digest: str = Field(default="", max_length=64)
    """Over all that placement and accelerator were told; equal means that they need not hear it again."""
    problems: list[str] = Field(default_factory=list, sa_type=JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class EnrolmentRow(SQLModel, table=True):
    """A one-time token, by digest. Once used it answers only the secret that used it."""

    __tablename__ = "hosts_enrolment"

    token_sha256: str = Field(primary_key=True, max_length=64)
    host: str = Field(max_length=64)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_by: str | None = Field(default=None, max_length=64)
    host_id: UUID | None = None


class StrayRow(SQLModel, table=True):
    """A server that a host has and should not have: its assignment names it as absent until it is gone."""

    __tablename__ = "hosts_stray"

    host_id: UUID = Field(primary_key=True)
    server_id: UUID = Field(primary_key=True)
    generation: int
    reason: str = Field(max_length=32)
    created_at: datetime = Field(sa_type=UtcDateTime)
