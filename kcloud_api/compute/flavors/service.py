"""Use cases of flavors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from sqlalchemy import delete
from sqlmodel import Session, col, select

from kcloud_api.caller import Caller
from kcloud_api.compute import guest_shape
from kcloud_api.compute.flavors.accelerators import KEYS, NO_ALIASES, check
from kcloud_api.compute.flavors.listing import Listing, page
from kcloud_api.compute.flavors.tables import Flavor, FlavorAccess
from kcloud_api.db.unique import add_unique
from kcloud_api.scheduler import device_policy
from kcloud_api.scheduler.aliases import Aliases
from kcloud_common.errors import AlreadyExists, BadRequest, Conflict, NotFound


@dataclass(frozen=True, slots=True)
class FlavorRecord:
    id: str
    name: str
    vcpus: int
    ram_mib: int
    disk_gib: int
    ephemeral_gib: int = 0
    swap_mib: int = 0
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    is_public: bool = True
    description: str | None = None


@dataclass(frozen=True, slots=True)
class NewFlavor:
    """`id` None makes one."""

    name: str
    vcpus: int
    ram_mib: int
    disk_gib: int
    id: str | None = None
    ephemeral_gib: int = 0
    swap_mib: int = 0
    is_public: bool = True
    description: str | None = None


def get_flavor(session: Session, caller: Caller, flavor_id: str) -> FlavorRecord:
    """Raises NotFound for none and for a private one that the caller's project may not use."""
    return _record(_visible_row(session, caller, flavor_id))


def find_flavor(session: Session, caller: Caller, id_or_name: str) -> FlavorRecord:
    """The same for people, who know a flavor by its name; an id comes before another's name."""
    row = session.get(Flavor, id_or_name)
    row = row or session.exec(select(Flavor).where(Flavor.name == id_or_name)).first()
    if row is None or not _may_use(session, caller, row):
        raise _no_flavor(id_or_name)
    return _record(row)


def list_flavors(session: Session, caller: Caller, listing: Listing) -> tuple[FlavorRecord, ...]:
    """One page. Raises BadRequest for a marker that is no flavor of the caller's."""
    after = None
    if listing.marker is not None:
        try:
            after = _visible_row(session, caller, listing.marker).model_dump()
        except NotFound:
            raise BadRequest(f"marker [{listing.marker}] not found") from None
    columns = {name: col(getattr(Flavor, name)) for name in Flavor.model_fields}
    found = page(columns, listing, after)
    query = select(Flavor).where(*found.where).order_by(*found.order).limit(listing.limit)
    if not caller.is_admin:
        granted = select(FlavorAccess.flavor_id).where(FlavorAccess.project_id == (caller.project_id or ""))
        query = query.where(col(Flavor.is_public).is_(True) | col(Flavor.id).in_(granted))
    elif listing.is_public is not None:
        query = query.where(col(Flavor.is_public).is_(listing.is_public))
    return tuple(_record(row) for row in session.exec(query))


def create_flavor(session: Session, new: NewFlavor) -> FlavorRecord:
    """Raises AlreadyExists for a name or an id in use."""
    flavor_id = new.id or str(uuid4())
    if session.exec(select(Flavor.id).where(Flavor.name == new.name)).first() is not None:
        raise AlreadyExists(f"Flavor with name {new.name} already exists.")
    row = Flavor(
        id=flavor_id,
        name=new.name,
        vcpus=new.vcpus,
        ram_mib=new.ram_mib,
        disk_gib=new.disk_gib,
        ephemeral_gib=new.ephemeral_gib,
        swap_mib=new.swap_mib,
        is_public=new.is_public,
        description=new.description,
    )
    add_unique(session, row, f"Flavor with ID {flavor_id} already exists.")
    return _record(row)


def describe_flavor(session: Session, flavor_id: str, description: str | None) -> FlavorRecord:
    """The one thing about a flavor that may change: servers were built from the rest."""
    row = _row(session, flavor_id)
    row.description = description
    session.add(row)
    session.flush()
    return _record(row)


