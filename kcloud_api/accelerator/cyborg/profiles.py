"""Use cases of device profiles."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from kcloud_api.accelerator.cyborg.groups import checked_groups, checked_name
from kcloud_api.accelerator.cyborg.tables import DeviceProfileRow
from kcloud_api.db.columns import utcnow
from kcloud_api.db.unique import add_unique
from kcloud_common.errors import AlreadyExists, BadRequest, NotFound

Groups = tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class NewProfile:
    """As a client asks for it; nothing is checked yet. `id` None makes one."""

    name: str
    groups: Iterable[Mapping[str, object]]
    description: str | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ProfileRecord:
    id: UUID
    name: str
    description: str | None
    groups: Groups
    created_at: datetime


def create_profile(session: Session, new: NewProfile) -> ProfileRecord:
    """Raises BadRequest, and AlreadyExists for a name or an id in use."""
    row = DeviceProfileRow(
        id=new.id or uuid4(), name=checked_name(new.name), description=new.description,
        groups=checked_groups(new.groups), created_at=utcnow(),
    )  # fmt: skip
    taken = f"A device_profile with name {row.name} already exists."
    if session.exec(select(DeviceProfileRow.id).where(DeviceProfileRow.name == row.name)).first():
        raise AlreadyExists(taken)
    if session.get(DeviceProfileRow, row.id) is not None:
        raise AlreadyExists(f"DeviceProfile with uuid {row.id} already exists.")
    add_unique(session, row, taken)
    return _record(row)


def profile_page(
    session: Session, *, names: Collection[str] | None, limit: int, marker: UUID | None
) -> tuple[tuple[ProfileRecord, ...], bool]:
    """Profiles by name, and whether more follow. BadRequest for a marker that is none."""
    statement = select(DeviceProfileRow).order_by(col(DeviceProfileRow.name)).limit(limit + 1)
    if names is not None:
        statement = statement.where(col(DeviceProfileRow.name).in_(sorted(names)))
    if marker is not None:
        last = session.get(DeviceProfileRow, marker)
        if last is None:
            raise BadRequest(f"marker [{marker}] not found", field="marker")
        statement = statement.where(col(DeviceProfileRow.name) > last.name)
    rows = session.exec(statement).all()
    return tuple(map(_record, rows[:limit])), len(rows) > limit


def get_profile(session: Session, name_or_id: str) -> ProfileRecord:
    return _record(_row(session, name_or_id))


def delete_profiles(session: Session, names_or_ids: Iterable[str]) -> None:
    """All of them, or none: raises NotFound. Servers that were asked for by them stay as they are."""
    for name_or_id in names_or_ids:
        session.delete(_row(session, name_or_id, lock=True))
        session.flush()


def groups_of(session: Session, name: str) -> Groups:
    """What the profile of this name asks for. Raises NotFound."""
    row = session.exec(select(DeviceProfileRow).where(DeviceProfileRow.name == name)).first()
    if row is None:
        raise _unknown(name)
    return tuple(row.groups)


def _row(session: Session, name_or_id: str, *, lock: bool = False) -> DeviceProfileRow:
    statement = select(DeviceProfileRow).where(_is_called(name_or_id))
    row = session.exec(statement.with_for_update() if lock else statement).first()
    if row is None:
        raise _unknown(name_or_id)
    return row


def _is_called(name_or_id: str) -> ColumnElement[bool]:
    try:
        return col(DeviceProfileRow.id) == UUID(name_or_id)
    except ValueError:
        return col(DeviceProfileRow.name) == name_or_id


def _unknown(name_or_id: str) -> NotFound:
    return NotFound(f"Device Profile not found with {name_or_id}")


def _record(row: DeviceProfileRow) -> ProfileRecord:
    return ProfileRecord(row.id, row.name, row.description, tuple(row.groups), row.created_at)
