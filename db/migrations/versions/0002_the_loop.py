"""The loop: labelled samples, snapshots, retrainings, shadow, queues, classes, claims, log-ins."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: SQLite numbers rows by itself only in columns of type INTEGER.
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AUDIT_FILTERS = ("actor", "action", "subject")
UNASKED_PICTURE = "verdict = 'PASS' AND audit_probability IS NULL AND image_key IS NOT NULL"
#: Indexes of retention: name -> (table, column, condition).
KEPT_PICTURES = {
    "ix_inspections_recorded_at_unasked_picture": ("inspections", "recorded_at", UNASKED_PICTURE),
    "ix_inspections_image_key": ("inspections", "image_key", "image_key IS NOT NULL"),
    "ix_inspections_map_key": ("inspections", "map_key", "map_key IS NOT NULL"),
    "ix_samples_image_key": ("samples", "image_key", "image_key IS NOT NULL"),
    "ix_samples_mask_key": ("samples", "mask_key", "mask_key IS NOT NULL"),
    "ix_reviews_mask_key": ("reviews", "mask_key", "mask_key IS NOT NULL"),
    "ix_quarantine_image_key": ("quarantine", "image_key", "image_key IS NOT NULL"),
}
#: New indexes of inspections: name -> (columns, condition).
OF_INSPECTIONS = {
    "ix_inspections_line_id_queue_id_open": (["line_id", "queue", "id"], "queue IS NOT NULL"),
    "ix_inspections_camera_id_recorded_at_labelled": (
        ["camera_id", "recorded_at", "label", "verdict", "defect_class", "audit_probability"],
        "label IS NOT NULL",
    ),
    "ix_inspections_model_version_id_id_asked": (
        ["model_version_id", "id"],
        "verdict IN ('REVIEW', 'REJECT') OR audit_probability IS NOT NULL",
    ),
}
#: The last review that stands counts.
LABEL_REVIEWED = """
UPDATE inspections SET label = word.decision, defect_class = word.defect_class
FROM reviews AS word
WHERE word.inspection_id = inspections.id AND inspections.queue IS NULL
AND word.decision IN ('good', 'defect') AND word.id = (
    SELECT max(said.id) FROM reviews AS said
    WHERE said.inspection_id = inspections.id AND said.decision <> 'undo'
    AND NOT EXISTS (SELECT 1 FROM reviews AS undo WHERE undo.undoes_id = said.id)
)
"""
NAME_CAMERAS = """
UPDATE reviews SET camera_id =
    (SELECT camera_id FROM inspections WHERE inspections.id = reviews.inspection_id)
