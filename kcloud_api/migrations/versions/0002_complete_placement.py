"""Complete placement

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Rows that are there already get a time that was before any release, as each database keeps times.
    zone = "+00" if op.get_bind().dialect.name == "postgresql" else ""
    written = sa.text(f"'2026-11-20 00:00:00.000000{zone}'")
    op.create_table(
        "placement_aggregate",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("aggregate_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "aggregate_id"),
    )
    with op.batch_alter_table("placement_aggregate", schema=None) as batch_op:
        batch_op.create_index(
            "ix_placement_aggregate_aggregate", ["aggregate_id", "provider_id"], unique=False
        )

    op.create_table(
        "placement_change",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("transaction", sa.BigInteger(), nullable=False),
        sa.Column("root_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    with op.batch_alter_table("placement_change", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_placement_change_created_at"), ["created_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_placement_change_transaction"), ["transaction"], unique=False)

    with op.batch_alter_table("placement_allocation", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=written)
        )

    with op.batch_alter_table("placement_consumer", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=written)
        )
        batch_op.alter_column("type", existing_type=sa.VARCHAR(length=255), nullable=True)

    with op.batch_alter_table("placement_inventory", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=written)
        )

    with op.batch_alter_table("placement_provider", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=written)
        )
        batch_op.add_column(
            sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=written)
        )

    with op.batch_alter_table("placement_resource_class", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=written)
        )

    with op.batch_alter_table("placement_trait", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=written)
        )
