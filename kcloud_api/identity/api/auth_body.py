"""Reads the body of POST /v3/auth/tokens into what is shown and what is wished for."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from kcloud_api.identity.tokens.proof import Named, Proof
from kcloud_api.identity.tokens.service import ScopeWish
from kcloud_common.errors import BadRequest, Unauthenticated

MALFORMED = (
    "The server could not comply with the request since it is either malformed or otherwise incorrect. "
    "The client is assumed to be in error."
)


class Shown(BaseModel):
    """Part of a login body. What it holds is never repeated in an error: it may be a password."""

    model_config = ConfigDict(hide_input_in_errors=True)


class DomainRef(Shown):
    id: str | None = None
    name: str | None = None


class UserRef(Shown):
    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None
    password: str = ""


class PasswordMethod(Shown):
    user: UserRef


class TokenMethod(Shown):
    id: str


class Identity(Shown):
    methods: list[str]
    password: PasswordMethod | None = None
    token: TokenMethod | None = None


class ProjectRef(Shown):
    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class SystemRef(Shown):
    all: Literal[True]


class ScopeBody(Shown):
    project: ProjectRef | None = None
    domain: DomainRef | None = None
    system: SystemRef | None = None
    unscoped: dict[str, Any] | None = None


class Auth(Shown):
    identity: Identity
    scope: ScopeBody | None = None

    @field_validator("scope", mode="before")
    @classmethod
    def _explicitly_unscoped(cls, value: object) -> object:
        return {"unscoped": {}} if value == "unscoped" else value


class AuthBody(BaseModel):
    auth: Auth | None = Field(default=None)


def read_proof(auth: Auth) -> Proof:
    """Raises BadRequest where a listed method has no section, Unauthenticated for a method unknown here."""
    identity = auth.identity
    unknown = set(identity.methods) - {"password", "token"}
    if unknown or not identity.methods:
        raise Unauthenticated("Attempted to authenticate with an unsupported method.")
    user: Named | None = None
    secret = ""
    if "password" in identity.methods:
        if identity.password is None:
            raise BadRequest(f"Expecting to find password in identity. {MALFORMED}")
        shown = identity.password.user
        user, secret = _named("identity/password/user", shown, shown.domain), shown.password
    if "token" in identity.methods and identity.token is None:
        raise BadRequest(f"Expecting to find token in identity. {MALFORMED}")
    token = identity.token.id if identity.token is not None and "token" in identity.methods else None
    return Proof(user, secret, token)


def read_wish(auth: Auth) -> ScopeWish:
    """Raises BadRequest for two scopes at once, or for one that names nothing."""
    scope = auth.scope
    if scope is None:
        return ScopeWish()
    asked = [kind for kind in ("project", "domain", "system", "unscoped") if getattr(scope, kind) is not None]
    if len(asked) != 1:
        raise BadRequest(
            f"Expecting to find one of project, domain, system or unscoped in scope. {MALFORMED}"
        )
    if scope.project is not None:
        return ScopeWish("project", _named("scope/project", scope.project, scope.project.domain))
    if scope.domain is not None:
        _require_either("scope/domain", scope.domain)
        return ScopeWish("domain", Named(id=scope.domain.id, name=scope.domain.name))
    return ScopeWish(asked[0])


def _named(path: str, ref: UserRef | ProjectRef, domain: DomainRef | None) -> Named:
    _require_either(path, ref)
    if domain is not None:
        _require_either(f"{path}/domain", domain)
    if ref.id is None and domain is None:
        raise BadRequest(f"Expecting to find domain in {path.rpartition('/')[2]}. {MALFORMED}")
    return Named(
        id=ref.id,
        name=ref.name,
        domain_id=domain.id if domain is not None else None,
        domain_name=domain.name if domain is not None else None,
    )


def _require_either(path: str, ref: DomainRef | UserRef | ProjectRef) -> None:
    if ref.id is None and ref.name is None:
        raise BadRequest(f"Invalid input for field {path}: id or name must be present.")
