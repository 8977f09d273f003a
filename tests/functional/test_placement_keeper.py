"""The kept snapshot beside real databases: always what a fresh load would be, whoever wrote and wherever."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from sqlmodel import Session, col, delete

from benchmarks.placement_shapes import load, root_id
from kcloud_api.conf.placement import PlacementConf
from kcloud_api.db.engine import Database
from kcloud_api.placement import service as placement
from kcloud_api.placement.inventory import HostInventory, Inventory, ProviderInventory
from kcloud_api.placement.snapshot import journal
from kcloud_api.placement.snapshot.keeper import Keeper
from kcloud_api.placement.tables import ChangeRow, InventoryRow, ProviderRow
from kcloud_api.placement.tree import Tree
from tests.placement_blocks import all_trees
from tests.thoroughness import examples

CONF = PlacementConf()


def trees(keeper: Keeper, database: Database) -> list[Tree]:
    with database.reading() as session:
        return list(all_trees(keeper.current(session)))


def fresh(database: Database) -> list[Tree]:
    return trees(Keeper(database, CONF), database)


def used(tree: Tree | None, resource_class: str) -> int:
    assert tree is not None
    return sum(p.stocks[resource_class].used for p in tree.providers if resource_class in p.stocks)


def set_used(session: Session, host: int, amount: int) -> None:
    """As a claim does: the amount, the generation, the journal."""
    session.connection().execute(
        update(InventoryRow).where(col(InventoryRow.root_id) == root_id(host)).values(used=amount)
    )
    session.connection().execute(
        update(ProviderRow)
        .where(col(ProviderRow.root_id) == root_id(host))
        .values(generation=ProviderRow.generation + 1)
    )
    journal.touch(session, [root_id(host)], journal.USAGE)


@pytest.mark.parametrize("shape", ["flat", "nested"])
def test_a_cloud_is_loaded_whole_and_in_order(any_database: Database, shape: str) -> None:
    load(any_database, shape, hosts=40)
    found = fresh(any_database)
    assert [tree.root.id for tree in found] == [root_id(number) for number in range(40)]
    assert [provider.name for provider in found[7].providers][:3] == (
        ["host-7"] if shape == "flat" else ["host-7", "host-7-numa-0", "host-7-numa-0-card-0"]
    )


def test_a_write_is_seen_by_the_next_read(any_database: Database) -> None:
    load(any_database, "nested", hosts=20)
    keeper = Keeper(any_database, CONF)
    before = trees(keeper, any_database)
    with any_database.transaction() as session:
        set_used(session, 7, 1)
    after = trees(keeper, any_database)
    assert used(after[7], "PGPU") == 8
    assert after == fresh(any_database)
    assert [tree is old for tree, old in zip(after, before, strict=True)].count(False) == 1


def test_hosts_that_come_and_go_are_seen(any_database: Database) -> None:
    load(any_database, "nested", hosts=5)
    keeper = Keeper(any_database, CONF)
    trees(keeper, any_database)
    with any_database.transaction() as session:
        placement.sync_host(session, _host(1))
        session.connection().execute(delete(ProviderRow).where(col(ProviderRow.root_id) == root_id(2)))
        session.connection().execute(delete(InventoryRow).where(col(InventoryRow.root_id) == root_id(2)))
        journal.touch(session, [root_id(2)])
    found = trees(keeper, any_database)
    assert len(found) == 5
    assert found[-1].root.name == "host-1-synced"
    assert found == fresh(any_database)


def test_a_session_sees_what_it_has_not_committed_and_nobody_else_does(any_database: Database) -> None:
    load(any_database, "nested", hosts=3)
    keeper = Keeper(any_database, CONF)
    with any_database.transaction() as session:
        set_used(session, 1, 1)
        assert used(keeper.current(session).tree(root_id(1)), "VCPU") == 2
        with any_database.reading() as other:
            assert used(keeper.current(other).tree(root_id(1)), "VCPU") == 0
        session.rollback()
    assert used(trees(keeper, any_database)[1], "VCPU") == 0


def test_an_unwritten_session_that_may_write_reads_what_is_committed(any_database: Database) -> None:
    load(any_database, "flat", hosts=3)
    keeper = Keeper(any_database, CONF)
    with any_database.transaction() as session:
        set_used(session, 0, 5)
    with any_database.transaction() as session:
        assert used(keeper.current(session).tree(root_id(0)), "VCPU") == 5
        set_used(session, 0, 6)
    assert used(trees(keeper, any_database)[0], "VCPU") == 6


def test_a_process_that_slept_too_long_for_the_journal_loads_everything(any_database: Database) -> None:
    load(any_database, "flat", hosts=3)
    now = [0.0]
    keeper = Keeper(any_database, CONF, lambda: now[0])
    trees(keeper, any_database)
    with any_database.transaction() as session:
        set_used(session, 1, 3)
        session.connection().execute(delete(ChangeRow))
    assert used(trees(keeper, any_database)[1], "VCPU") == 0, "the journal is what it goes by"
    now[0] += CONF.journal_retention / 2 + 1
    assert used(trees(keeper, any_database)[1], "VCPU") == 3


def test_when_the_journal_is_emptied_everything_is_loaded(any_database: Database) -> None:
    load(any_database, "flat", hosts=3)
    keeper = Keeper(any_database, CONF)
    with any_database.transaction() as session:
        set_used(session, 0, 1)
    trees(keeper, any_database)
    with any_database.transaction() as session:
        for table in (ProviderRow, InventoryRow, ChangeRow):
            session.connection().execute(delete(table))
    assert trees(keeper, any_database) == []


def test_readers_in_many_threads_miss_nothing_that_was_acknowledged(any_database: Database) -> None:
    hosts, rounds = 6, 12
    load(any_database, "flat", hosts=hosts)
    keeper = Keeper(any_database, CONF)
    acknowledged = [0] * hosts

    def write(host: int) -> None:
        for amount in range(1, rounds + 1):
            with any_database.transaction() as session:
                set_used(session, host, amount)
            acknowledged[host] = amount

    def read(_number: int) -> None:
        while min(acknowledged) < rounds:
            least = list(acknowledged)
            found = trees(keeper, any_database)
            assert all(used(tree, "VCPU") >= amount for tree, amount in zip(found, least, strict=True))

    with ThreadPoolExecutor(10) as pool:
        work: list[Callable[[int], None]] = [write] * hosts + [read] * 4
        for done in [pool.submit(task, number) for number, task in enumerate(work)]:
            done.result()
    assert trees(keeper, any_database) == fresh(any_database)


WRITER = """
import sys
from kcloud_api.db.engine import Database
from tests.functional.test_placement_keeper import set_used
database = Database(sys.argv[1])
for line in sys.stdin:
    host, amount = map(int, line.split())
    with database.transaction() as session:
        set_used(session, host, amount)
    print("committed", flush=True)
