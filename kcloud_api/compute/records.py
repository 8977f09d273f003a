"""What compute's use cases take and give: frozen values, free of rows and of HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from kcloud_api.compute.states import Facts, PowerState, Reboot, State
from kcloud_api.scheduler.request import FlavorShape


class Snapshot(BaseModel):
    """Something of another service, kept as it was when the server was made. Stored as JSON."""

    model_config = ConfigDict(frozen=True)


class FlavorSnapshot(Snapshot):
    id: str
    name: str
    vcpus: int
    ram_mib: int
    disk_gib: int
    ephemeral_gib: int = 0
    swap_mib: int = 0
    extra_specs: dict[str, str] = {}
    asked: dict[str, str] = {}
    """What its device profile and PCI aliases stood for when the server was made, as extra specs."""

    @property
    def shape(self) -> FlavorShape:
        """What it asks of a host."""
        return FlavorShape(
            vcpus=self.vcpus, ram_mib=self.ram_mib, disk_gib=self.disk_gib,
            ephemeral_gib=self.ephemeral_gib, swap_mib=self.swap_mib,
            extra_specs={**self.asked, **self.extra_specs},
        )  # fmt: skip


class ImageSnapshot(Snapshot):
    id: UUID
    name: str | None = None
    sha512: str
    size: int
    disk_format: str


class ServerFault(Snapshot):
    """Why a server is in ERROR. `generation`: of the desired state that could not be reached."""

    code: int = 500
    reason: str
    message: str
    details: str = ""
    created: datetime
    generation: int


@dataclass(frozen=True, slots=True)
class NewServer:
    """A validated request for one or more equal servers."""

    name: str
    flavor_id: str
    image_id: UUID
    key_name: str | None = None
    user_data: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    config_drive: bool = False
    description: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """One server. `power`: what its host last showed."""

    id: UUID
    project_id: str
    user_id: str
    name: str
    description: str | None
    state: State
    generation: int
    wanted_on: bool
    flavor: FlavorSnapshot
    image: ImageSnapshot
    key_name: str | None
    public_key: str | None
    user_data: str | None
    metadata: Mapping[str, str]
    config_drive: bool
    reservation_id: str
    launch_index: int
    host_id: UUID | None
    host_name: str | None
    fault: ServerFault | None
    power: PowerState
    rebooting: Reboot
    reboot_count: int
    console_count: int
    created_at: datetime
    updated_at: datetime
    launched_at: datetime | None
    deleted_at: datetime | None

    @property
    def facts(self) -> Facts:
        """What the words that Nova has for it depend on."""
        return Facts(
            state=self.state,
            wanted_on=self.wanted_on,
            power=self.power,
            launched=self.launched_at is not None,
            faulty=self.fault is not None,
            rebooting=self.rebooting,
        )


@dataclass(frozen=True, slots=True)
class HostedServer:
    """A server as its host's operator counts it."""

    id: UUID
    flavor: FlavorSnapshot


@dataclass(frozen=True, slots=True)
class ServerFilter:
    """Which servers a list shows. None: any. `states` empty: none."""

    project_id: str | None
    states: frozenset[State] | None = None
    name: str | None = None
    """A regular expression, found anywhere in the name."""
    user_id: str | None = None
    flavor_id: str | None = None
    image_id: UUID | None = None
    host_name: str | None = None
    server_id: UUID | None = None
    key_name: str | None = None
    changed_since: datetime | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page begins and how long it is; `order` is (column, ascending)."""

    limit: int
    marker: UUID | None = None
    sort_key: str = "created_at"
    ascending: bool = False


@dataclass(frozen=True, slots=True)
class ServerPage:
    servers: tuple[ServerRecord, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class EventRecord:
    event: str
    start: datetime
    finish: datetime | None
    result: str | None
    details: str | None
    host_name: str | None


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """A thing that was asked of a server, with its steps in order."""

    id: UUID
    server_id: UUID
    request_id: str
    action: str
    project_id: str
    user_id: str
    start: datetime
    finish: datetime | None
    message: str | None
    events: tuple[EventRecord, ...] = ()

    @property
    def updated_at(self) -> datetime:
        ends = [event.finish for event in self.events if event.finish is not None]
        return max([self.finish or self.start, *ends])


@dataclass(frozen=True, slots=True)
class ActionQuery:
    """At most `limit` actions after the one that is `marker`, or that the request of this id asked for; last
    changed within these times."""

    limit: int
    marker: str | None = None
    since: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConsoleLog:
    """`count` is the request that `text` answers; 0: the host has sent nothing yet."""

    count: int
    text: bytes
