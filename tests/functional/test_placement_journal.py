"""The change journal on real databases: what is committed is read once, in whatever order it is committed."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, update
from sqlmodel import Session, col

from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import Database
from kcloud_api.loops.prune import prune_turn
from kcloud_api.placement.snapshot import journal
from kcloud_api.placement.snapshot.journal import SHAPE, USAGE, Position
from kcloud_api.placement.tables import ChangeRow

ONE, TWO, THREE = UUID(int=1), UUID(int=2), UUID(int=3)


class Reader:
    """One that goes on from where it was."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.reading() as session:
            self.position: Position = journal.position(session.connection())

    def new(self) -> dict[UUID, str]:
        with self._database.reading() as session:
            news = journal.since(session.connection(), self.position)
        assert news is not None, "the journal goes back far enough"
        found, self.position = news
        return dict(found)


def test_each_change_is_read_once_with_the_stronger_kind(any_database: Database) -> None:
    reader = Reader(any_database)
    with any_database.transaction() as session:
        journal.touch(session, [ONE, TWO], USAGE)
        journal.touch(session, [TWO], SHAPE)
    with any_database.transaction() as session:
        journal.touch(session, [TWO, THREE, THREE], USAGE)
    assert reader.new() == {ONE: USAGE, TWO: SHAPE, THREE: USAGE}
    assert reader.new() == {}


def test_a_reader_that_begins_later_reads_only_what_is_new_to_it(any_database: Database) -> None:
    with any_database.transaction() as session:
        journal.touch(session, [ONE])
    reader = Reader(any_database)
    with any_database.transaction() as session:
        journal.touch(session, [TWO])
    assert reader.new() == {TWO: SHAPE}


def test_what_was_rolled_back_leaves_nothing(any_database: Database) -> None:
    reader = Reader(any_database)
    with Session(any_database.engine) as session:
        journal.touch(session, [ONE])
        session.rollback()
    with any_database.transaction() as session:
        journal.touch(session, [TWO])
        nested = session.begin_nested()
        journal.touch(session, [THREE])
        nested.rollback()
    assert reader.new() == {TWO: SHAPE}


def test_a_touch_of_nothing_writes_nothing(any_database: Database) -> None:
    with any_database.transaction() as session:
        journal.touch(session, [])
        assert session.connection().execute(select(func.count()).select_from(ChangeRow)).scalar() == 0


@pytest.mark.postgres
def test_a_transaction_that_commits_after_a_younger_one_is_not_missed(postgres: Database) -> None:
    reader = Reader(postgres)
    with Session(postgres.engine) as older, Session(postgres.engine) as younger:
        journal.touch(older, [ONE])
        journal.touch(younger, [TWO])
        younger.commit()
        assert reader.new() == {TWO: SHAPE}
        older.commit()
        assert reader.new() == {ONE: SHAPE}
    assert reader.new() == {}


@pytest.mark.postgres
def test_seqs_and_transactions_in_opposite_orders_are_both_read(postgres: Database) -> None:
    """A transaction gets its number at its first write, wherever that is; its seq at the touch."""
    reader = Reader(postgres)
    with Session(postgres.engine) as first, Session(postgres.engine) as second:
        first.connection().execute(select(func.pg_current_xact_id()))
        second.connection().execute(select(func.pg_current_xact_id()))
        journal.touch(second, [TWO])
        journal.touch(first, [ONE])
        first.commit()
        assert reader.new() == {ONE: SHAPE}
        second.commit()
        assert reader.new() == {TWO: SHAPE}


@pytest.mark.postgres
def test_one_that_stays_open_does_not_make_others_be_read_again(postgres: Database) -> None:
    with Session(postgres.engine) as forgotten:
        journal.touch(forgotten, [ONE])
        reader = Reader(postgres)
        for _ in range(20):
            with postgres.transaction() as session:
                journal.touch(session, [TWO])
            assert reader.new() == {TWO: SHAPE}
        assert reader.new() == {}
        assert len(reader.position.open) == 1
        forgotten.commit()
    assert reader.new() == {ONE: SHAPE}


@pytest.mark.postgres
def test_a_reader_that_writes_too_neither_sees_nor_loses_its_own(postgres: Database) -> None:
    reader = Reader(postgres)
    with Session(postgres.engine) as session:
        journal.touch(session, [ONE])
        news = journal.since(session.connection(), reader.position)
        assert news is not None
        found, position = news
        assert dict(found) == {}
        with postgres.transaction() as other:
            journal.touch(other, [TWO])
        session.commit()
    reader.position = position
    assert reader.new() == {ONE: SHAPE, TWO: SHAPE}


def test_old_changes_are_pruned_and_numbers_are_not_given_twice(any_database: Database) -> None:
    for root_id in (ONE, TWO, THREE):
        with any_database.transaction() as session:
            journal.touch(session, [root_id])
    turn = prune_turn(any_database, retention=600.0)
    assert turn() is False
    assert _kept(any_database) == [ONE, TWO, THREE]
    with any_database.transaction() as session:
        session.connection().execute(update(ChangeRow).values(created_at=utcnow() - timedelta(seconds=601)))
    reader = Reader(any_database)
    turn()
    assert _kept(any_database) == [THREE]
    with any_database.transaction() as session:
        journal.touch(session, [ONE])
    assert reader.new() == {ONE: SHAPE}


def test_a_journal_that_was_emptied_is_known_for_another(any_database: Database) -> None:
    with any_database.transaction() as session:
        journal.touch(session, [ONE])
    reader = Reader(any_database)
    with any_database.transaction() as session:
        session.connection().execute(delete(ChangeRow))
    with any_database.reading() as session:
        assert journal.since(session.connection(), reader.position) is None
    with any_database.transaction() as session:
        journal.touch(session, [TWO, THREE])
    with any_database.reading() as session:
        assert journal.since(session.connection(), reader.position) is None


def _kept(database: Database) -> list[UUID]:
    with database.reading() as session:
        rows = session.connection().execute(select(col(ChangeRow.root_id)).order_by(col(ChangeRow.seq)))
        return [row[0] for row in rows]
