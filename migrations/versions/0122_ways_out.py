"""A channel's own way to Kling: a proxy, certificates, timeouts.

Holds up nothing: the table is small, and its columns are empty at first. The previous version's code
goes the usual way, also for a channel with a proxy.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0122"
down_revision: str | None = "0121"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("channels", sa.Column("proxy", sa.Text(), nullable=True))
    op.add_column("channels", sa.Column("proxy_password_sealed", sa.Text(), nullable=True))
    op.add_column("channels", sa.Column("ca_pem", sa.Text(), nullable=True))
    op.add_column("channels", sa.Column("connect_timeout_s", sa.Double(), nullable=True))
    op.add_column("channels", sa.Column("timeout_s", sa.Double(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in ("timeout_s", "connect_timeout_s", "ca_pem", "proxy_password_sealed", "proxy"):
        op.drop_column("channels", column)
