"""The rows of compute: servers, what was done to them, their console logs, the number of each assignment."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, Index, LargeBinary, Text, text
from sqlmodel import Field, SQLModel

from kcloud_api.db.columns import UtcDateTime

ACCELERATED = text("device_profile IS NOT NULL AND deleted_at IS NULL")
"""Few servers of many."""


class ServerRow(SQLModel, table=True):
    """One server: what is wanted of it and what its host last showed.

    `generation` is raised whenever its desired state changes. Flavor, image and public key are snapshots: a
    later change of theirs does not touch a server that exists.
    """

    __tablename__ = "compute_server"
    __table_args__ = (
        Index("ix_compute_server_project", "project_id", "state", "created_at", "id"),
        Index("ix_compute_server_state", "state", "created_at", "id"),
        Index("ix_compute_server_created", "created_at", "id"),
        Index("ix_compute_server_host", "host_id", "state"),
        Index("ix_compute_server_accelerated", "id", sqlite_where=ACCELERATED, postgresql_where=ACCELERATED),
    )

    id: UUID = Field(primary_key=True)
    project_id: str = Field(max_length=64)
    user_id: str = Field(max_length=64)
    name: str = Field(max_length=255)
    description: str | None = Field(default=None, max_length=255)
    state: str = Field(max_length=16)
    generation: int = 1
    power_on: bool = True
    """Desired."""
    flavor: dict[str, object] = Field(sa_type=JSON)
    device_profile: str | None = Field(default=None, max_length=255)
    """By whose name its accelerators were asked for; the flavor has what that stood for."""
    image_id: UUID = Field(index=True)
    image: dict[str, object] = Field(sa_type=JSON)
    key_name: str | None = Field(default=None, max_length=255)
    public_key: str | None = Field(default=None, sa_type=Text)
    user_data: str | None = Field(default=None, sa_type=Text)
    server_metadata: dict[str, str] = Field(default_factory=dict, sa_type=JSON)
    config_drive: bool = False
    """As asked; every guest gets one."""
    reservation_id: str = Field(max_length=16)
    launch_index: int = 0
    placing_attempts: int = 0

    host_id: UUID | None = None
    host_name: str | None = Field(default=None, max_length=64)
    fault: dict[str, object] | None = Field(default=None, sa_type=JSON)
    power_seen: str = Field(default="none", max_length=8)
    step_seen: str = Field(default="", max_length=64)
    boot_seen: UUID | None = None
    """The host's boot in which the server was last seen running."""

    reboot_count: int = 0
    reboot_seen: int = 0
    reboot_hard: bool = False
    console_count: int = 0

    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    launched_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class AssignmentRow(SQLModel, table=True):
    """The number of a host's newest assignment, and the host's name.

    A row of its own, so that placing a server and the host's heartbeat do not wait for each other.
    """

    __tablename__ = "compute_assignment"

    host_id: UUID = Field(primary_key=True)
    host_name: str = Field(max_length=64)
    generation: int = 1


class ActionRow(SQLModel, table=True):
    """One thing that was asked of a server: Nova's instance action."""

    __tablename__ = "compute_action"
    __table_args__ = (Index("ix_compute_action_server", "server_id", "start"),)

    id: UUID = Field(primary_key=True)
    server_id: UUID
    request_id: str = Field(max_length=64)
    action: str = Field(max_length=32)
    project_id: str = Field(max_length=64)
    user_id: str = Field(max_length=64)
    start: datetime = Field(sa_type=UtcDateTime)
    finish: datetime | None = Field(default=None, sa_type=UtcDateTime)
    message: str | None = Field(default=None, max_length=1024)


class ActionEventRow(SQLModel, table=True):
    """One step of an action."""

    __tablename__ = "compute_action_event"
    __table_args__ = (Index("ix_compute_action_event_action", "action_id", "start"),)

    id: UUID = Field(primary_key=True)
    action_id: UUID
    event: str = Field(max_length=64)
    start: datetime = Field(sa_type=UtcDateTime)
    finish: datetime | None = Field(default=None, sa_type=UtcDateTime)
    result: str | None = Field(default=None, max_length=16)
    details: str | None = Field(default=None, sa_type=Text)
    host_name: str | None = Field(default=None, max_length=64)


class ConsoleRow(SQLModel, table=True):
    """The newest tail of a server's console log; `count` is the request that it answers."""

    __tablename__ = "compute_console"

    server_id: UUID = Field(primary_key=True)
    count: int
    log: bytes = Field(sa_type=LargeBinary)
