"""What this host remembers of one server across its own death: small, written whole, one per server."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A server that was started once and stopped by itself must not be started again; this is how we know."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    claims: tuple[UUID, ...] = ()
    """Written before the first device is prepared, so that removal knows them when nothing else is left."""
    generation: int = 0
    """The newest generation whose power state was brought about (0: none)."""
    has_run: bool = False
    """Its disk holds what the guest wrote: never make it anew."""
    running: bool = False
    """It ran when we last looked."""
    boot_id: UUID | None = None
    """The host's boot when that was so."""
    reboot_count: int = 0
