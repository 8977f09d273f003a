"""Use cases of domains and projects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from sqlmodel import Session, col, select

from kcloud_api.db.unique import add_unique
from kcloud_api.identity.pages import Page
from kcloud_api.identity.projects.tables import Domain, Project
from kcloud_common.errors import AlreadyExists, Forbidden, NotFound


@dataclass(frozen=True, slots=True)
class DomainRecord:
    id: str
    name: str
    description: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class ProjectRecord:
    id: str
    name: str
    domain_id: str
    parent_id: str
    description: str
    enabled: bool
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewProject:
    name: str
    domain_id: str
    parent_id: str | None = None
    description: str = ""
    enabled: bool = True
    extra: Mapping[str, object] = field(default_factory=dict)


def ensure_domain(session: Session, domain_id: str, name: str) -> DomainRecord:
    row = session.get(Domain, domain_id)
    if row is None:
        row = Domain(id=domain_id, name=name, description="The default domain")
        add_unique(session, row, _conflict("domain", "name", name))
    return _domain(row)


def domains(session: Session, name: str | None = None, page: Page | None = None) -> tuple[DomainRecord, ...]:
    """For a `page`, one more than it holds."""
    query = select(Domain).order_by(col(Domain.id))
    if name is not None:
        query = query.where(Domain.name == name)
    if page is not None:
        query = page.select(query, col(Domain.id))
    return tuple(_domain(row) for row in session.exec(query))


def get_domain(session: Session, domain_id: str) -> DomainRecord:
    row = session.get(Domain, domain_id)
    if row is None:
        raise NotFound(f"Could not find domain: {domain_id}.")
    return _domain(row)


def projects(
    session: Session, filters: Mapping[str, object], page: Page | None = None
) -> tuple[ProjectRecord, ...]:
    """`filters` by exact value: name, domain_id, parent_id, enabled, ids (a collection). For a `page`, one
    more than it holds."""
    query = select(Project).order_by(col(Project.id))
    for key, value in filters.items():
        if key == "ids" and isinstance(value, frozenset):
            query = query.where(col(Project.id).in_(value))
        else:
            query = query.where(getattr(Project, key) == value)
    if page is not None:
        query = page.select(query, col(Project.id))
    return tuple(_project(row) for row in session.exec(query))


def get_project(session: Session, project_id: str) -> ProjectRecord:
    return _project(_project_row(session, project_id))


def create_project(session: Session, new: NewProject) -> ProjectRecord:
    get_domain(session, new.domain_id)
    if new.parent_id not in (None, new.domain_id):
        _project_row(session, str(new.parent_id))
    taken = _conflict("project", "name", new.name, new.domain_id)
    if projects(session, {"name": new.name, "domain_id": new.domain_id}):
        raise AlreadyExists(taken)
    row = Project(
        id=uuid4().hex,
        name=new.name,
        domain_id=new.domain_id,
        parent_id=new.parent_id or new.domain_id,
        description=new.description,
        enabled=new.enabled,
        extra=dict(new.extra),
    )
    add_unique(session, row, taken)
    return _project(row)


def update_project(session: Session, project_id: str, changes: Mapping[str, object]) -> ProjectRecord:
    """Set name, description, enabled; anything else is kept beside them."""
    row = _project_row(session, project_id)
    extra = dict(row.extra)
    for key, value in changes.items():
        if key in ("name", "description", "enabled"):
            setattr(row, key, value)
        else:
            extra[key] = value
    row.extra = extra
    add_unique(session, row, _conflict("project", "name", row.name, row.domain_id))
    return _project(row)


def delete_project(session: Session, project_id: str) -> None:
    row = _project_row(session, project_id)
    if session.exec(select(Project.id).where(Project.parent_id == project_id)).first() is not None:
        raise Forbidden(f"Cannot delete the project {project_id} since it is not a leaf in the hierarchy.")
    session.delete(row)
    session.flush()


def _project_row(session: Session, project_id: str) -> Project:
    row = session.get(Project, project_id)
    if row is None:
        raise NotFound(f"Could not find project: {project_id}.")
    return row


def _conflict(kind: str, key: str, value: str, domain_id: str | None = None) -> str:
    where = f" at domain ID {domain_id}" if domain_id is not None else ""
    return f"Conflict occurred attempting to store {kind} - Duplicate entry found with {key} {value}{where}."


def _domain(row: Domain) -> DomainRecord:
    return DomainRecord(row.id, row.name, row.description, row.enabled)


def _project(row: Project) -> ProjectRecord:
    return ProjectRecord(
        row.id, row.name, row.domain_id, row.parent_id, row.description, row.enabled, dict(row.extra)
    )
