"""Alembic's entry: every service's tables against the connection that kcloud_api.db.migration opened."""

from alembic import context
from sqlalchemy import Connection
from sqlmodel import SQLModel

from kcloud_api.db.modules import modules_named

for _tables in modules_named("tables"):
    pass

_connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=_connection,
    target_metadata=SQLModel.metadata,
    # SQLite cannot alter a column: Alembic then copies the table.
    render_as_batch=_connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
