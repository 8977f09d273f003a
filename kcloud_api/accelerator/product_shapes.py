"""Finds which sorts of slices hosts offer of a PCI product, for who names one by its ids."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, exists, literal, union_all
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from kcloud_api.accelerator.inventory import MISSING
from kcloud_api.accelerator.records import Shape
from kcloud_api.accelerator.shapes import shape_record
from kcloud_api.accelerator.tables import DeviceRow, ShapeRow
from kcloud_common.wire import SliceKind


@dataclass(frozen=True, slots=True)
class Product:
    """Slices of these kinds whose PCI function has these ids."""

    vendor_id: str
    product_id: str
    kinds: frozenset[SliceKind]


def of_products(session: Session, products: Collection[Product]) -> dict[Product, list[Shape]]:
    """The sorts of which some host has a slice, of each product; one question for all of them. It goes from
    the few sorts that there are to one device of each, not through all devices."""
    asked = sorted(products, key=lambda each: (each.vendor_id, each.product_id, sorted(each.kinds)))
    found: dict[Product, list[Shape]] = {product: [] for product in asked}
    if not asked:
        return found
    statement = union_all(*(_sorts_of(number, product) for number, product in enumerate(asked)))
    sorts = [(asked[row[0]], row[1]) for row in session.connection().execute(statement)]
    rows = session.exec(select(ShapeRow).where(col(ShapeRow.id).in_({id_ for _, id_ in sorts})))
    shapes = {row.id: shape_record(row) for row in rows}
    for product, shape_id in sorts:
        found[product].append(shapes[shape_id])
    return found


def _sorts_of(number: int, product: Product) -> Select[int, UUID]:
    is_of_it = exists().where(
        col(DeviceRow.vendor_id) == product.vendor_id,
        col(DeviceRow.product_id) == product.product_id,
        col(DeviceRow.kind) == col(ShapeRow.kind),
        col(DeviceRow.resource_class) == col(ShapeRow.resource_class),
        col(DeviceRow.shape_id) == col(ShapeRow.id),
        col(DeviceRow.state) != MISSING,
    )
    kinds = sorted(kind.value for kind in product.kinds)
    return select_columns(literal(number), col(ShapeRow.id)).where(col(ShapeRow.kind).in_(kinds), is_of_it)
