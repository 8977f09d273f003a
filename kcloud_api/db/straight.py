"""Runs the few statements that every busy request runs past most of SQLAlchemy.

Its way from a statement to rows costs more than the driver's and the database's work together. What is run
here belongs to the same transaction as everything else of its connection, and fails as everything else does.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ClauseElement

Parameters = Mapping[str, object]
Rows = Sequence[Sequence[Any]]


class Query:
    """A statement with its words for psycopg, found once; with another driver it goes SQLAlchemy's way.
    Values are psycopg's own: times are aware, but not of UTC. Lists are bound as `array` writes them."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._text = ""
        self._given: dict[str, object] = {}

    def rows(self, connection: Connection, parameters: Parameters) -> Rows:
        """All of them. Raises DBAPIError."""
        if connection.dialect.driver != "psycopg":
            return connection.execute(self._statement, parameters).all()
        if not self._text:
            assert isinstance(self._statement, ClauseElement)  # noqa: S101 - narrows for mypy
            made = self._statement.compile(dialect=connection.dialect)
            self._given = {name: value for name, value in made.params.items() if value is not None}
            self._text = str(made)
        return rows(connection, self._text, {**self._given, **parameters})


def array(members: Iterable[object]) -> str:
    """Ids or numbers as PostgreSQL writes them: the driver would look at each of a list's members twice."""
    return f"{{{','.join(map(str, members))}}}"


def rows(connection: Connection, statement: str, parameters: Parameters) -> Rows:
    """All rows of a statement in psycopg's words, as the driver makes them. Raises DBAPIError."""
    lent = connection.connection
    driver: Any = lent.driver_connection
    try:
        found: Rows = driver.execute(statement, parameters).fetchall()
    except Exception as error:
        raise _as_sqlalchemy_says(connection, error, statement) from error
    return found


def _as_sqlalchemy_says(connection: Connection, error: Exception, statement: str) -> BaseException:
    dialect: Any = connection.dialect
    driver = dialect.loaded_dbapi
    if not isinstance(error, driver.Error):
        return error
    is_gone = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
    if is_gone:
        connection.invalidate(error)
    # Parameters are not told: see engine.py.
    said: BaseException = DBAPIError.instance(
        statement, None, error, driver.Error,
        hide_parameters=True, connection_invalidated=is_gone, dialect=dialect,
    )  # fmt: skip
    return said
