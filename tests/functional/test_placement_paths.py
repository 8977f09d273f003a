"""Through SQL, through the snapshot and by trying everything: candidates are the same ones."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from uuid import UUID

import pytest
from hypothesis import HealthCheck, event, given, settings
from sqlalchemy import delete
from sqlmodel import Session, SQLModel

from kcloud_api.conf.placement import PlacementConf
from kcloud_api.db.engine import Database
from kcloud_api.placement import finding, reading, service
from kcloud_api.placement.request import Group, ResourceRequest
from kcloud_api.placement.snapshot.keeper import Keeper
from kcloud_api.placement.tables import AggregateRow, InventoryRow, Origin, ProviderRow, ProviderTraitRow
from kcloud_api.placement.tree import Provider, Tree
from tests.placement_oracle import WORLDS, Answer, Forest, answer, attached, brute_force, world
from tests.thoroughness import examples

TABLES = (AggregateRow, ProviderTraitRow, InventoryRow, ProviderRow)
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


def replant(session: Session, forest: Forest) -> None:
    """These trees and no others, in rows as the service writes them."""
    for table in TABLES:
        session.exec(delete(table))
    for tree in forest:
        for provider in tree.providers:
            session.add_all(rows(tree, provider))
    session.flush()


def rows(tree: Tree, provider: Provider) -> Iterator[SQLModel]:
    at = BEGINNING + timedelta(seconds=provider.id.int)
    yield ProviderRow(
        id=provider.id, name=provider.name, generation=provider.generation, parent_id=provider.parent_id,
        root_id=tree.root.id, origin=Origin.API, created_at=at, updated_at=at,
    )  # fmt: skip
    for name, stock in provider.stocks.items():
        yield InventoryRow(
            provider_id=provider.id, resource_class=name, root_id=tree.root.id, total=stock.total,
            reserved=stock.reserved, min_unit=stock.min_unit, max_unit=stock.max_unit,
            step_size=stock.step_size, allocation_ratio=stock.allocation_ratio, used=stock.used,
            free=stock.free,
        )  # fmt: skip
    for trait in provider.traits:
        yield ProviderTraitRow(provider_id=provider.id, trait=trait, origin=Origin.API)
    for aggregate in provider.aggregates:
        yield AggregateRow(provider_id=provider.id, aggregate_id=aggregate)


def answers(
    session: Session, request: ResourceRequest, keeper: Keeper | None = None, *, order: str = finding.CREATED
) -> list[Answer]:
    found = service.all_ways(session, request, order=order, keeper=keeper)
    return [answer(way.allocations(), way.mappings()) for way in found]


@settings(
    max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(WORLDS)
def test_all_paths_give_the_same_candidates_in_the_same_order(any_database: Database, seed: int) -> None:
    forest, request = world(seed)
    with any_database.transaction() as session:
        replant(session, forest)
    with any_database.reading() as session:
        through_sql = answers(session, request)
        # A new one each time: these rows went past the journal.
        through_snapshot = answers(session, request, Keeper(any_database, PlacementConf()))
        assert set(answers(session, request, order=finding.RANDOM)) == set(through_sql)
    event(f"answers: {min(len(through_sql), 2)}")
    assert set(through_sql) == brute_force(forest, request)
    assert through_sql == through_snapshot


@pytest.mark.parametrize("order", ["spread", "pack"])
def test_orders_by_what_is_free_lose_no_host(any_database: Database, order: str) -> None:
    for seed in range(20):
        forest, request = world(seed)
        with any_database.transaction() as session:
            replant(session, forest)
        with any_database.reading() as session:
            keeper = Keeper(any_database, PlacementConf())
            through_sql = answers(session, request, order=order)
            through_snapshot = answers(session, request, keeper, order=order)
        assert set(through_sql) == set(through_snapshot) == brute_force(forest, request)


def test_whole_trees_are_read_as_they_were_written(any_database: Database) -> None:
    forest: Sequence[Tree] = [tree for seed in range(20) for tree in moved(world(seed)[0], 1000 * seed)]
    with any_database.transaction() as session:
        replant(session, tuple(forest))
    with any_database.reading() as session:
        assert list(reading.trees(session, [tree.root.id for tree in forest])) == list(forest)
        lending = reading.lending_trees(session)
        assert [reading.attached(tree, lending) for tree in forest] == list(attached(tuple(forest)))


def moved(forest: Forest, by: int) -> Forest:
    def away(old: UUID | None) -> UUID | None:
        return UUID(int=old.int + by) if old is not None else None

    return tuple(
        Tree(
            tuple(
                Provider(
                    UUID(int=p.id.int + by), f"{p.name}-{by}", p.generation, away(p.parent_id),
                    p.stocks, p.traits, p.aggregates,
                )
                for p in tree.providers
            )
        )
        for tree in forest
    )  # fmt: skip


def test_a_few_are_asked_for_and_no_more_trees_are_read(any_database: Database) -> None:
    random = Random(1)
    forest = tuple(tree for by in range(60) for tree in moved(world(random.randrange(10))[0], 1000 * by))
    request = ResourceRequest({"": Group({"VCPU": 1})})
    with any_database.transaction() as session:
        replant(session, forest)
    with any_database.reading() as session:
        everything = answers(session, request)
        found = islice(service.all_ways(session, request), 3)
        assert [answer(way.allocations(), way.mappings()) for way in found] == everything[:3]
        assert len(everything) > 60
