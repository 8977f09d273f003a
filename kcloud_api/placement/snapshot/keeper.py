"""Keeps one process's snapshot of placement's trees, brought up to date whenever somebody is about to read.

A read that starts after a write was acknowledged, by whichever process, sees it: it asks the journal after it
started. Readers that come while somebody asks share the next answer: they all wait for one question.
"""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlmodel import Session

from kcloud_api.conf.placement import PlacementConf
from kcloud_api.db.engine import Database
from kcloud_api.placement.snapshot import journal
from kcloud_common import log as logs

if TYPE_CHECKING:
    from kcloud_api.placement.snapshot.snapshot import Snapshot

log = logging.getLogger(__name__)


class Keeper:
    """One per Database (`keeper_of`). It costs nothing before the first question: no query, no numpy."""

    def __init__(
        self, database: Database, conf: PlacementConf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._patience = conf.journal_retention / 2
        self._clock = clock
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._position = journal.Position()
        self._asked = 0
        """How often somebody began to read the journal; below, whose reading this snapshot is, and when."""
        self._answered = 0
        self._answered_at = 0.0

    def current(self, session: Session) -> "Snapshot":
        """What is committed now, and what this session has written itself, if it said so in the journal."""
        begun = self._asked
        own = journal.touched(session)
        if own:
            session.flush()
        with self._lock:
            # Somebody who began after this call has seen all that this call has to see.
            if self._answered > begun and self._snapshot is not None:
                shared = self._snapshot
            else:
                shared = self._refreshed(session)
            if not own:
                return shared
            from kcloud_api.placement.snapshot.loading import updated

            return updated(session.connection(), shared, own)

    def _refreshed(self, session: Session) -> "Snapshot":
        from kcloud_api.placement.snapshot.loading import loaded, refreshed

        self._asked += 1
        asked, at = self._asked, self._clock()
        found = None
        if self._snapshot is not None and at - self._answered_at <= self._patience:
            with self._looking(session) as connection:
                found = refreshed(connection, self._snapshot, self._position)
        if found is None:
            with self._still() as connection:
                found = loaded(connection)
            # Not of the request that happened to be first.
            with logs.asked_by(""):
                log.info("placement_snapshot_loaded", extra=_extent(found[0], self._clock() - at))
        self._snapshot, self._position = found
        self._answered, self._answered_at = asked, at
        return found[0]

    @contextmanager
    def _looking(self, session: Session) -> Iterator[Connection]:
        """A connection that sees what is committed now, and nothing else."""
        # On PostgreSQL each statement sees what is committed when it begins. On SQLite only the first of a
        # transaction does: others who wait for this answer may have begun after it.
        sees_all = not self._database.is_sqlite or not session.in_transaction()
        if sees_all and journal.only_reads(session):
            yield session.connection()
            return
        with self._database.reading() as fresh:
            yield fresh.connection()

    @contextmanager
    def _still(self) -> Iterator[Connection]:
        """A connection for which the database stands still."""
        if self._database.is_sqlite:
            with self._database.reading() as session:
                yield session.connection()
            return
        with self._database.engine.connect() as connection:
            still = connection.execution_options(isolation_level="REPEATABLE READ")
            # Compiling each of the long statements takes longer than running it.
            still.execute(text("SET LOCAL jit = off"))
            yield still


_keepers: weakref.WeakKeyDictionary[Database, Keeper] = weakref.WeakKeyDictionary()
_finding = threading.Lock()


def keeper_of(database: Database, conf: PlacementConf) -> Keeper | None:
    """The one that API and loops of a process share; None where configuration wants no snapshot."""
    if not conf.snapshot:
        return None
    with _finding:
        return _keepers.setdefault(database, Keeper(database, conf))


def _extent(snapshot: "Snapshot", seconds: float) -> dict[str, float]:
    return {"trees": snapshot.trees, "providers": snapshot.providers, "seconds": round(seconds, 3)}
