"""Finds the providers that a query leaves: one statement, whatever is asked."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Select, String, literal, select, type_coerce
from sqlmodel import Session, col

from kcloud_api.placement import vocabulary
from kcloud_api.placement.provider_list import Listed
from kcloud_api.placement.query import ProviderQuery
from kcloud_api.placement.tables import AggregateRow, InventoryRow, ProviderRow, ProviderTraitRow
from kcloud_common.errors import BadRequest

COLUMNS = tuple(
    type_coerce(column, String)
    for column in (
        col(ProviderRow.id), col(ProviderRow.name), col(ProviderRow.generation), col(ProviderRow.parent_id),
        col(ProviderRow.root_id), col(ProviderRow.updated_at),
    )
)  # fmt: skip
"""In the order of Listed's fields, as the database keeps them: a list may be long, and making 30,000 UUIDs
takes longer than all else."""


def providers(session: Session, query: ProviderQuery) -> tuple[Listed, ...]:
    """By name. Amounts, traits and aggregates are asked of each provider by itself. BadRequest for a class or
    trait that does not exist."""
    _check_names(session, query)
    statement = select(*COLUMNS).order_by(col(ProviderRow.name))
    # Upstream takes an empty name for none.
    if query.name:
        statement = statement.where(col(ProviderRow.name) == query.name)
    if query.id is not None:
        statement = statement.where(col(ProviderRow.id) == query.id)
    if query.in_tree is not None:
        root = select(col(ProviderRow.root_id)).where(col(ProviderRow.id) == query.in_tree).scalar_subquery()
        statement = statement.where(col(ProviderRow.root_id) == root)
    for name, amount in query.resources.items():
        statement = statement.where(col(ProviderRow.id).in_(_with_room(name, amount)))
    for any_of in query.required:
        statement = statement.where(col(ProviderRow.id).in_(_with_trait(any_of)))
    if query.forbidden:
        statement = statement.where(col(ProviderRow.id).not_in(_with_trait(query.forbidden)))
    for aggregates in query.member_of:
        statement = statement.where(col(ProviderRow.id).in_(_in_aggregate(aggregates)))
    if query.not_member_of:
        statement = statement.where(col(ProviderRow.id).not_in(_in_aggregate(query.not_member_of)))
    return tuple(map(Listed._make, session.connection().execute(statement)))


def _check_names(session: Session, query: ProviderQuery) -> None:
    if unknown := sorted(vocabulary.unknown_classes(session, query.resources.keys())):
        raise BadRequest(
            f"Invalid resource class in resources parameter: No such resource class {', '.join(unknown)}."
        )
    traits = query.forbidden.union(*query.required)
    if unknown := sorted(vocabulary.unknown_traits(session, traits)):
        raise BadRequest(f'Invalid trait(s) in "required" parameter: No such trait(s): {", ".join(unknown)}.')


def _with_room(name: str, amount: int) -> Select[Any]:
    return select(col(InventoryRow.provider_id)).where(
        col(InventoryRow.resource_class) == name,
        col(InventoryRow.free) >= amount,
        col(InventoryRow.min_unit) <= amount,
        col(InventoryRow.max_unit) >= amount,
        literal(amount) % col(InventoryRow.step_size) == 0,
    )


def _with_trait(traits: Collection[str]) -> Select[Any]:
    return select(col(ProviderTraitRow.provider_id)).where(col(ProviderTraitRow.trait).in_(sorted(traits)))


def _in_aggregate(aggregates: Collection[UUID]) -> Select[Any]:
    return select(col(AggregateRow.provider_id)).where(col(AggregateRow.aggregate_id).in_(sorted(aggregates)))
