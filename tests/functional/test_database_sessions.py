"""Sessions that only read: they write nothing, cost few round trips, and survive a restart of PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import insert, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlmodel import Session

from kcloud_api.db.engine import Database, WroteWhileReading
from tests.postgres import fresh_database, postgres_server


class Tables(DeclarativeBase):
    """Apart from kcloud's own."""


class Note(Tables):
    __tablename__ = "test_note"

    id: Mapped[int] = mapped_column(primary_key=True)
    words: Mapped[str]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        yield from opened(f"sqlite:///{tmp_path}/notes.db")
        return
    with postgres_server() as server, fresh_database(server) as url:
        yield from opened(url)


def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    Tables.metadata.create_all(database.engine)
    yield database
    database.close()


def ids(session: Session) -> list[int]:
    return list(session.connection().execute(text("SELECT id FROM test_note ORDER BY id")).scalars())


def test_what_is_written_is_read_by_the_next(database: Database) -> None:
    with database.transaction() as session:
        session.add(Note(id=1, words="one"))
    with database.reading() as session:
        assert ids(session) == [1]


def test_a_reading_session_refuses_rows_and_statements_that_write(database: Database) -> None:
    with database.reading() as session:
        session.add(Note(id=1, words="one"))
        with pytest.raises(WroteWhileReading):
            session.flush()
    with database.reading() as session, pytest.raises(WroteWhileReading):
        session.execute(insert(Note).values(id=2, words="two"))
    with database.reading() as session:
        assert ids(session) == []


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as session:
            session.add(Note(id=1, words="one"))
            session.flush()
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        fail()
    with database.reading() as session:
        assert ids(session) == []


@pytest.mark.postgres
def test_connections_that_the_server_has_ended_are_replaced_without_an_error() -> None:
    with postgres_server() as server, fresh_database(server) as url:
        database = Database(url)
        with database.reading() as first, database.reading() as second, database.transaction() as third:
            for session in (first, second, third):
                session.connection().execute(text("SELECT 1"))
        with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as operator:
            ended = operator.execute(
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = %s",
                (url.rpartition("/")[2],),
            ).fetchone()
        assert ended == (3,)
        for _ in range(4):
            with database.reading() as session:
                assert session.connection().execute(text("SELECT 1")).scalar() == 1
            with database.transaction() as session:
                assert session.connection().execute(text("SELECT 1")).scalar() == 1
        database.close()


@pytest.mark.postgres
def test_reading_is_not_wrapped_in_a_transaction_and_its_statements_stay_prepared() -> None:
    with postgres_server() as server, fresh_database(server) as url:
        database = Database(url)
        for _ in range(10):
            with database.reading() as session:
                session.connection().execute(text("SELECT 42"))
        with database.reading() as session:
            prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT 42%'")
            assert session.connection().execute(prepared).scalar() == 1
            own = text("SELECT xact_start = query_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
            assert session.connection().execute(own).scalar()
        database.close()
