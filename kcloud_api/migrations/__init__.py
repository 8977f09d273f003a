"""One linear Alembic history for all services."""
