"""Allocations on both databases: what a write leaves, alone and when it breaks off, and what usages say."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import event, select
from sqlmodel import Session, SQLModel

from kcloud_api.db.engine import Database
from kcloud_api.placement import claiming, races, reshaping
from kcloud_api.placement.capacity import Stock
from kcloud_api.placement.claim_plan import AllocationWant, Amounts, ConsumerRecord
from kcloud_api.placement.reshaper_bodies import Reshaped
from kcloud_common.errors import OutOfCapacity, StaleGeneration
from tests.functional.placement_rooms import (
    CHILD,
    HOST,
    OTHER,
    check_sums,
    claim,
    client,
    code_of,
    make_tree,
    ok,
    put,
)
from tests.postgres import fresh_database
from tests.upstream.stage import serving

FIRST, SECOND = UUID(int=100), UUID(int=101)
Work = Callable[[Session], object]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/kcloud.db"
        return
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    SQLModel.metadata.create_all(opened.engine)
    yield opened
    opened.close()


@pytest.fixture
def asked(database: Database, database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a live service with a host, its child, and another host."""
    with serving(database_url, tmp_path, "plain") as url, client(url) as opened:
        make_tree(opened, host=10, child=2)
        yield opened


def want(consumer: UUID, amounts: Amounts, generation: int | None = None) -> AllocationWant:
    return AllocationWant(ConsumerRecord(consumer, "project", "user"), amounts, generation)


def everything(database: Database) -> Mapping[str, list[tuple[object, ...]]]:
    """All rows of placement."""
    with database.reading() as session:
        return {
            table.name: sorted(map(tuple, session.connection().execute(select(table))), key=repr)
            for table in SQLModel.metadata.sorted_tables
            if table.name.startswith("placement_")
        }


def break_off_at(database: Database, number: int) -> Callable[[], None]:
    """Let the statement of this number fail before it is sent; how to stop that."""
    seen = 0

    def before(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            raise ConnectionAbortedError("here")

    event.listen(database.engine, "before_cursor_execute", before)
    return lambda: event.remove(database.engine, "before_cursor_execute", before)


WORKS: Mapping[str, Work] = {
    "a claim": lambda s: claiming.replace(s, [want(uuid4(), {HOST: {"VCPU": 2}, CHILD: {"PGPU": 1}})]),
    "a change": lambda s: claiming.replace(s, [want(FIRST, {OTHER: {"VCPU": 2}}, 1)]),
    "several": lambda s: claiming.replace(
        s, [want(FIRST, {}, 1), want(SECOND, {OTHER: {"VCPU": 1}}, 1), want(uuid4(), {HOST: {"VCPU": 4}})]
    ),
    "a release": lambda s: claiming.release(s, [FIRST]),
    "a reshape": lambda s: reshaping.reshape(
        s,
        {HOST: Reshaped(3, {}), CHILD: Reshaped(1, {"PGPU": Stock(2), "VCPU": Stock(9)})},
        [want(FIRST, {CHILD: {"VCPU": 3}}, 1), want(SECOND, {CHILD: {"VCPU": 1}}, 1)],
    ),
}


@pytest.mark.parametrize("name", WORKS)
def test_a_write_that_breaks_off_before_any_statement_leaves_nothing(
    database: Database, asked: httpx.Client, name: str
) -> None:
    for consumer in (FIRST, SECOND):
        ok(put(asked, consumer, claim({HOST: {"VCPU": 3}})))
    before = everything(database)
    statements = 0
    while True:
        statements += 1
        stop = break_off_at(database, statements)
        try:
            with database.transaction() as session:
                work = WORKS[name]
                races.until_won(session, lambda work=work, session=session: work(session))  # type: ignore[misc]
        except ConnectionAbortedError:
            assert everything(database) == before
        else:
            break
        finally:
            stop()
    assert statements > 4
    assert everything(database) != before
    with database.reading() as session:
        check_sums(session)


def test_a_claim_costs_few_statements(database: Database, asked: httpx.Client) -> None:
    sent: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *seen: sent.append(seen[2]))
    with database.transaction() as session:
        WORKS["a claim"](session)
    assert len(sent) <= 8, sent


def test_a_write_that_loses_a_race_begins_again_as_a_whole(database: Database, asked: httpx.Client) -> None:
    consumer = uuid4()
    lost: list[bool] = []

    def work(session: Session) -> None:
        claiming.replace(session, [want(consumer, {HOST: {"VCPU": 2}})])
        if len(lost) < 3:
            lost.append(True)
            raise races.Raced("somebody was first")

    with database.transaction() as session:
        races.until_won(session, lambda: work(session))
    with database.reading() as session:
        assert check_sums(session)[HOST, "VCPU"] == 2


