"""The claim in one statement: it does what the general way does, or nothing."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlmodel import Session, SQLModel, col

from kcloud_api.db.columns import utcnow
from kcloud_api.db.engine import Database
from kcloud_api.placement import claiming, quick_claim, races
from kcloud_api.placement.claim_plan import AllocationWant, Amounts, ConsumerRecord
from kcloud_api.placement.snapshot import journal
from kcloud_api.placement.tables import InventoryRow, Origin, ProviderRow
from kcloud_common.errors import KcloudError
from tests.e2e.processes import eventually

pytestmark = pytest.mark.postgres

HOST, CHILD, OTHER, NOBODY = (UUID(int=number) for number in range(1, 5))
KNOWN, NEW = UUID(int=100), UUID(int=101)
Rows = Mapping[str, list[tuple[object, ...]]]


@pytest.fixture
def database(postgres: Database) -> Database:
    """Two hosts, one with a child; a consumer that holds something."""
    with postgres.transaction() as session:
        for id_, root in ((HOST, HOST), (CHILD, HOST), (OTHER, OTHER)):
            parent = root if id_ != root else None
            session.add(ProviderRow(id=id_, name=str(id_), parent_id=parent, root_id=root, origin=Origin.API))
            session.add(_stock(id_, root, "VCPU", total=8, step_size=2, min_unit=2, max_unit=6))
        session.add(_stock(CHILD, HOST, "PGPU", total=1))
    with postgres.transaction() as session:
        claiming.replace(session, [want(KNOWN, {OTHER: {"VCPU": 4}})])
    return postgres


def _stock(provider: UUID, root: UUID, name: str, **limits: int) -> InventoryRow:
    usual = {"reserved": 0, "min_unit": 1, "max_unit": 100, "step_size": 1, "used": 0}
    free = limits["total"]
    return InventoryRow.model_validate(
        {
            "provider_id": provider, "root_id": root, "resource_class": name, "allocation_ratio": 1.0,
            "free": free, "updated_at": utcnow(), **usual, **limits,
        }
    )  # fmt: skip


def want(consumer: UUID, amounts: Amounts) -> AllocationWant:
    return AllocationWant(ConsumerRecord(consumer, "project", "user"), amounts, generation=None)


def everything(database: Database) -> Rows:
    with database.reading() as session:
        return rows_of(session)


def rows_of(session: Session) -> Rows:
    """All of placement's, without times and numbers of transactions."""
    passing = ("updated_at", "created_at", "transaction", "seq")
    found = {}
    for table in SQLModel.metadata.sorted_tables:
        if table.name.startswith("placement_"):
            lasting = select(*(each for each in table.columns if each.name not in passing))
            found[table.name] = sorted(map(tuple, session.connection().execute(lasting)), key=repr)
    return found


def outcome(database: Database, work: Callable[[Session], object]) -> str:
    try:
        with database.transaction() as session:
            work(session)
    except KcloudError as error:
        return f"{error.code}: {error.message}"
    return "done"


USUAL = {
    "one amount": {HOST: {"VCPU": 2}},
    "two providers of a tree": {CHILD: {"PGPU": 1, "VCPU": 4}, HOST: {"VCPU": 6}},
    "two trees": {HOST: {"VCPU": 2}, OTHER: {"VCPU": 4}},
}
UNFIT = {
    "more than there is left": {HOST: {"VCPU": 2}, OTHER: {"VCPU": 6}},
    "less than the smallest": {HOST: {"VCPU": 1}},
    "more than the largest": {HOST: {"VCPU": 8}},
    "not a step": {HOST: {"VCPU": 3}},
    "a class that it has not": {HOST: {"VCPU": 2, "PGPU": 1}},
    "a class that is none": {HOST: {"CUSTOM_NONE": 1}},
    "a provider that is none": {NOBODY: {"VCPU": 2}, HOST: {"VCPU": 2}},
}


@pytest.mark.parametrize("name", USUAL)
def test_what_fits_is_written_in_one_statement_as_the_general_way_writes_it(
    database: Database, name: str
) -> None:
    wanted = want(NEW, USUAL[name])
    with database.engine.connect() as connection:
        general = Session(connection)
        claiming.replace(general, [wanted])
        expected = rows_of(general)
        general.rollback()
    with database.transaction() as session:
        assert quick_claim.is_usual(session, wanted)
        assert quick_claim.claimed(session, wanted)
        assert journal.touched(session) == {OTHER if id_ == OTHER else HOST for id_ in USUAL[name]}
    assert everything(database) == expected


@pytest.mark.parametrize("name", [*UNFIT, "a consumer that is known"])
def test_what_does_not_fit_is_refused_in_the_general_way_s_words_and_leaves_nothing(
    database: Database, name: str
) -> None:
    wanted = want(NEW, UNFIT[name]) if name in UNFIT else want(KNOWN, {HOST: {"VCPU": 2}})
    before = everything(database)
    with database.transaction() as session:
        assert not quick_claim.claimed(session, wanted)
        session.rollback()
    general = outcome(
        database, lambda session: races.until_won(session, lambda: claiming.replace(session, [wanted]))
    )
    assert general != "done"
    assert outcome(database, lambda session: claiming.put(session, wanted)) == general
    assert everything(database) == before


def test_an_amount_that_is_no_number_of_the_database_s_is_refused_as_any_other(database: Database) -> None:
    wanted = want(NEW, {HOST: {"VCPU": 2**70}})
    assert outcome(database, lambda session: claiming.put(session, wanted)).startswith("out_of_capacity")


def test_a_claim_that_waited_for_the_tree_sees_what_was_done_meanwhile(database: Database) -> None:
    """The condition on what is free holds for the row as it is after the wait."""
    second = want(NEW, {OTHER: {"VCPU": 4}})
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as session:
            claiming.replace(session, [want(uuid4(), {OTHER: {"VCPU": 2}})])
            waiting = thread.submit(outcome, database, lambda other: claiming.put(other, second))
            eventually(lambda: _somebody_waits(database), "the second claim waits")
        assert waiting.result(60).startswith("out_of_capacity")
    with database.reading() as session:
        assert session.connection().execute(select(col(InventoryRow.used), col(InventoryRow.free)).where(
            col(InventoryRow.provider_id) == OTHER)).one() == (6, 2)  # fmt: skip


def _somebody_waits(database: Database) -> bool:
    with database.reading() as session:
        return bool(session.connection().execute(text("SELECT 1 FROM pg_locks WHERE NOT granted")).first())