"""


@pytest.mark.postgres
def test_what_another_process_was_told_is_committed_is_seen_here(postgres: Database) -> None:
    load(postgres, "nested", hosts=10)
    keepers = [Keeper(postgres, CONF), Keeper(postgres, CONF)]
    dice = Random(3)
    with ExitStack() as running:
        writers = [running.enter_context(_writer(postgres.url)) for _ in range(2)]
        for amount in range(1, 30):
            host, writer = dice.randrange(10), dice.choice(writers)
            assert writer.stdin is not None
            assert writer.stdout is not None
            writer.stdin.write(f"{host} {amount}\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == "committed\n"
            for keeper in keepers:
                assert used(trees(keeper, postgres)[host], "VCPU") == 2 * amount
        for writer in writers:
            writer.stdin.close()  # type: ignore[union-attr]


def _writer(url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip


@pytest.mark.postgres
@given(st.data())
@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_transactions_may_overlap_and_end_in_any_order(postgres: Database, data: st.DataObject) -> None:
    """Several open at a time, each with changes to hosts of its own; they end as they come."""
    with postgres.transaction() as session:
        for row in (ProviderRow, InventoryRow, ChangeRow):
            session.connection().execute(delete(row))
    _load_bare(postgres, hosts=4)
    keeper = Keeper(postgres, CONF)
    with ExitStack() as open_sessions:
        working: dict[int, Session] = {}
        for step in range(data.draw(st.integers(3, 15))):
            host = data.draw(st.integers(0, 3))
            if host not in working:
                working[host] = open_sessions.enter_context(Session(postgres.engine))
                set_used(working[host], host, step + 1)
            elif data.draw(st.booleans()):
                working.pop(host).commit()
            else:
                working.pop(host).rollback()
            assert trees(keeper, postgres) == fresh(postgres)


def _load_bare(database: Database, hosts: int) -> None:
    """Without the rows that would be there from the last time."""
    with database.transaction() as session:
        for number in range(hosts):
            session.add(
                ProviderRow(id=root_id(number), name=f"h{number}", root_id=root_id(number), origin="api")
            )
            session.add(
                InventoryRow(
                    provider_id=root_id(number), resource_class="VCPU", root_id=root_id(number), total=64,
                    reserved=0, min_unit=1, max_unit=64, step_size=1, allocation_ratio=1.0, used=0, free=64,
                )
            )  # fmt: skip


def _host(number: int, *, cards: int = 1, traits: frozenset[str] = frozenset()) -> HostInventory:
    host_id = UUID(int=number)
    children = tuple(
        ProviderInventory(
            UUID(int=1000 * number + card), f"host-{number}-card-{card}", {"PGPU": Inventory(1)}, traits
        )
        for card in range(1, cards + 1)
    )
    return HostInventory(host_id, f"host-{number}-synced", {"VCPU": Inventory(8)}, traits, children)
