"""Keep devices' links

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Filled by the next report of each host.
    with op.batch_alter_table("accelerator_device", schema=None) as batch_op:
        batch_op.add_column(sa.Column("link_speed", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("link_width", sa.Integer(), nullable=True))
