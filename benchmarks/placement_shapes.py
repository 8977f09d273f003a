"""Fills a database with many hosts at once, for benchmarks and tests of placement at size.

    load(database, shape="nested", hosts=62_500)

`flat`: one provider a host, with VCPU, MEMORY_MB and DISK_GB. `nested`: eleven providers a host; under the
root two NUMA nodes with VCPU and MEMORY_MB, and under each of them four accelerators with one PGPU each and
two or three traits. The rows are what the service itself would write, but they go past its checks and its
journal: load before anybody reads.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlmodel import SQLModel

from kcloud_api.db.engine import Database
from kcloud_api.placement.tables import InventoryRow, Origin, ProviderRow, ProviderTraitRow, TraitRow

ACCELERATOR = "CUSTOM_BENCH_ACCELERATOR"
"""Every accelerator's."""
MODELS = tuple(f"CUSTOM_BENCH_MODEL_{number}" for number in range(8))
"""Both accelerators of a pair are of one model; a host has four models."""
FAST_LINK = "CUSTOM_BENCH_FAST_LINK"
"""Of each third accelerator."""
SPECIAL = "CUSTOM_BENCH_SPECIAL"
"""Of the root of each thousandth host: for queries that must look far. The last host has it too."""

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
STANDARD_TRAITS = ("HW_CPU_X86_AVX2", "COMPUTE_NET_VIF_MODEL_VIRTIO")

_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class Rows:
    """One host's, in the order of its columns below."""

    providers: list[tuple[Any, ...]]
    inventories: list[tuple[Any, ...]]
    traits: list[tuple[Any, ...]]


PROVIDER = ("id", "name", "generation", "parent_id", "root_id", "origin", "created_at", "updated_at")
INVENTORY = (
    "provider_id", "resource_class", "root_id", "total", "reserved", "min_unit", "max_unit", "step_size",
    "allocation_ratio", "used", "free", "updated_at",
)  # fmt: skip
TRAIT = ("provider_id", "trait", "origin")


def load(database: Database, shape: str = "nested", hosts: int = 1000) -> None:
    """Put that many hosts into a database that has its tables and none of these rows."""
    made = rows(shape, hosts)
    per_host = 12 if shape == "nested" else 3
    while batch := list(islice(made, max(1, _BATCH // per_host))):
        _insert(database, ProviderRow, PROVIDER, (row for host in batch for row in host.providers))
        _insert(database, InventoryRow, INVENTORY, (row for host in batch for row in host.inventories))
        _insert(database, ProviderTraitRow, TRAIT, (row for host in batch for row in host.traits))
    custom = (ACCELERATOR, *MODELS, FAST_LINK, SPECIAL)
    _insert(database, TraitRow, ("name", "updated_at"), ((name, BEGINNING) for name in custom))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


def rows(shape: str, hosts: int) -> Iterator[Rows]:
    """The same hosts as values, one after the other."""
    return (_SHAPES[shape](number, hosts) for number in range(hosts))


def root_id(number: int) -> UUID:
    """Of the host of this number, counted from 0."""
    return next(_ids(number))


def _flat(number: int, hosts: int) -> Rows:
    root, at = root_id(number), _created(number)
    rows = Rows([(root, f"host-{number}", 0, None, root, Origin.API, at, at)], [], [])
    rows.inventories.extend(
        (
            _stock(root, root, "DISK_GB", 2000),
            _stock(root, root, "MEMORY_MB", 524_288),
            _stock(root, root, "VCPU", 128),
        )
    )
    rows.traits.extend((root, trait, Origin.API) for trait in _root_traits(number, hosts))
    return rows


def _nested(number: int, hosts: int) -> Rows:
    ids = _ids(number)
    root, at = next(ids), _created(number)
    rows = Rows([(root, f"host-{number}", 0, None, root, Origin.API, at, at)], [], [])
    rows.traits.extend((root, trait, Origin.API) for trait in _root_traits(number, hosts))
    for node in range(2):
        numa, name = next(ids), f"host-{number}-numa-{node}"
        made = at + timedelta(microseconds=1 + 5 * node)
        rows.providers.append((numa, name, 0, root, root, Origin.API, made, made))
        rows.inventories.append(_stock(numa, root, "MEMORY_MB", 262_144))
        rows.inventories.append(_stock(numa, root, "VCPU", 64))
        for slot in range(4):
            made += timedelta(microseconds=1)
            card = next(ids)
            rows.providers.append((card, f"{name}-card-{slot}", 0, numa, root, Origin.API, made, made))
            rows.inventories.append(_stock(card, root, "PGPU", 1))
            traits = _card_traits(number, 4 * node + slot)
            rows.traits.extend((card, trait, Origin.API) for trait in traits)
    return rows


_SHAPES = {"flat": _flat, "nested": _nested}


def _ids(number: int) -> Iterator[UUID]:
    random = Random(number)
    while True:
        yield UUID(int=random.getrandbits(128), version=4)


def _created(number: int) -> datetime:
    return BEGINNING + timedelta(milliseconds=number)


def _stock(provider: UUID, root: UUID, resource_class: str, total: int) -> tuple[Any, ...]:
    return (provider, resource_class, root, total, 0, 1, total, 1, 1.0, 0, total, BEGINNING)


def _root_traits(number: int, hosts: int) -> tuple[str, ...]:
    special = number % 1000 == 999 or number == hosts - 1
    return (*STANDARD_TRAITS, SPECIAL) if special else STANDARD_TRAITS


def _card_traits(number: int, slot: int) -> tuple[str, ...]:
    traits = (ACCELERATOR, MODELS[(4 * number + slot // 2) % len(MODELS)])
    return (*traits, FAST_LINK) if slot % 3 == 0 else traits


def _insert(
    database: Database, table: type[SQLModel], columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]
) -> None:
    if database.is_sqlite:
        with database.engine.begin() as connection:
            # Keys are random: less is read again than with the usual two MiB.
            connection.exec_driver_sql("PRAGMA cache_size=-1000000")
            connection.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in rows])
        return
    names = ", ".join(f'"{name}"' for name in columns)
    with database.engine.begin() as connection:
        cursor = connection.connection.cursor()
        with cursor.copy(f"COPY {table.__tablename__} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
