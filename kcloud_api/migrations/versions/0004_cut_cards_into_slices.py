"""Cut cards into slices

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_tables()
    _extend_devices()
    with op.batch_alter_table("accelerator_claim", schema=None) as batch_op:
        batch_op.add_column(sa.Column("generation", sa.BigInteger(), nullable=False, server_default="0"))
    _carry_over()


def _extend_devices() -> None:
    # SQLite gave the constraint no name; this convention names it for the copy that Alembic makes.
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    convention = {"uq": "uq_%(table_name)s_%(column_0_name)s"} if is_sqlite else None
    unique = "uq_accelerator_device_provider_id" if is_sqlite else "accelerator_device_provider_id_key"
    with op.batch_alter_table("accelerator_device", schema=None, naming_convention=convention) as batch_op:
        batch_op.drop_constraint(unique, type_="unique")
        batch_op.create_index(batch_op.f("ix_accelerator_device_provider_id"), ["provider_id"], unique=False)
        batch_op.add_column(sa.Column("card", sa.String(length=128), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("kind", sa.String(length=16), nullable=False, server_default="whole"))
        for name in ("slice_type", "model", "serial"):
            batch_op.add_column(sa.Column(name, sa.String(length=255), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("mdev", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("share", sa.Integer(), nullable=False, server_default="1000"))
        batch_op.add_column(sa.Column("memory_mib", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("sharing", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("shape_id", sa.Uuid(), nullable=True))
        batch_op.create_index(batch_op.f("ix_accelerator_device_shape_id"), ["shape_id"], unique=False)
        batch_op.add_column(sa.Column("health", sa.JSON(), nullable=True))
        for name in ("held_back", "certificate_fault"):
            batch_op.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=""))
        for name in ("generation", "begun_generation", "certified_generation", "release_done"):
            batch_op.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
        for name in ("chain", "quarantine_until", "release_count"):
            batch_op.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("maintenance", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(
            sa.Column("quarantine_reason", sa.String(length=1024), nullable=False, server_default="")
        )
        batch_op.alter_column("reason", existing_type=sa.String(), type_=sa.Text(), existing_nullable=False)


def _carry_over() -> None:
    """What there is are whole cards; those that are held are in their first numbered lease."""
    op.execute("UPDATE accelerator_device SET card = name")
    op.execute("UPDATE accelerator_claim SET generation = 1")
    held = "id IN (SELECT device_id FROM accelerator_claim)"
    op.execute(f"UPDATE accelerator_device SET generation = 1, begun_generation = 1 WHERE {held}")  # noqa: S608
    op.execute(
        "INSERT INTO accelerator_lease (id, device_id, server_id, project_id, generation, began_at) "
        "SELECT claim.id, claim.device_id, claim.server_id, server.project_id, 1, claim.created_at "
        "FROM accelerator_claim AS claim JOIN compute_server AS server ON server.id = claim.server_id"
    )


def _add_tables() -> None:
    op.create_table(
        "accelerator_card",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("vendor_id", sa.String(length=4), nullable=False),
        sa.Column("product_id", sa.String(length=4), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("serial", sa.String(length=255), nullable=False),
        sa.Column("memory_mib", sa.Integer(), nullable=True),
        sa.Column("abilities", sa.JSON(), nullable=False),
        sa.Column("drift", sa.Text(), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ux_accelerator_card_host_name", "accelerator_card", ["host_id", "name"], unique=True)
    op.create_table(
        "accelerator_shape",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resource_class", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("share", sa.Integer(), nullable=False),
        sa.Column("memory_mib", sa.Integer(), nullable=True),
        sa.Column("policy", sa.String(length=16), nullable=True),
        sa.Column("quantum_us", sa.Integer(), nullable=True),
        sa.Column("preempt_timeout_us", sa.Integer(), nullable=True),
        sa.Column("weight", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_accelerator_shape_resource_class", "accelerator_shape", ["resource_class"])
    op.create_table(
        "accelerator_lease",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("server_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_accelerator_lease_device_id", "accelerator_lease", ["device_id"])
    op.create_index("ix_accelerator_lease_server_id", "accelerator_lease", ["server_id"])
    op.create_table(
        "accelerator_certificate",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("chain", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("host_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=True),
        sa.Column("project_id", sa.String(length=64), nullable=True),
        sa.Column("server_id", sa.Uuid(), nullable=True),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ux_accelerator_certificate_device", "accelerator_certificate", ["device_id", "chain", "sequence"],
        unique=True,
    )  # fmt: skip
    op.create_index(
        "ix_accelerator_certificate_project", "accelerator_certificate", ["project_id", "device_id"]
    )
    op.create_index("ix_accelerator_certificate_server_id", "accelerator_certificate", ["server_id"])
    op.create_table(
        "accelerator_host_key",
        sa.Column("host_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("host_id", "key"),
    )
    op.create_table(
        "hosts_layout",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "hosts_layout_version",
        sa.Column("layout_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("target", sa.JSON(), nullable=False),
        sa.Column("cards", sa.JSON(), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("layout_id", "version"),
    )
    op.create_table(
        "hosts_layout_target",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("host_name", sa.String(length=64), nullable=False),
        sa.Column("layout_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "host_name"),
    )
    op.create_index("ix_hosts_layout_target_layout_id", "hosts_layout_target", ["layout_id"])
