"""Watches a database for transactions that change placement's trees and do not say so in the journal."""

import re
from typing import Any

from sqlalchemy import event

from kcloud_api.db.engine import Database

_WRITES = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM) placement_(\w+)", re.IGNORECASE)
TREES = frozenset({"provider", "inventory", "provider_trait", "aggregate"})


class Watch:
    """`silent`: for each committed transaction that kept silent about what it wrote, the tables."""

    def __init__(self, database: Database) -> None:
        self.silent: list[frozenset[str]] = []
        self._written: dict[object, set[str]] = {}
        engine = database.engine
        event.listen(engine, "after_cursor_execute", self._note)
        event.listen(engine, "commit", self._judge)
        event.listen(engine, "rollback", self._forget)

    def _note(self, connection: Any, cursor: Any, statement: str, *_rest: object) -> None:  # noqa: ANN401
        found = _WRITES.match(statement)
        if found and cursor.rowcount != 0:
            self._written.setdefault(connection.connection.dbapi_connection, set()).add(found[2])

    def _judge(self, connection: Any) -> None:  # noqa: ANN401
        written = self._written.pop(connection.connection.dbapi_connection, set())
        if written & TREES and "change" not in written:
            self.silent.append(frozenset(written))

    def _forget(self, connection: Any) -> None:  # noqa: ANN401
        self._written.pop(connection.connection.dbapi_connection, None)
