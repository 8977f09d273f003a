"""What an operator does once: fills an empty cloud with its first domain, users, roles and catalog."""

import secrets
from dataclasses import dataclass, field

from kcloud_api.db.engine import Database
from kcloud_api.identity.service import Bootstrapped, BootstrapSpec
from kcloud_api.identity.service import bootstrap as bootstrap_identity


def new_password() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class Passwords:
    """Of the two users that every cloud starts with."""

    admin: str = field(default_factory=new_password, repr=False)
    demo: str = field(default_factory=new_password, repr=False)
    are_known: bool = False
    """Read from an earlier start's file: users who exist keep the passwords that they have."""


def bootstrap(
    database: Database, public_url: str, passwords: Passwords, *, password_rounds: int = 12
) -> Bootstrapped:
    """Make what is missing and set passwords and endpoints to what is given. Safe to repeat."""
    spec = BootstrapSpec(
        public_url=public_url,
        admin_password=passwords.admin,
        demo_password=passwords.demo,
        password_rounds=password_rounds,
        keep_passwords=passwords.are_known,
    )
    with database.transaction() as session:
        return bootstrap_identity(session, spec)