"""
LABELS = "label IN ('good', 'defect')"
QUEUES = "queue IN ('flagged', 'audit', 'second_opinion', 'disagreement')"


def upgrade() -> None:
    """Add the tables and columns; what waited for a review waits in the flagged queue.

    PASS frames drawn for the audit before are asked about too, unless they were reviewed.
    """
    for create in (
        _create_dataset_snapshots,
        _create_defect_classes,
        _create_teachings,
        _create_retrainings,
        _create_shadow_verdicts,
        _create_threshold_changes,
        _create_review_claims,
        _create_samples,
        _create_snapshot_items,
    ):
        create()
    _extend_inspections()
    _extend_lines()
    _extend_model_versions()
    with op.batch_alter_table("reviews") as reviews:
        reviews.add_column(sa.Column("queue", sa.String(length=16), nullable=True))
        reviews.add_column(sa.Column("camera_id", sa.Integer(), nullable=True))
        reviews.create_check_constraint(op.f("ck_reviews_queue"), QUEUES)
        reviews.create_foreign_key(
            op.f("fk_reviews_camera_id_cameras"), "cameras", ["camera_id"], ["id"]
        )
    op.execute(sa.text(NAME_CAMERAS))
    with op.batch_alter_table("reviews") as reviews:
        reviews.alter_column("camera_id", nullable=False)
    op.drop_index("ix_reviews_created_at", "reviews")
    op.create_index("ix_reviews_camera_id_created_at", "reviews", ["camera_id", "created_at"])
    with op.batch_alter_table("users") as users:
        users.add_column(
            sa.Column("failed_logins", sa.Integer(), nullable=False, server_default="0")
        )
        users.add_column(sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True))
        users.add_column(sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("users") as users:
        users.alter_column("failed_logins", server_default=None)
    _create_login_sessions()
    for column in AUDIT_FILTERS:
        op.create_index(f"ix_audit_events_{column}_id", "audit_events", [column, "id"])
    for name, (table, column, condition) in KEPT_PICTURES.items():
        there = sa.text(condition)
        op.create_index(name, table, [column], sqlite_where=there, postgresql_where=there)


def downgrade() -> None:
    """Take them away, with all that is in them; open flagged inspections stay open."""
    for index, (indexed, _, _) in KEPT_PICTURES.items():
        op.drop_index(index, indexed)
    for filtered in AUDIT_FILTERS:
        op.drop_index(f"ix_audit_events_{filtered}_id", "audit_events")
    op.drop_table("login_sessions")
    with op.batch_alter_table("users") as users:
        for name in ("last_login_at", "locked_until", "failed_logins"):
            users.drop_column(name)
    op.drop_index("ix_reviews_camera_id_created_at", "reviews")
    with op.batch_alter_table("reviews") as reviews:
        reviews.drop_constraint(op.f("ck_reviews_queue"), type_="check")
        reviews.drop_constraint(op.f("fk_reviews_camera_id_cameras"), type_="foreignkey")
        reviews.drop_column("camera_id")
        reviews.drop_column("queue")
    op.create_index("ix_reviews_created_at", "reviews", ["created_at"])
    with op.batch_alter_table("model_versions") as versions:
        versions.drop_constraint(
            op.f("fk_model_versions_snapshot_id_dataset_snapshots"), type_="foreignkey"
        )
        for name in ("shadow", "has_passed_gate", "gate", "snapshot_id"):
            versions.drop_column(name)
    with op.batch_alter_table("lines") as lines:
        lines.drop_constraint(
            op.f("fk_lines_shadow_model_version_id_model_versions"), type_="foreignkey"
        )
        lines.drop_constraint(op.f("ck_lines_promotion"), type_="check")
        for column in _line_columns():
            lines.drop_column(column.name)
    _shrink_inspections()
    for table in (
        "snapshot_items",
        "samples",
        "review_claims",
        "threshold_changes",
        "shadow_verdicts",
        "retrainings",
        "teachings",
        "defect_classes",
        "dataset_snapshots",
    ):
        op.drop_table(table)


def _extend_inspections() -> None:
    op.drop_index("ix_inspections_line_id_id_verdict_awaiting", "inspections")
    with op.batch_alter_table("inspections") as inspections:
        inspections.add_column(sa.Column("lot_id", sa.String(length=128), nullable=True))
        inspections.add_column(sa.Column("queue", sa.String(length=16), nullable=True))
        inspections.add_column(sa.Column("label", sa.String(length=16), nullable=True))
        inspections.add_column(sa.Column("defect_class", sa.String(length=64), nullable=True))
        inspections.create_check_constraint(op.f("ck_inspections_queue"), QUEUES)
        inspections.create_check_constraint(op.f("ck_inspections_label"), LABELS)
    op.execute(sa.text("UPDATE inspections SET queue = 'flagged' WHERE awaits_review"))
    op.execute(
        sa.text(
            "UPDATE inspections SET queue = 'audit' WHERE verdict = 'PASS' "
            "AND audit_probability IS NOT NULL AND NOT EXISTS "
            "(SELECT 1 FROM reviews WHERE reviews.inspection_id = inspections.id)"
        )
    )
    op.execute(sa.text(LABEL_REVIEWED))
    with op.batch_alter_table("inspections") as inspections:
        inspections.drop_column("awaits_review")
    for name, (columns, condition) in OF_INSPECTIONS.items():
        there = sa.text(condition)
        op.create_index(name, "inspections", columns, sqlite_where=there, postgresql_where=there)


def _shrink_inspections() -> None:
    for name in OF_INSPECTIONS:
        op.drop_index(name, "inspections")
    with op.batch_alter_table("inspections") as inspections:
        inspections.add_column(
            sa.Column("awaits_review", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.execute(
        sa.text("UPDATE inspections SET awaits_review = :yes WHERE queue = 'flagged'").bindparams(
            sa.bindparam("yes", value=True, type_=sa.Boolean())
        )
    )
    with op.batch_alter_table("inspections") as inspections:
        inspections.alter_column("awaits_review", server_default=None)
        for name in ("label", "queue"):
            inspections.drop_constraint(op.f(f"ck_inspections_{name}"), type_="check")
        for name in ("defect_class", "label", "queue", "lot_id"):
            inspections.drop_column(name)
    op.create_index(
        "ix_inspections_line_id_id_verdict_awaiting",
        "inspections",
        ["line_id", "id", "verdict"],
        sqlite_where=sa.text("awaits_review = 1"),
        postgresql_where=sa.text("awaits_review"),
    )


def _line_columns() -> list[sa.Column[Any]]:
    """New columns of lines; the values are those that lines there already get."""
    return [
        sa.Column("shadow_model_version_id", sa.Integer(), nullable=True),
        sa.Column("needs_second_opinion", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("retrain_every_h", sa.Float(), nullable=True),
        sa.Column("retrain_after_defects", sa.Integer(), nullable=True),
        sa.Column("retrain_on_drift", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("promotion", sa.String(length=16), nullable=False, server_default="person"),
        sa.Column("false_reject_budget", sa.Float(), nullable=False, server_default="0.02"),
        sa.Column("latency_budget_ms", sa.Float(), nullable=True),
        sa.Column("shadow_frames", sa.Integer(), nullable=False, server_default="200"),
    ]


def _extend_lines() -> None:
    with op.batch_alter_table("lines") as lines:
        for column in _line_columns():
            lines.add_column(column)
        lines.create_foreign_key(
            op.f("fk_lines_shadow_model_version_id_model_versions"),
            "model_versions",
            ["shadow_model_version_id"],
            ["id"],
        )
        lines.create_check_constraint(
            op.f("ck_lines_promotion"), "promotion IN ('person', 'automatic')"
        )
    with op.batch_alter_table("lines") as lines:
        for column in _line_columns():
            if column.server_default is not None:
                lines.alter_column(column.name, server_default=None)


def _extend_model_versions() -> None:
    with op.batch_alter_table("model_versions") as versions:
        versions.add_column(sa.Column("snapshot_id", sa.Integer(), nullable=True))
        versions.add_column(sa.Column("gate", sa.JSON(), nullable=True))
        versions.add_column(sa.Column("has_passed_gate", sa.Boolean(), nullable=True))
        versions.add_column(sa.Column("shadow", sa.JSON(), nullable=True))
        versions.create_foreign_key(
            op.f("fk_model_versions_snapshot_id_dataset_snapshots"),
            "dataset_snapshots",
            ["snapshot_id"],
            ["id"],
        )


def _create_dataset_snapshots() -> None:
    op.create_table(
        "dataset_snapshots",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["line_id"], ["lines.id"], name=op.f("fk_dataset_snapshots_line_id_lines")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_snapshots")),
    )
    op.create_index("ix_dataset_snapshots_line_id", "dataset_snapshots", ["line_id"])


def _create_defect_classes() -> None:
    op.create_table(
        "defect_classes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["line_id"], ["lines.id"], name=op.f("fk_defect_classes_line_id_lines")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_defect_classes")),
        sa.UniqueConstraint("line_id", "name", name=op.f("uq_defect_classes_line_id_name")),
    )


def _create_teachings() -> None:
    op.create_table(
        "teachings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("camera", sa.String(length=64), nullable=True),
        sa.Column("frames_wanted", sa.Integer(), nullable=False),
        sa.Column("frames_collected", sa.Integer(), nullable=False),
        sa.Column("detector", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.String(length=128), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('collecting', 'looking_over', 'training', 'done', 'cancelled')",
            name=op.f("ck_teachings_state"),
        ),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name=op.f("fk_teachings_line_id_lines")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teachings")),
    )
    op.create_index(
        "uq_teachings_line_id_open",
        "teachings",
        ["line_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('collecting', 'looking_over', 'training')"),
        postgresql_where=sa.text("state IN ('collecting', 'looking_over', 'training')"),
    )


def _create_retrainings() -> None:
    op.create_table(
        "retrainings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("detector", sa.String(length=32), nullable=False),
        sa.Column("teaching_id", sa.Integer(), nullable=True),
        sa.Column("requested_by", sa.String(length=128), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_asked_by", sa.String(length=128), nullable=True),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("snapshot_id", sa.Integer(), nullable=True),
        sa.Column("model_version_id", sa.Integer(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "reason IN ('schedule', 'defects', 'drift', 'person', 'teaching')",
            name=op.f("ck_retrainings_reason"),
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'done', 'failed', 'cancelled')",
            name=op.f("ck_retrainings_state"),
        ),
        sa.ForeignKeyConstraint(
            ["line_id"], ["lines.id"], name=op.f("fk_retrainings_line_id_lines")
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_versions.id"],
            name=op.f("fk_retrainings_model_version_id_model_versions"),
        ),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["dataset_snapshots.id"],
            name=op.f("fk_retrainings_snapshot_id_dataset_snapshots"),
        ),
        sa.ForeignKeyConstraint(
            ["teaching_id"], ["teachings.id"], name=op.f("fk_retrainings_teaching_id_teachings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrainings")),
    )
    op.create_index("ix_retrainings_line_id_id", "retrainings", ["line_id", "id"])
    op.create_index(
        "uq_retrainings_line_id_open",
        "retrainings",
        ["line_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('waiting', 'running')"),
        postgresql_where=sa.text("state IN ('waiting', 'running')"),
    )


def _create_shadow_verdicts() -> None:
    op.create_table(
        "shadow_verdicts",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("frame_id", sa.Uuid(), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("score_ms", sa.Float(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("champion_verdict", sa.String(length=16), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "champion_verdict IN ('PASS', 'REVIEW', 'REJECT', 'UNINSPECTED')",
            name=op.f("ck_shadow_verdicts_champion_verdict"),
        ),
        sa.CheckConstraint(
            "verdict IN ('PASS', 'REVIEW', 'REJECT', 'UNINSPECTED')",
            name=op.f("ck_shadow_verdicts_verdict"),
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_versions.id"],
            name=op.f("fk_shadow_verdicts_model_version_id_model_versions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_verdicts")),
        sa.UniqueConstraint(
            "model_version_id",
            "frame_id",
            name=op.f("uq_shadow_verdicts_model_version_id_frame_id"),
        ),
    )


def _create_threshold_changes() -> None:
    op.create_table(
        "threshold_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_version_id", sa.Integer(), nullable=False),
        sa.Column("review_threshold", sa.Float(), nullable=False),
        sa.Column("reject_threshold", sa.Float(), nullable=False),
        sa.Column("former_review_threshold", sa.Float(), nullable=False),
        sa.Column("former_reject_threshold", sa.Float(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_versions.id"],
            name=op.f("fk_threshold_changes_model_version_id_model_versions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_threshold_changes")),
    )
    op.create_index(
        "ix_threshold_changes_model_version_id", "threshold_changes", ["model_version_id"]
    )


def _create_review_claims() -> None:
    op.create_table(
        "review_claims",
        sa.Column("inspection_id", BIG_ID, nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inspection_id"],
            ["inspections.id"],
            name=op.f("fk_review_claims_inspection_id_inspections"),
        ),
        sa.PrimaryKeyConstraint("inspection_id", name=op.f("pk_review_claims")),
    )
    op.create_index("ix_review_claims_expires_at", "review_claims", ["expires_at"])
    op.create_index("ix_review_claims_holder", "review_claims", ["holder"])


def _create_samples() -> None:
    op.create_table(
        "samples",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=False),
        sa.Column("frame_id", sa.Uuid(), nullable=False),
        sa.Column("inspection_id", BIG_ID, nullable=True),
        sa.Column("review_id", BIG_ID, nullable=True),
        sa.Column("teaching_id", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=16), nullable=False),
        sa.Column("defect_class", sa.String(length=64), nullable=True),
        sa.Column("image_key", sa.String(length=128), nullable=False),
        sa.Column("mask_key", sa.String(length=128), nullable=True),
        sa.Column("part_id", sa.String(length=128), nullable=True),
        sa.Column("lot_id", sa.String(length=128), nullable=True),
        sa.Column("signature", sa.LargeBinary(length=128), nullable=True),
        sa.Column("side", sa.String(length=16), nullable=True),
        sa.Column("duplicate_of_id", BIG_ID, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_by", sa.String(length=128), nullable=True),
        sa.Column("removed_reason", sa.String(length=500), nullable=True),
        sa.CheckConstraint("label IN ('good', 'defect')", name=op.f("ck_samples_label")),
        sa.CheckConstraint(
            "side IN ('training', 'golden', 'neither')", name=op.f("ck_samples_side")
        ),
        sa.CheckConstraint(
            "source IN ('review', 'teaching', 'import')", name=op.f("ck_samples_source")
        ),
        sa.ForeignKeyConstraint(
            ["duplicate_of_id"], ["samples.id"], name=op.f("fk_samples_duplicate_of_id_samples")
        ),
        sa.ForeignKeyConstraint(
            ["inspection_id"], ["inspections.id"], name=op.f("fk_samples_inspection_id_inspections")
        ),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name=op.f("fk_samples_line_id_lines")),
        sa.ForeignKeyConstraint(
            ["review_id"], ["reviews.id"], name=op.f("fk_samples_review_id_reviews")
        ),
        sa.ForeignKeyConstraint(
            ["teaching_id"], ["teachings.id"], name=op.f("fk_samples_teaching_id_teachings")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_samples")),
        sa.UniqueConstraint("line_id", "frame_id", name=op.f("uq_samples_line_id_frame_id")),
    )
    op.create_index("ix_samples_inspection_id", "samples", ["inspection_id"])
    op.create_index("ix_samples_line_id_label_side", "samples", ["line_id", "label", "side"])
    op.create_index("ix_samples_lot_id", "samples", ["lot_id"])
    op.create_index("ix_samples_part_id", "samples", ["part_id"])
    op.create_index("ix_samples_teaching_id", "samples", ["teaching_id"])


def _create_snapshot_items() -> None:
    op.create_table(
        "snapshot_items",
        sa.Column("snapshot_id", sa.Integer(), nullable=False),
        sa.Column("sample_id", BIG_ID, nullable=False),
        sa.Column("use", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=16), nullable=False),
        sa.Column("defect_class", sa.String(length=64), nullable=True),
        sa.Column("image_key", sa.String(length=128), nullable=False),
        sa.Column("mask_key", sa.String(length=128), nullable=True),
        sa.Column("review_id", BIG_ID, nullable=True),
        sa.CheckConstraint("label IN ('good', 'defect')", name=op.f("ck_snapshot_items_label")),
        sa.CheckConstraint(
            "use IN ('normal', 'held_out', 'anomaly', 'golden')", name=op.f("ck_snapshot_items_use")
        ),
        sa.ForeignKeyConstraint(
            ["review_id"], ["reviews.id"], name=op.f("fk_snapshot_items_review_id_reviews")
        ),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name=op.f("fk_snapshot_items_sample_id_samples")
        ),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["dataset_snapshots.id"],
            name=op.f("fk_snapshot_items_snapshot_id_dataset_snapshots"),
        ),
        sa.PrimaryKeyConstraint("snapshot_id", "sample_id", name=op.f("pk_snapshot_items")),
    )


def _create_login_sessions() -> None:
    op.create_table(
        "login_sessions",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_login_sessions_user_id_users")
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_login_sessions")),
    )
    op.create_index("ix_login_sessions_user_id", "login_sessions", ["user_id"])
