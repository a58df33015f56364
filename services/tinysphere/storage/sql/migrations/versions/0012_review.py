"""Settings of reviewing, the catalogue of labels, marks of disagreement, and what audit records tell of a change."""

from collections import defaultdict
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from tinysphere.domain.labels import MAX_KEY_CHARACTERS, label_key
from tinysphere.storage.sql.metadata import UtcDateTime

revision = "0012_review"
down_revision = "0011_sample_groups"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, add the columns, and catalogue the labels that samples were judged to have."""
    op.create_table(
        "review_settings",
        sa.Column("settings_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("policy", sa.String(length=16), nullable=False),
        sa.Column("required_count", sa.Integer(), nullable=False),
        sa.Column("reviewer_count", sa.Integer(), nullable=False),
        sa.Column("adjudicators", sa.JSON(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("lease_duration_s", sa.Double(), nullable=False),
        sa.Column("queue_order", sa.String(length=16), nullable=False),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        sa.Column("update_time", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("settings_id", name=op.f("pk_review_settings")),
    )
    op.create_table(
        "labels",
        sa.Column("label_key", sa.Text(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("sample_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("creator", sa.String(length=128), nullable=False),
        sa.Column("create_time", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("label_key", name=op.f("pk_labels")),
    )
    op.create_table(
        "label_aliases",
        sa.Column("alias_key", sa.Text(), nullable=False),
        sa.Column("alias", sa.String(length=64), nullable=False),
        sa.Column("label_key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["label_key"], ["labels.label_key"], name=op.f("fk_label_aliases_label_key_labels")
        ),
        sa.PrimaryKeyConstraint("alias_key", name=op.f("pk_label_aliases")),
    )
    op.create_index(op.f("ix_label_aliases_label_key_alias_key"), "label_aliases", ["label_key", "alias_key"])
    _add_columns()
    _catalogue()


def downgrade() -> None:
    """Drop them."""
    op.drop_index(op.f("ix_audit_records_subject_audit_time_ordinal"), table_name="audit_records")
    for column in ("reason", "to_value", "from_value"):
        op.drop_column("audit_records", column)
    op.drop_index(op.f("ix_verdicts_submit_time_ordinal"), table_name="verdicts")
    op.drop_column("verdicts", "group_id")
    op.drop_index(op.f("ix_samples_judged_label_sample_id"), table_name="samples")
    op.drop_index(op.f("ix_samples_disagree_time_sample_id"), table_name="samples")
    op.drop_column("samples", "disagree_time")
    op.drop_index(op.f("ix_label_aliases_label_key_alias_key"), table_name="label_aliases")
    op.drop_table("label_aliases")
    op.drop_table("labels")
    op.drop_table("review_settings")


def _add_columns() -> None:
    op.add_column("samples", sa.Column("disagree_time", UtcDateTime(), nullable=True))
    for column in ("disagree_time", "judged_label"):
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            op.f(f"ix_samples_{column}_sample_id"),
            "samples",
            [column, "sample_id"],
            sqlite_where=there,
            postgresql_where=there,
        )
    op.add_column(
        "verdicts", sa.Column("group_id", sa.String(length=36), server_default=sa.text("''"), nullable=False)
    )
    op.create_index(op.f("ix_verdicts_submit_time_ordinal"), "verdicts", ["submit_time", "ordinal"])
    op.add_column("audit_records", sa.Column("from_value", sa.Text(), nullable=True))
    op.add_column("audit_records", sa.Column("to_value", sa.Text(), nullable=True))
    op.add_column(
        "audit_records", sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.create_index(
        op.f("ix_audit_records_subject_audit_time_ordinal"),
        "audit_records",
        ["subject", "audit_time", "ordinal"],
    )


def _catalogue() -> None:
    """Each label as most samples spell it; the others follow."""
    connection = op.get_bind()
    counts = connection.execute(
        sa.text("SELECT judged_label, count(*) FROM samples WHERE judged_label <> '' GROUP BY judged_label")
    )
    spellings: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for name, sample_count in counts:
        spellings[label_key(name)].append((sample_count, name))
    rows = [
        {
            "label_key": key,
            "name": max(found)[1],
            "sample_count": sum(sample_count for sample_count, _ in found),
            "creator": "server",
            "create_time": datetime.now(UTC),
        }
        for key, found in spellings.items()
        if 0 < len(key) <= MAX_KEY_CHARACTERS
    ]
    for found in spellings.values():
        for _, name in sorted(found)[:-1]:
            change = sa.text("UPDATE samples SET judged_label = :kept WHERE judged_label = :name")
            connection.execute(change, {"kept": max(found)[1], "name": name})
    if rows:
        columns = ("label_key", "name", "sample_count", "creator")
        moment: sa.ColumnClause[datetime] = sa.column("create_time", UtcDateTime())
        table = sa.table("labels", *map(sa.column, columns), moment)
        connection.execute(sa.insert(table), rows)