def test_who_always_loses_is_told_to_try_again(database: Database) -> None:
    def work() -> None:
        raise races.Raced("somebody was first")

    with database.transaction() as session, pytest.raises(StaleGeneration, match="Please retry your update"):
        races.until_won(session, work)


def test_a_provider_that_moves_into_another_tree_meanwhile_is_a_lost_race(asked: httpx.Client) -> None:
    """The root of a tree becomes a child: who holds allocations on it still counts them once."""
    consumer = uuid4()
    ok(put(asked, consumer, claim({OTHER: {"VCPU": 2}})))
    body = {"name": f"provider-{OTHER.int}", "parent_provider_uuid": str(HOST)}
    ok(asked.put(f"/resource_providers/{OTHER}", json=body))
    ok(put(asked, consumer, claim({OTHER: {"VCPU": 3}, HOST: {"VCPU": 1}}, generation=1)))
    assert ok(asked.get(f"/resource_providers/{OTHER}/usages")).json()["usages"] == {"VCPU": 3}


def test_a_claim_that_does_not_fit_says_why_and_leaves_nothing(
    database: Database, asked: httpx.Client
) -> None:
    before = everything(database)
    refused = put(asked, None, claim({HOST: {"VCPU": 1}, CHILD: {"PGPU": 3}}))
    assert code_of(refused) == (409, "placement.undefined_code")
    assert f"Unable to create allocation for 'PGPU' on resource provider '{CHILD}'" in refused.text
    huge = put(asked, None, claim({HOST: {"VCPU": 10**30}}))
    assert huge.status_code == 409
    assert everything(database) == before


def test_the_schedulers_own_claims_say_what_was_short(database: Database, asked: httpx.Client) -> None:
    with database.transaction() as session, pytest.raises(OutOfCapacity) as refused:
        claiming.claim(session, want(uuid4(), {CHILD: {"PGPU": 3}}), {CHILD: 1})
    assert refused.value.details["reason"] == "resource_class_short"
    with database.transaction() as session, pytest.raises(StaleGeneration):
        claiming.claim(session, want(uuid4(), {CHILD: {"PGPU": 1}}), {CHILD: 0})


def test_giving_back_leaves_generations_alone(asked: httpx.Client) -> None:
    """More room spoils nobody's plan, so nobody has to read again."""
    consumer = uuid4()
    ok(put(asked, consumer, claim({HOST: {"VCPU": 2}})))
    before = ok(asked.get(f"/resource_providers/{HOST}")).json()["generation"]
    ok(asked.delete(f"/allocations/{consumer}"))
    assert ok(asked.get(f"/resource_providers/{HOST}")).json()["generation"] == before
    assert asked.delete(f"/allocations/{consumer}").status_code == 404


def test_usages_without_a_type_are_told_apart_by_type(asked: httpx.Client) -> None:
    """Upstream answers 500 here on PostgreSQL."""
    ok(put(asked, None, claim({HOST: {"VCPU": 2}, CHILD: {"PGPU": 1}})))
    ok(put(asked, None, claim({HOST: {"VCPU": 1}}, consumer_type="MIGRATION")))
    old = claim({HOST: {"VCPU": 3}})
    del old["consumer_type"]
    ok(asked.put(f"/allocations/{uuid4()}", json=old, headers={"OpenStack-API-Version": "placement 1.37"}))

    def usages(**more: str) -> object:
        return ok(asked.get("/usages", params={"project_id": "project", **more})).json()["usages"]

    instance = {"consumer_count": 1, "VCPU": 2, "PGPU": 1}
    unknown = {"consumer_count": 1, "VCPU": 3}
    migration = {"consumer_count": 1, "VCPU": 1}
    assert usages() == {"INSTANCE": instance, "MIGRATION": migration, "unknown": unknown}
    assert usages(user_id="user", consumer_type="unknown") == {"unknown": unknown}
    assert usages(consumer_type="all") == {"all": {"consumer_count": 3, "VCPU": 6, "PGPU": 1}}
    assert usages(user_id="nobody") == {}
    before = asked.get("/usages?project_id=project", headers={"OpenStack-API-Version": "placement 1.37"})
    assert ok(before).json() == {"usages": {"VCPU": 6, "PGPU": 1}}
