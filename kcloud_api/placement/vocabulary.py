"""Which traits and resource classes this cloud has: the standard ones, and those that somebody made."""

from sqlmodel import Session, col, select

from kcloud_api.placement import names
from kcloud_api.placement.syncing import insert_missing
from kcloud_api.placement.tables import InventoryRow, ProviderTraitRow, ResourceClassRow, TraitRow
from kcloud_common.errors import BadRequest, Conflict, NotFound


def list_traits(
    session: Session, *, among: frozenset[str] | None = None, prefix: str = "", used: bool | None = None
) -> tuple[str, ...]:
    """Sorted; those of `among`, those that begin so, and those that some (or no) provider has."""
    found = names.STANDARD_TRAITS | set(session.exec(select(TraitRow.name)))
    if used is not None:
        associated = set(session.exec(select(ProviderTraitRow.trait).distinct()))
        found = found & associated if used else found - associated
    return tuple(
        sorted(name for name in found if name.startswith(prefix) and (among is None or name in among))
    )


def trait_exists(session: Session, name: str) -> bool:
    if name in names.STANDARD_TRAITS:
        return True
    return session.exec(select(TraitRow.name).where(TraitRow.name == name)).first() is not None


def ensure_trait(session: Session, name: str) -> bool:
    """Make a custom trait; True when it is new. BadRequest for a name that is not custom."""
    if trait_exists(session, name):
        return False
    if not names.is_custom(name):
        raise BadRequest(f"The trait is invalid: {name} must match {names.CUSTOM.pattern}.", field="name")
    insert_missing(session, TraitRow, [name])
    return True


def delete_trait(session: Session, name: str) -> None:
    """NotFound, BadRequest for a standard one, Conflict while a provider has it."""
    if name in names.STANDARD_TRAITS:
        raise BadRequest(f"Cannot delete standard trait {name}", field="name")
    row = session.get(TraitRow, name)
    if row is None:
        raise NotFound(f"No such trait(s): {name}.")
    if session.exec(select(ProviderTraitRow.trait).where(ProviderTraitRow.trait == name)).first():
        raise Conflict(f"The trait {name} is in use by a resource provider.")
    session.delete(row)
    session.flush()


def list_classes(session: Session) -> tuple[str, ...]:
    """Standard ones in their own order, then custom ones."""
    custom = session.exec(select(ResourceClassRow.name).order_by(col(ResourceClassRow.name)))
    return (*names.STANDARD_CLASSES, *custom)


def class_exists(session: Session, name: str) -> bool:
    return name in names.STANDARD_CLASSES or session.get(ResourceClassRow, name) is not None


def ensure_class(session: Session, name: str) -> bool:
    """Make a custom class; True when it is new. BadRequest for a name that is not custom."""
    if class_exists(session, name):
        return False
    if not names.is_custom(name):
        raise BadRequest(f"Resource class {name} must match {names.CUSTOM.pattern}.", field="name")
    insert_missing(session, ResourceClassRow, [name])
    return True


def delete_class(session: Session, name: str) -> None:
    """NotFound, BadRequest for a standard one, Conflict while a provider has an inventory of it."""
    if name in names.STANDARD_CLASSES:
        raise BadRequest(f"Cannot delete standard resource class {name}", field="name")
    row = session.get(ResourceClassRow, name)
    if row is None:
        raise NotFound(f"No such resource class: {name}")
    used = select(InventoryRow.provider_id).where(InventoryRow.resource_class == name)
    if session.exec(used).first() is not None:
        raise Conflict(f"Cannot delete resource class {name}: it is in use in inventory.")
    session.delete(row)
    session.flush()
