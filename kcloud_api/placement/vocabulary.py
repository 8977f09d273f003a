"""Which traits and resource classes this cloud has: the standard ones, and those that somebody made.

The standard ones are os-traits' and os-resource-classes' of this release, so they are in step with it without
being written anywhere; only custom ones are rows.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlmodel import Session, col, select

from kcloud_api.placement import generations, names
from kcloud_api.placement.snapshot import journal
from kcloud_api.placement.syncing import insert_missing
from kcloud_api.placement.tables import (
    AllocationRow,
    InventoryRow,
    ProviderTraitRow,
    ResourceClassRow,
    TraitRow,
)
from kcloud_common.errors import BadRequest, Conflict, NotFound


@dataclass(frozen=True, slots=True)
class Name:
    """A trait or class that exists; a standard one was never changed."""

    name: str
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TraitQuery:
    """Traits of `among`, those that begin so, and those that some (or no) provider has; None: all."""

    among: frozenset[str] | None = None
    prefix: str = ""
    used: bool | None = None


def latest(found: Iterable[Name]) -> datetime | None:
    """When one of them changed last."""
    return max((each.updated_at for each in found if each.updated_at is not None), default=None)


def list_traits(session: Session, query: TraitQuery) -> tuple[Name, ...]:
    """Sorted."""
    found = {name: Name(name) for name in names.STANDARD_TRAITS} | _custom(session, TraitRow)
    kept = found.keys() if query.among is None else found.keys() & query.among
    if query.used is not None:
        associated = set(session.exec(select(ProviderTraitRow.trait).distinct()))
        kept = kept & associated if query.used else kept - associated
    return tuple(found[name] for name in sorted(kept) if name.startswith(query.prefix))


def get_trait(session: Session, name: str) -> Name:
    """NotFound when there is none."""
    if name in names.STANDARD_TRAITS:
        return Name(name)
    row = session.get(TraitRow, name)
    if row is None:
        raise NotFound(f"No such trait(s): {name}.")
    return Name(name, row.updated_at)


def trait_exists(session: Session, name: str) -> bool:
    return not unknown_traits(session, [name])


def unknown_traits(session: Session, wanted: Collection[str]) -> frozenset[str]:
    """Those that do not exist."""
    custom = frozenset(wanted) - names.STANDARD_TRAITS
    return custom - _stored(session, TraitRow, custom)


def ensure_trait(session: Session, name: str) -> bool:
    """Make a custom trait; True when it is new. BadRequest for a name that is not custom."""
    if not names.is_custom(name):
        raise BadRequest(
            "The trait is invalid. A valid trait must be no longer than 255 characters, start with the "
            'prefix "CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_"',
            field="name",
        )
    if trait_exists(session, name):
        return False
    insert_missing(session, TraitRow, [name])
    return True


def delete_trait(session: Session, name: str) -> None:
    """NotFound, BadRequest for a standard one, Conflict while a provider has it."""
    if name in names.STANDARD_TRAITS:
        raise BadRequest(f"Cannot delete standard trait {name}.", field="name")
    row = session.get(TraitRow, name)
    if row is None:
        raise NotFound(f"No such trait(s): {name}.")
    if session.exec(select(ProviderTraitRow.trait).where(ProviderTraitRow.trait == name)).first():
        raise Conflict(f"The trait {name} is in use by a resource provider.")
    session.delete(row)
    session.flush()


def list_classes(session: Session) -> tuple[Name, ...]:
    """Standard ones in their own order, then custom ones."""
    custom = _custom(session, ResourceClassRow)
    return (*(Name(name) for name in names.STANDARD_CLASSES), *(custom[name] for name in sorted(custom)))


def get_class(session: Session, name: str) -> Name:
    """NotFound when there is none."""
    if name in names.STANDARD_CLASSES:
        return Name(name)
    return Name(name, _class_row(session, name).updated_at)


def class_exists(session: Session, name: str) -> bool:
    return not unknown_classes(session, [name])


def unknown_classes(session: Session, wanted: Collection[str]) -> frozenset[str]:
    """Those that do not exist."""
    custom = frozenset(wanted) - frozenset(names.STANDARD_CLASSES)
    return custom - _stored(session, ResourceClassRow, custom)


def create_class(session: Session, name: str) -> None:
    """Make a custom class. Conflict when there is one."""
    if not ensure_class(session, name):
        raise Conflict(f"Conflicting resource class already exists: {name}")


def ensure_class(session: Session, name: str) -> bool:
    """Make a custom class; True when it is new. BadRequest for a name that is not custom."""
    if class_exists(session, name):
        return False
    if not names.is_custom(name):
        raise BadRequest(f"Resource class {name} must match {names.CUSTOM.pattern}.", field="name")
    insert_missing(session, ResourceClassRow, [name])
    return True


def rename_class(session: Session, name: str, new_name: str) -> None:
    """What clients could do before 1.7, inventories and allocations included. NotFound, BadRequest for a
    standard one, Conflict for a name in use."""
    if name in names.STANDARD_CLASSES:
        raise BadRequest(f"Cannot update standard resource class {name}", field="name")
    row = _class_row(session, name)
    if new_name == name:
        return
    if class_exists(session, new_name):
        raise Conflict(f"Resource class already exists: {new_name}")
    roots = session.exec(
        select(InventoryRow.root_id).where(InventoryRow.resource_class == name).distinct()
    ).all()
    generations.lock(session, roots)
    for table in (InventoryRow, AllocationRow):
        session.connection().execute(
            update(table).where(col(table.resource_class) == name).values(resource_class=new_name)
        )
    session.delete(row)
    session.flush()
    insert_missing(session, ResourceClassRow, [new_name])
    journal.touch(session, roots)


def delete_class(session: Session, name: str) -> None:
    """NotFound, BadRequest for a standard one, Conflict while a provider has an inventory of it."""
    if name in names.STANDARD_CLASSES:
        raise BadRequest(
            f"Error in delete resource class: Cannot delete standard resource class {name}.", field="name"
        )
    row = _class_row(session, name)
    used = select(InventoryRow.provider_id).where(InventoryRow.resource_class == name).limit(1)
    if session.exec(used).first() is not None:
        raise Conflict(
            f"Error in delete resource class: Cannot delete resource class {name}. "
            "Class is in use in inventory."
        )
    session.delete(row)
    session.flush()


def _class_row(session: Session, name: str) -> ResourceClassRow:
    row = session.get(ResourceClassRow, name)
    if row is None:
        raise NotFound(f"No such resource class {name}.")
    return row


def _custom(session: Session, table: type[TraitRow] | type[ResourceClassRow]) -> dict[str, Name]:
    return {name: Name(name, at) for name, at in session.exec(select(table.name, table.updated_at))}


def _stored(
    session: Session, table: type[TraitRow] | type[ResourceClassRow], wanted: Collection[str]
) -> frozenset[str]:
    if not wanted:
        return frozenset()
    return frozenset(session.exec(select(table.name).where(col(table.name).in_(sorted(wanted)))))
