"""Alembic's entry: every service's tables against the connection that kcloud_api.db.migration opened."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from kcloud_api.db.columns import UtcDateTime
from kcloud_api.db.modules import modules_named


def plain_type(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Write a column's type as SQLAlchemy's own: a step must mean the same when our classes have changed."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    return False


for _tables in modules_named("tables"):
    pass

_connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=_connection,
    target_metadata=SQLModel.metadata,
    render_item=plain_type,
    compare_type=True,
    # SQLite cannot alter a column: Alembic then copies the table.
    render_as_batch=_connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
