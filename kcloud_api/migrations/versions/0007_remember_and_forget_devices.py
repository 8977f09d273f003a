"""Remember what operators want of the devices of deleted hosts, and forget old leases and certificates

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("accelerator_device", schema=None) as batch_op:
        batch_op.add_column(sa.Column("departed_from", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("oddity", sa.Text(), nullable=False, server_default=""))
    departed, serials = sa.text("departed_from IS NOT NULL"), sa.text("serial <> ''")
    op.create_index(
        "ix_accelerator_device_departed", "accelerator_device", ["departed_from"],
        sqlite_where=departed, postgresql_where=departed,
    )  # fmt: skip
    op.create_index(
        "ix_accelerator_device_serial", "accelerator_device", ["serial"],
        sqlite_where=serials, postgresql_where=serials,
    )  # fmt: skip
    _let_certificates_go()
    _let_leases_go()
    with op.batch_alter_table("hosts_host", schema=None) as batch_op:
        for name in ("epoch", "last_sequence"):
            batch_op.alter_column(
                name, existing_type=sa.Integer(), type_=sa.BigInteger(), existing_nullable=False
            )


def _let_certificates_go() -> None:
    op.create_table(
        "accelerator_chain_anchor",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("chain", sa.Integer(), nullable=False),
        sa.Column("host_id", sa.Uuid(), nullable=False),
        sa.Column("device", sa.String(length=255), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "chain"),
    )
    with op.batch_alter_table("accelerator_certificate", schema=None) as batch_op:
        batch_op.add_column(sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True))
    # Of the newest nothing is known but that it is the newest.
    op.execute(
        "UPDATE accelerator_certificate SET superseded_at = received_at WHERE EXISTS ("
        "SELECT 1 FROM accelerator_certificate AS later WHERE later.device_id = "
        "accelerator_certificate.device_id AND later.chain = accelerator_certificate.chain "
        "AND later.sequence > accelerator_certificate.sequence)"
    )
    superseded = sa.text("superseded_at IS NOT NULL")
    op.create_index(
        "ix_accelerator_certificate_superseded", "accelerator_certificate", ["superseded_at"],
        sqlite_where=superseded, postgresql_where=superseded,
    )  # fmt: skip


def _let_leases_go() -> None:
    op.drop_index("ix_accelerator_lease_device_id", table_name="accelerator_lease")
    op.create_index("ix_accelerator_lease_device", "accelerator_lease", ["device_id", "project_id"])
    ended = sa.text("ended_at IS NOT NULL")
    op.create_index(
        "ix_accelerator_lease_ended", "accelerator_lease", ["ended_at"],
        sqlite_where=ended, postgresql_where=ended,
    )  # fmt: skip
