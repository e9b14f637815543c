"""decisions"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("machine_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.machine_id"], name=op.f("fk_decisions_machine_id")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.session_id"], name=op.f("fk_decisions_session_id")),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decisions")),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_decisions_state_opened_at_decision_id"), ["state", "opened_at", "decision_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_decisions_closed_at"), ["closed_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_decisions_session_id"), ["session_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_decisions_change_id"), ["change_id"], unique=False)