def delete_flavor(session: Session, flavor_id: str) -> None:
    session.delete(_row(session, flavor_id))
    session.exec(delete(FlavorAccess).where(col(FlavorAccess.flavor_id) == flavor_id))
    session.flush()


def set_extra_specs(
    session: Session, flavor_id: str, specs: Mapping[str, str], *, aliases: Aliases = NO_ALIASES
) -> None:
    """Add or replace these; the others stay. BadRequest for a policy, a device profile or a PCI alias that
    there is not."""
    row = _row(session, flavor_id, lock=True)
    merged = {**row.extra_specs, **specs}
    if specs.keys() & device_policy.KEYS:
        device_policy.device_policy(merged)
    if guest_shape.concerns(specs.keys()):
        guest_shape.check(merged, row.vcpus, row.ram_mib)
    if specs.keys() & KEYS:
        check(session, merged, aliases)
    row.extra_specs = merged
    session.add(row)
    session.flush()


def remove_extra_spec(session: Session, flavor_id: str, key: str) -> None:
    row = _row(session, flavor_id, lock=True)
    if key not in row.extra_specs:
        raise no_extra_spec(flavor_id, key)
    row.extra_specs = {name: value for name, value in row.extra_specs.items() if name != key}
    session.add(row)
    session.flush()


def no_extra_spec(flavor_id: str, key: str) -> NotFound:
    return NotFound(f"Flavor {flavor_id} has no extra specs with key {key}.")


def projects_with_access(session: Session, flavor_id: str) -> tuple[str, ...]:
    """Raises NotFound for a public flavor, which needs no list."""
    if _row(session, flavor_id).is_public:
        raise NotFound("Access list not available for public flavors.")
    return _projects(session, flavor_id)


def grant_access(session: Session, flavor_id: str, project_id: str) -> tuple[str, ...]:
    if _row(session, flavor_id).is_public:
        raise Conflict("Can not add access to a public flavor.")
    taken = f"Flavor access already exists for flavor {flavor_id} and project {project_id} combination."
    if session.get(FlavorAccess, (flavor_id, project_id)) is not None:
        raise AlreadyExists(taken)
    add_unique(session, FlavorAccess(flavor_id=flavor_id, project_id=project_id), taken)
    return _projects(session, flavor_id)


def revoke_access(session: Session, flavor_id: str, project_id: str) -> tuple[str, ...]:
    _row(session, flavor_id)
    access = session.get(FlavorAccess, (flavor_id, project_id))
    if access is None:
        raise NotFound(f"Flavor access not found for {flavor_id} / {project_id} combination.")
    session.delete(access)
    session.flush()
    return _projects(session, flavor_id)


def _projects(session: Session, flavor_id: str) -> tuple[str, ...]:
    query = select(FlavorAccess.project_id).where(FlavorAccess.flavor_id == flavor_id)
    return tuple(session.exec(query.order_by(col(FlavorAccess.project_id))))


def _visible_row(session: Session, caller: Caller, flavor_id: str) -> Flavor:
    row = _row(session, flavor_id)
    if not _may_use(session, caller, row):
        raise _no_flavor(flavor_id)
    return row


def _may_use(session: Session, caller: Caller, row: Flavor) -> bool:
    if row.is_public or caller.is_admin:
        return True
    return session.get(FlavorAccess, (row.id, caller.project_id or "")) is not None


def _row(session: Session, flavor_id: str, *, lock: bool = False) -> Flavor:
    row = session.get(Flavor, flavor_id, with_for_update=lock or None)
    if row is None:
        raise _no_flavor(flavor_id)
    return row


def _no_flavor(flavor_id: str) -> NotFound:
    return NotFound(f"Flavor {flavor_id} could not be found.")


def _record(row: Flavor) -> FlavorRecord:
    return FlavorRecord(
        id=row.id,
        name=row.name,
        vcpus=row.vcpus,
        ram_mib=row.ram_mib,
        disk_gib=row.disk_gib,
        ephemeral_gib=row.ephemeral_gib,
        swap_mib=row.swap_mib,
        extra_specs=dict(row.extra_specs),
        is_public=row.is_public,
        description=row.description,
    )
