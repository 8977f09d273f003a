"""What spans identity's parts: the bootstrap, and removals that take grants along."""

from dataclasses import dataclass, field

from sqlmodel import Session

from kcloud_api.identity.catalog.service import ensure_region, ensure_service
from kcloud_api.identity.passwords import password_matches
from kcloud_api.identity.projects.service import (
    NewProject,
    create_project,
    delete_project,
    ensure_domain,
    projects,
)
from kcloud_api.identity.roles.service import (
    SYSTEM,
    Scope,
    create_role,
    forget_scope,
    forget_user,
    grant,
    imply,
    roles,
)
from kcloud_api.identity.tokens.keys import ensure_key
from kcloud_api.identity.users.service import NewUser, create_user, delete_user, update_user, users

DEFAULT_DOMAIN = "default"
ROLES = ("admin", "manager", "member", "reader", "service")
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
SERVICES = (
    ("identity", "keystone", "/identity"),
    ("compute", "nova", "/compute/v2.1"),
    ("image", "glance", "/image"),
    ("placement", "placement", "/placement"),
    ("accelerator", "cyborg", "/accelerator/v2"),
    ("kcloud", "kcloud", "/kcloud"),
)
"""Type, name and path under the public URL of each API."""


@dataclass(frozen=True, slots=True)
class BootstrapSpec:
    """What the operator decides. `demo_password` None makes no demo user."""

    public_url: str
    """Where clients reach the API, for instance http://127.0.0.1:8774; endpoints follow it."""
    admin_password: str = field(repr=False)
    demo_password: str | None = field(default=None, repr=False)
    region: str = "RegionOne"
    password_rounds: int = 12
    keep_passwords: bool = False
    """Leave the password of a user who exists as it is, unread: an operator may have changed it, and each
    comparison costs a bcrypt."""


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """The ids that clouds.yaml and tests want."""

    admin_user_id: str
    admin_project_id: str
    demo_project_id: str | None = None


def bootstrap(session: Session, spec: BootstrapSpec) -> Bootstrapped:
    """Domain, roles, projects, users, catalog and the first token key. Safe to repeat: a changed password or
    URL replaces the old one, and what an operator has added stays."""
    ensure_key(session)
    ensure_domain(session, DEFAULT_DOMAIN, "Default")
    role_ids = _ensure_roles(session)
    admin_project = _ensure_project(session, "admin")
    admin = _ensure_user(session, "admin", spec.admin_password, spec)
    for scope in (Scope("project", admin_project), Scope("system", SYSTEM), Scope("domain", DEFAULT_DOMAIN)):
        grant(session, admin, scope, role_ids["admin"])
    demo_project = None
    if spec.demo_password is not None:
        demo_project = _ensure_project(session, "demo")
        demo = _ensure_user(session, "demo", spec.demo_password, spec)
        grant(session, demo, Scope("project", demo_project), role_ids["member"])
    ensure_region(session, spec.region)
    for type_, name, path in SERVICES:
        url = spec.public_url.rstrip("/") + path
        ensure_service(session, type=type_, name=name, region_id=spec.region, url=url)
    return Bootstrapped(admin, admin_project, demo_project)


def remove_user(session: Session, user_id: str) -> None:
    """The user and every role that he held. His tokens are void from now on."""
    delete_user(session, user_id)
    forget_user(session, user_id)


def remove_project(session: Session, project_id: str) -> None:
    """The project and every role held on it. What other services keep for it is theirs to clean."""
    delete_project(session, project_id)
    forget_scope(session, Scope("project", project_id))


def _ensure_roles(session: Session) -> dict[str, str]:
    ids = {role.name: role.id for role in roles(session)}
    for name in ROLES:
        if name not in ids:
            ids[name] = create_role(session, name).id
    for prior, implied in IMPLIED:
        imply(session, ids[prior], ids[implied])
    return ids


def _ensure_project(session: Session, name: str) -> str:
    found = projects(session, {"name": name, "domain_id": DEFAULT_DOMAIN})
    return found[0].id if found else create_project(session, NewProject(name, DEFAULT_DOMAIN)).id


def _ensure_user(session: Session, name: str, password: str, spec: BootstrapSpec) -> str:
    rounds = spec.password_rounds
    found = users(session, {"name": name, "domain_id": DEFAULT_DOMAIN})
    if not found:
        return create_user(session, NewUser(name, DEFAULT_DOMAIN, password), rounds=rounds).id
    if not spec.keep_passwords and not password_matches(password, found[0].password_hash, rounds):
        update_user(session, found[0].id, {"password": password}, rounds=rounds)
    return found[0].id
