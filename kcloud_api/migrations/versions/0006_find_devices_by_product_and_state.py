"""Find devices by product, and by state, without reading all of them

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_accelerator_device_product",
        "accelerator_device",
        ["vendor_id", "product_id", "kind", "resource_class"],
    )
    op.create_index("ix_accelerator_device_state", "accelerator_device", ["state", "host_id", "name"])
