"""Rows of roles, implications and assignments."""

from sqlmodel import Field, SQLModel


class Role(SQLModel, table=True):
    __tablename__ = "identity_role"

    id: str = Field(primary_key=True, max_length=64)
    name: str = Field(max_length=255, unique=True)
    description: str | None = None


class Implication(SQLModel, table=True):
    """Who holds `prior_role_id` also holds `implied_role_id`."""

    __tablename__ = "identity_implied_role"

    prior_role_id: str = Field(primary_key=True, max_length=64)
    implied_role_id: str = Field(primary_key=True, max_length=64)


class Assignment(SQLModel, table=True):
    """A user holds a role on a project, a domain, or the system (whose id is `all`)."""

    __tablename__ = "identity_assignment"

    user_id: str = Field(primary_key=True, max_length=64)
    scope_kind: str = Field(primary_key=True, max_length=8)
    scope_id: str = Field(primary_key=True, max_length=64)
    role_id: str = Field(primary_key=True, max_length=64)
