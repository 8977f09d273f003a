"""Keep device profiles

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accelerator_device_profile",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    with op.batch_alter_table("compute_server", schema=None) as batch_op:
        batch_op.add_column(sa.Column("device_profile", sa.String(length=255), nullable=True))
    living = sa.text("device_profile IS NOT NULL AND deleted_at IS NULL")
    op.create_index(
        "ix_compute_server_accelerated", "compute_server", ["id"],
        sqlite_where=living, postgresql_where=living,
    )  # fmt: skip
