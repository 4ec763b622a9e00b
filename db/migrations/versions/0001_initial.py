"""Lines, cameras, model versions, inspections, quarantine, reviews, users and audit events.

Written out in plain SQLAlchemy types: a migration must not change with `db.tables`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: SQLite numbers rows by itself only in columns of type INTEGER.
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table."""
    _create_lines_and_model_versions()
    _create_cameras()
    _create_inspections()
    _create_quarantine()
    _create_reviews()
    _create_users_and_audit_events()


def downgrade() -> None:
    """Drop every table, with all data."""
    with op.batch_alter_table("lines") as lines:
        lines.drop_constraint(
            op.f("fk_lines_active_model_version_id_model_versions"), type_="foreignkey"
        )
    for table in (
        "audit_events",
        "users",
        "reviews",
        "quarantine",
        "inspections",
        "cameras",
        "model_versions",
        "lines",
    ):
        op.drop_table(table)


def _create_lines_and_model_versions() -> None:
    op.create_table(
        "lines",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active_model_version_id", sa.Integer(), nullable=True),
        sa.Column("audit_rate", sa.Float(), nullable=False),
        sa.Column("frames_waiting", sa.Integer(), nullable=False),
        sa.Column("frames_pending", sa.Integer(), nullable=False),
        sa.Column("status_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lines")),
        sa.UniqueConstraint("name", name=op.f("uq_lines_name")),
    )
    op.create_table(
        "model_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("detector", sa.String(length=32), nullable=False),
        sa.Column("backbone", sa.String(length=128), nullable=False),
        sa.Column("artifact_path", sa.String(length=1024), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.Column("review_threshold", sa.Float(), nullable=False),
        sa.Column("reject_threshold", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["line_id"], ["lines.id"], name=op.f("fk_model_versions_line_id_lines")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("line_id", "number", name=op.f("uq_model_versions_line_id_number")),
    )
    # The two tables refer to each other, so one reference comes afterwards.
    with op.batch_alter_table("lines") as lines:
        lines.create_foreign_key(
            op.f("fk_lines_active_model_version_id_model_versions"),
            "model_versions",
            ["active_model_version_id"],
            ["id"],
        )


def _create_cameras() -> None:
    op.create_table(
        "cameras",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("frames_pushed", sa.BigInteger(), nullable=False),
        sa.Column("frames_dropped", sa.BigInteger(), nullable=False),
        sa.Column("frames_uninspected", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name=op.f("fk_cameras_line_id_lines")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cameras")),
        sa.UniqueConstraint("line_id", "name", name=op.f("uq_cameras_line_id_name")),
    )


def _create_inspections() -> None:
    op.create_table(
        "inspections",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("frame_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("camera_id", sa.Integer(), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("part_id", sa.String(length=128), nullable=True),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("score_ms", sa.Float(), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=True),
        sa.Column("awaits_review", sa.Boolean(), nullable=False),
        sa.Column("audit_probability", sa.Float(), nullable=True),
        sa.Column("image_key", sa.String(length=128), nullable=True),
        sa.Column("map_key", sa.String(length=128), nullable=True),
        sa.Column("map_low", sa.Float(), nullable=True),
        sa.Column("map_high", sa.Float(), nullable=True),
        sa.Column("width_px", sa.Integer(), nullable=True),
        sa.Column("height_px", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "verdict IN ('PASS', 'REVIEW', 'REJECT', 'UNINSPECTED')",
            name=op.f("ck_inspections_verdict"),
        ),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_inspections_camera_id_cameras")
        ),
        sa.ForeignKeyConstraint(
            ["line_id"], ["lines.id"], name=op.f("fk_inspections_line_id_lines")
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_versions.id"],
            name=op.f("fk_inspections_model_version_id_model_versions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspections")),
        sa.UniqueConstraint(
            "frame_id", "model_version_id", name=op.f("uq_inspections_frame_id_model_version_id")
        ),
    )
    op.create_index(
        "ix_inspections_camera_id_recorded_at_verdict",
        "inspections",
        ["camera_id", "recorded_at", "verdict"],
    )
    op.create_index(
        "ix_inspections_line_id_id_verdict_awaiting",
        "inspections",
        ["line_id", "id", "verdict"],
        sqlite_where=sa.text("awaits_review = 1"),
        postgresql_where=sa.text("awaits_review"),
    )
    op.create_index(
        "uq_inspections_frame_id_uninspected",
        "inspections",
        ["frame_id"],
        unique=True,
        sqlite_where=sa.text("model_version_id IS NULL"),
        postgresql_where=sa.text("model_version_id IS NULL"),
    )


def _create_quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("frame_key", sa.String(length=160), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("camera", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("image_key", sa.String(length=128), nullable=True),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("quarantined_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["line_id"], ["lines.id"], name=op.f("fk_quarantine_line_id_lines")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint("frame_key", name=op.f("uq_quarantine_frame_key")),
    )


def _create_reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("inspection_id", BIG_ID, nullable=False),
        sa.Column("reviewer", sa.String(length=128), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("defect_class", sa.String(length=64), nullable=True),
        sa.Column("mask_key", sa.String(length=128), nullable=True),
        sa.Column("undoes_id", BIG_ID, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "decision IN ('defect', 'good', 'unsure', 'dismissed', 'undo')",
            name=op.f("ck_reviews_decision"),
        ),
        sa.ForeignKeyConstraint(
            ["inspection_id"], ["inspections.id"], name=op.f("fk_reviews_inspection_id_inspections")
        ),
        sa.ForeignKeyConstraint(
            ["undoes_id"], ["reviews.id"], name=op.f("fk_reviews_undoes_id_reviews")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("undoes_id", name=op.f("uq_reviews_undoes_id")),
    )
    op.create_index("ix_reviews_created_at", "reviews", ["created_at"])
    op.create_index("ix_reviews_inspection_id", "reviews", ["inspection_id"])


def _create_users_and_audit_events() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.String(length=256), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('operator', 'engineer', 'admin')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "audit_events",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index("ix_audit_events_at", "audit_events", ["at"])
