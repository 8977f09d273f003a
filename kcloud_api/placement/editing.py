"""Makes, changes and removes providers, as clients of the Placement API ask."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update
from sqlmodel import Session, col

from kcloud_api.db.columns import utcnow
from kcloud_api.db.unique import add_unique
from kcloud_api.placement import providers, syncing
from kcloud_api.placement.conflicts import ProviderHasChildren, ProviderInUse
from kcloud_api.placement.locking import locked, retried
from kcloud_api.placement.providers import ProviderRecord
from kcloud_api.placement.snapshot import journal
from kcloud_api.placement.tables import AllocationRow, InventoryRow, Origin, ProviderRow
from kcloud_common.errors import AlreadyExists, BadRequest, NotFound


@dataclass(frozen=True, slots=True)
class ProviderWant:
    """What a provider shall be. `may_move`: the client's version knows that a parent can change."""

    name: str
    parent_id: UUID | None
    may_move: bool = True


@retried
def create_provider(session: Session, provider_id: UUID, name: str, parent_id: UUID | None) -> ProviderRecord:
    """AlreadyExists for a name or id in use, BadRequest for an unknown parent."""
    doing = (
        f'Unable to create resource provider "{name}", {provider_id}: Object action create failed because:'
    )
    if not name:
        raise BadRequest(f"{doing} name is required", field="name")
    if parent_id == provider_id:
        raise BadRequest(
            f"{doing} parent provider UUID cannot be same as UUID. Please set parent provider UUID to None "
            "if there is no parent."
        )
    parent = _parent(session, parent_id, doing) if parent_id is not None else None
    taken = _taken(session, provider_id, name)
    if taken:
        raise AlreadyExists(f"Conflicting resource provider {', '.join(taken)} already exists.")
    root_id = parent.root_id if parent is not None else provider_id
    row = ProviderRow(id=provider_id, name=name, parent_id=parent_id, root_id=root_id, origin=Origin.API)
    # Unless somebody took them since: then it is not known which.
    add_unique(session, row, f"Conflicting resource provider name: {name} already exists.")
    journal.touch(session, [root_id])
    return providers.get_provider(session, provider_id)


@retried
def update_provider(session: Session, provider_id: UUID, want: ProviderWant) -> ProviderRecord:
    """Rename, or put below another provider, or none, with all that it has below itself."""
    others = [want.parent_id] if want.parent_id is not None else []
    now = locked(session, provider_id, *others)
    doing = f"Unable to save resource provider {provider_id}: Object action"
    if want.parent_id != now.parent_id:
        _move(session, now, want, doing)
    if any(taken.startswith("name:") for taken in _taken(session, provider_id, want.name)):
        raise AlreadyExists(f"Conflicting resource provider {want.name} already exists.")
    _set(session, provider_id, name=want.name)
    journal.touch(session, [now.root_id])
    return providers.get_provider(session, provider_id)


@retried
def delete_provider(session: Session, provider_id: UUID) -> None:
    """ProviderInUse while something is allocated from it, ProviderHasChildren while it has any."""
    try:
        now = locked(session, provider_id)
    except NotFound as error:
        raise NotFound(f"No resource provider with uuid {provider_id} found for delete") from error
    connection = session.connection()
    children = select(col(ProviderRow.id)).where(col(ProviderRow.parent_id) == provider_id).limit(1)
    if connection.execute(children).first() is not None:
        raise ProviderHasChildren(
            f"Unable to delete parent resource provider {provider_id}: It has child resource providers."
        )
    held = (
        select(col(AllocationRow.consumer_id)).where(col(AllocationRow.provider_id) == provider_id).limit(1)
    )
    if connection.execute(held).first() is not None:
        raise ProviderInUse(
            f"Unable to delete resource provider {provider_id}: Resource provider has allocations."
        )
    syncing.forget_provider(session, provider_id)
    journal.touch(session, [now.root_id])


def _parent(session: Session, parent_id: UUID, doing: str) -> ProviderRecord:
    """Locked."""
    try:
        return locked(session, parent_id)
    except NotFound as error:
        raise BadRequest(f"{doing} parent provider UUID does not exist.") from error


def _move(session: Session, now: ProviderRecord, want: ProviderWant, doing: str) -> None:
    """Everything below comes along; each tree is known by its root in every row."""
    root_id = now.id
    if want.parent_id is not None:
        parent = _parent(session, want.parent_id, f"{doing} create failed because:")
        root_id = parent.root_id
    if now.parent_id is not None and not want.may_move:
        what = "un-parenting" if want.parent_id is None else "re-parenting"
        raise BadRequest(f"{doing} update failed because: {what} a provider is not currently allowed.")
    below = _subtree(session, now)
    if want.parent_id in below:
        raise BadRequest(f"{doing} update failed because: creating loop in the provider tree is not allowed.")
    for moved, identity in (
        (ProviderRow, col(ProviderRow.id)),
        (InventoryRow, col(InventoryRow.provider_id)),
    ):
        session.connection().execute(update(moved).where(identity.in_(sorted(below))).values(root_id=root_id))
    _set(session, now.id, parent_id=want.parent_id)
    journal.touch(session, [now.root_id, root_id])


def _subtree(session: Session, top: ProviderRecord) -> frozenset[UUID]:
    """The provider and all below it."""
    statement = select(col(ProviderRow.id), col(ProviderRow.parent_id)).where(
        col(ProviderRow.root_id) == top.root_id
    )
    children: dict[UUID | None, list[UUID]] = {}
    for provider_id, parent_id in session.connection().execute(statement):
        children.setdefault(parent_id, []).append(provider_id)
    found, open_ = {top.id}, [top.id]
    while open_:
        below = children.get(open_.pop(), [])
        found.update(below)
        open_.extend(below)
    return frozenset(found)


def _set(session: Session, provider_id: UUID, **values: object) -> None:
    session.connection().execute(
        update(ProviderRow).where(col(ProviderRow.id) == provider_id).values(**values, updated_at=utcnow())
    )


def _taken(session: Session, provider_id: UUID, name: str) -> list[str]:
    """What of a provider's identity is in use, in the words of the refusal; its own name is not."""
    statement = select(col(ProviderRow.id), col(ProviderRow.name)).where(
        (col(ProviderRow.id) == provider_id) | (col(ProviderRow.name) == name)
    )
    found = session.connection().execute(statement).all()
    taken = [f"uuid: {provider_id}"] if any(row.id == provider_id for row in found) else []
    return taken + [f"name: {name}" for row in found if row.name == name and row.id != provider_id]
