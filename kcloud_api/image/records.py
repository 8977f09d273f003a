"""Images as the rest of the control plane sees them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """`sha512`, `size` and `virtual_size` are None until the data is there (status `active`)."""

    id: UUID
    name: str | None
    status: str
    sha512: str | None
    size: int | None
    disk_format: str | None
    min_disk_gib: int
    min_ram_mib: int
    owner: str | None
    visibility: str
    container_format: str | None
    checksum: str | None
    virtual_size: int | None
    protected: bool
    os_hidden: bool
    created_at: datetime
    updated_at: datetime
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """What an upload turned out to be."""

    size: int
    virtual_size: int
    checksum: str
    sha512: str
