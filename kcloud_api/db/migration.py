"""Brings a database's schema up to this release: Alembic, one linear history, packaged with the code.

Concurrent starts are safe: whoever comes second waits for the first and then finds nothing to do. Alembic
is imported only to migrate: most starts find nothing to do, and would pay its time and memory for that.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from kcloud_api.db.engine import make_engine
from kcloud_common.errors import PermanentError

if TYPE_CHECKING:
    from alembic.config import Config

STEPS = Path(__file__).parent.parent / "migrations" / "versions"
"""Files `0001_what_it_does.py`: the number is the revision, and the highest is this release's."""
ADVISORY_LOCK = 0x6B636C6F7564
"""PostgreSQL's key for the one who migrates: `kcloud` in ASCII."""


class SchemaOutdated(PermanentError):
    code = "schema_outdated"


class DatabaseUnusable(PermanentError):
    code = "database_unusable"


def upgrade(database_url: str) -> None:
    """Create or upgrade every table. Safe to repeat and to race. Raises DatabaseUnusable."""
    from alembic import command

    with _opened(database_url) as engine, _alone(engine) as connection:
        command.upgrade(alembic_config(connection), "head")


def head() -> str:
    """The revision of this release."""
    return max((file.name.partition("_")[0] for file in STEPS.glob("[0-9]*_*.py")), default="")


def is_current(database_url: str) -> bool:
    """Is the schema exactly this release's?"""
    return revision(database_url) == head()


def revision(database_url: str) -> str | None:
    """The schema's revision; None for an empty database."""
    with _opened(database_url) as engine, engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return str(found) if found is not None else None


def prepare(database_url: str, *, migrate: bool = False) -> None:
    """What a process does before it serves: SQLite is upgraded, anything else only when asked to, for many
    processes of several releases may share it. Raises SchemaOutdated."""
    is_sqlite = database_url.startswith("sqlite:")
    if is_sqlite and (path := make_url(database_url).database):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    if is_current(database_url):
        return
    if not (is_sqlite or migrate):
        shown = make_url(database_url).render_as_string(hide_password=True)
        raise SchemaOutdated(
            f"The database {shown} has not this release's schema. "
            "Run `kcloud db upgrade`, or start with --migrate."
        )
    upgrade(database_url)


@contextmanager
def _opened(database_url: str) -> Iterator[Engine]:
    try:
        engine = make_engine(database_url)
    except (ArgumentError, ImportError) as error:
        # NoSuchModuleError is an ArgumentError; its words do not repeat the URL, which may hold a password.
        raise DatabaseUnusable(f"no database can be opened by that URL: {error}") from error
    try:
        yield engine
    except OperationalError as error:
        shown = engine.url.render_as_string(hide_password=True)
        raise DatabaseUnusable(f"the database {shown} does not answer: {error.orig}") from error
    finally:
        engine.dispose()


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction, while no other process migrates this database."""
    path = engine.url.database
    if engine.dialect.name == "sqlite" and path:
        # Not BEGIN IMMEDIATE alone: the second starter must also see the first one's new schema.
        with Path(f"{path}.migrating").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with engine.begin() as connection:
                yield connection
        return
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        yield connection


def alembic_config(connection: Connection | None = None) -> "Config":
    """What alembic.ini would say, without a file on disk."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "kcloud_api:migrations")
    if connection is not None:
        config.attributes["connection"] = connection
    return config
