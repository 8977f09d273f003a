"""Opens the database: PostgreSQL or SQLite behind one `Database`, with one transaction per unit of work.

SQLite is run as a server would be: WAL, foreign keys off (services own their tables), and `BEGIN IMMEDIATE`
for every transaction that may write, so that two writers queue at BEGIN and never deadlock on upgrade.

PostgreSQL is spared round trips: what only reads is not wrapped in BEGIN and ROLLBACK (which at READ
COMMITTED would give its statements no common view, and would make psycopg forget what it has prepared), and
a pooled connection is not asked whether it lives: a dead one's socket has something to read.
"""

import os
import select
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import ORMExecuteState
from sqlmodel import Session

WAKES = "kcloud.wakes"
"""Key in `session.info`: topics to wake once this transaction has committed."""

SQLITE_PATIENCE = 30
"""Seconds that a writer waits for the one before it."""

POSTGRES_KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""So that a connection to a machine that has vanished comes to an end, too: after a minute."""

Waker = Callable[[frozenset[str]], None]


def wake_after_commit(session: Session, *topics: str) -> None:
    """Ask that these topics be woken when (and only when) this transaction has committed."""
    session.info.setdefault(WAKES, set()).update(topics)


def make_engine(url: str) -> Engine:
    """An engine for `sqlite:///...` or `postgresql+psycopg://...`."""
    # Errors carry a statement's parameters, and errors are logged: password hashes and user data are not.
    if (parsed := make_url(url)).get_backend_name() == "sqlite":
        _make_private(parsed.database)
        engine = create_engine(
            url,
            pool_size=20,
            max_overflow=60,
            connect_args={"timeout": SQLITE_PATIENCE},
            hide_parameters=True,
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(
        url,
        pool_size=10,
        max_overflow=40,
        connect_args=POSTGRES_KEEPALIVE if parsed.get_driver_name() == "psycopg" else {},
        skip_autocommit_rollback=True,
        hide_parameters=True,
    )
    if parsed.get_driver_name() == "psycopg":
        event.listen(engine, "checkout", _make_fit)
    return engine


def _make_fit(connection: Any, _record: object, _proxy: object) -> None:  # noqa: ANN401
    """Called as a pooled connection is handed out. PostgreSQL sends nothing to an idle one but its end."""
    waiting = select.poll()
    waiting.register(connection.pgconn.socket, select.POLLIN)
    if waiting.poll(0):
        # The others of the pool met the same end; the pool opens new ones.
        raise InvalidatePoolError("the connection was closed by the server")
    if connection.autocommit:
        # It comes from somebody who only read.
        connection.autocommit = False


def _make_private(database: str | None) -> None:
    """Make the file before SQLite does, for its owner alone: it holds the keys that seal tokens. SQLite gives
    the files beside it the same mode."""
    if database and database != ":memory:" and not database.startswith("file:"):
        # Whatever else is wrong with the path is SQLite's to say.
        with suppress(OSError):
            os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the DBAPI has no type
    # sqlite3's own transaction control begins too late (at the first DML); BEGIN is ours, below.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={SQLITE_PATIENCE * 1000}")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")


def _write_ahead(connection: Any) -> None:  # noqa: ANN401
    """Once in a file's life this changes the file, and SQLite then answers "locked" at once, whatever the
    busy_timeout, when another process opens the same new file: so the patience is ours."""
    end = time.monotonic() + SQLITE_PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: Any) -> None:  # noqa: ANN401
    reading = connection.get_execution_options().get("kcloud_read_only", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


class WroteWhileReading(RuntimeError):
    """A mistake in the program: a session of `reading` was given something to write."""


class ReadingSession(Session):
    """Refuses to write: on PostgreSQL there would be nothing to roll back.

    With psycopg it has its connection from its first question to its end, and no transaction: SQLAlchemy's
    keeping of one takes as long as a small question.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, expire_on_commit=False)
        self._engine = engine
        self._is_plain = engine.dialect.driver != "psycopg"
        self._own: Connection | None = None

    def _connection_for_bind(self, engine: Any, execution_options: Any = None, **kw: Any) -> Connection:  # noqa: ANN401
        # What session.connection() and every statement of the session come to.
        if self._is_plain:
            return super()._connection_for_bind(engine, execution_options, **kw)
        if self._own is None:
            self._own = self._engine.connect()
            driver: Any = self._own.connection.driver_connection
            driver.autocommit = True
        return self._own

    def close(self) -> None:
        own, self._own = self._own, None
        if own is None or self.identity_map or self.in_transaction():
            super().close()
        if own is not None:
            own.close()


@event.listens_for(ReadingSession, "before_flush")
def _refuse_flush(session: Session, *_: object) -> None:
    if session.new or session.deleted or any(map(session.is_modified, session.dirty)):
        raise WroteWhileReading


@event.listens_for(ReadingSession, "do_orm_execute")
def _refuse_dml(state: ORMExecuteState) -> None:
    if state.is_insert or state.is_update or state.is_delete:
        raise WroteWhileReading


class Database:
    """Engine plus the unit of work. `wake` is called with the topics of each committed transaction."""

    def __init__(self, url: str, *, wake: Waker | None = None) -> None:
        self.url = url
        self.engine = make_engine(url)
        reading: dict[str, Any] = {"kcloud_read_only": True}
        if not self.is_sqlite and self.engine.dialect.driver != "psycopg":
            reading["isolation_level"] = "AUTOCOMMIT"
        self._reader = self.engine.execution_options(**reading)
        self._wake = wake

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Commit on leaving, roll back on any exception, then wake whom the work concerns."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session
            session.commit()
            topics = frozenset(session.info.pop(WAKES, ()))
        if topics and self._wake is not None:
            self._wake(topics)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """For what only reads. On SQLite all of it sees one state; on PostgreSQL each statement sees the
        latest. Raises WroteWhileReading."""
        with ReadingSession(self._reader) as session:
            yield session

    def close(self) -> None:
        self.engine.dispose()
