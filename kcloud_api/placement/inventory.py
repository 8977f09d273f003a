"""What a host offers, as its report says: the root provider and its children. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Inventory:
    """How much of one class. `max_unit` None: as much as `total`."""

    total: int
    reserved: int = 0
    min_unit: int = 1
    max_unit: int | None = None
    step_size: int = 1
    allocation_ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class ProviderInventory:
    """One provider below a host, e.g. one device. `name` is unique in the cloud."""

    id: UUID
    name: str
    inventories: Mapping[str, Inventory]
    traits: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HostInventory:
    """A host's whole tree; the root provider has the host's id and name.

    A host that must not take new servers carries the trait `COMPUTE_STATUS_DISABLED` here.
    """

    host_id: UUID
    name: str
    inventories: Mapping[str, Inventory]
    traits: frozenset[str] = frozenset()
    children: tuple[ProviderInventory, ...] = field(default=())
