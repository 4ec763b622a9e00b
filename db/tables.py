"""Every table, typed. A change here needs a migration in db/migrations: a test compares the two.

One file, long as it is: a schema is read as a whole.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.types import Real, UtcDateTime

#: SQLite numbers rows by itself only in columns of type INTEGER.
BigId = BigInteger().with_variant(Integer, "sqlite")
#: Of inspections: a PASS nobody was asked about, whose picture was kept.
UNASKED_PICTURE = "verdict = 'PASS' AND audit_probability IS NULL AND image_key IS NOT NULL"
#: Of inspections: a person is asked about it, or was.
ASKED = "verdict IN ('REVIEW', 'REJECT') OR audit_probability IS NOT NULL"


def utc_now() -> datetime:
    """The present, aware."""
    return datetime.now(UTC)


class Verdict(StrEnum):
    """The machine's word on a frame."""

    PASS = "PASS"  # noqa: S105 - a verdict, no password
    REVIEW = "REVIEW"
    REJECT = "REJECT"
    #: The frame could not be inspected in time; its part must not count as good.
    UNINSPECTED = "UNINSPECTED"


class Decision(StrEnum):
    """A person's word on an inspection."""

    DEFECT = "defect"
    GOOD = "good"
    UNSURE = "unsure"
    #: Cleared from the queue without being looked at: never counts as reviewed.
    DISMISSED = "dismissed"
    #: Takes back the review named in `undoes_id`.
    UNDO = "undo"


class ReviewQueue(StrEnum):
    """Why an inspection waits for a person."""

    #: The machine gave REVIEW or REJECT.
    FLAGGED = "flagged"
    #: A PASS frame drawn to find escapes: shown blind.
    AUDIT = "audit"
    #: One person was unsure, or the line wants two to agree.
    SECOND_OPINION = "second_opinion"
    #: Two people disagree: a third one settles it.
    DISAGREEMENT = "disagreement"


class Promotion(StrEnum):
    """Who lets a candidate score that passed its gate and its time in the shadow."""

    PERSON = "person"
    AUTOMATIC = "automatic"


class SampleLabel(StrEnum):
    """What a labelled frame shows."""

    GOOD = "good"
    DEFECT = "defect"


class SampleSource(StrEnum):
    """How a labelled frame came to its label."""

    REVIEW = "review"
    #: Collected as good to teach a line, and looked over.
    TEACHING = "teaching"
    IMPORT = "import"


class Side(StrEnum):
    """What a labelled frame may be used for; once given, it stays."""

    TRAINING = "training"
    GOLDEN = "golden"
    #: It belongs with frames of both sides, and is used for neither.
    NEITHER = "neither"


class SnapshotUse(StrEnum):
    """What a snapshot's frame is used for."""

    #: The normals the detector learns from.
    NORMAL = "normal"
    #: Normals that thresholds come from.
    HELD_OUT = "held_out"
    #: The few-shot anomaly set.
    ANOMALY = "anomaly"
    #: What champion and candidate are compared on.
    GOLDEN = "golden"


class RetrainingState(StrEnum):
    """How far a retraining is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RetrainingReason(StrEnum):
    """Why a line's model is trained again."""

    SCHEDULE = "schedule"
    #: Enough newly confirmed defects wait.
    DEFECTS = "defects"
    #: The scores of good parts have moved.
    DRIFT = "drift"
    PERSON = "person"
    #: The line's first model, from the frames collected for it.
    TEACHING = "teaching"


class TeachingState(StrEnum):
    """How far the teaching of a line is."""

    COLLECTING = "collecting"
    #: All frames are there; a person looks them over.
    LOOKING_OVER = "looking_over"
    TRAINING = "training"
    DONE = "done"
    CANCELLED = "cancelled"


class Role(StrEnum):
    """What a user may do; each role includes the ones before it."""

    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMIN = "admin"


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """Only the members of an enumeration are allowed in `column`."""
    members = ", ".join(f"'{member.value}'" for member in values)
    return CheckConstraint(f"{column} IN ({members})", name=column)


def kept(table: str, column: str) -> Index:
    """An index by which retention finds whether a row still names a picture."""
    there = text(f"{column} IS NOT NULL")
    return Index(f"ix_{table}_{column}", column, sqlite_where=there, postgresql_where=there)


class Base(DeclarativeBase):
    """Root of the tables; constraints have names, so that migrations can change them anywhere."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Line(Base):
    """A production line: its cameras share one active model version."""

    __tablename__ = "lines"
    __table_args__ = (one_of("promotion", Promotion),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    description: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: The version that scores; None until one is activated.
    active_model_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("model_versions.id", use_alter=True)
    )
    #: The candidate that scores the same frames beside it, without consequences.
    shadow_model_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("model_versions.id", use_alter=True)
    )
    #: Share of PASS frames that is kept for blind review.
    audit_rate: Mapped[float] = mapped_column(Real, default=0.01)
    #: Whether a defect counts as confirmed only when a second person agrees.
    needs_second_opinion: Mapped[bool] = mapped_column(default=False)

    # When a new model is trained, and what lets it score.
    #: None: not by the clock.
    retrain_every_h: Mapped[float | None] = mapped_column(Real, default=24.0)
    #: Newly confirmed defects that start a training; None: not by their number.
    retrain_after_defects: Mapped[int | None] = mapped_column(default=10)
    #: Whether moved scores of good parts start a training.
    retrain_on_drift: Mapped[bool] = mapped_column(default=True)
    promotion: Mapped[str] = mapped_column(String(16), default=Promotion.PERSON.value)
    #: Share of good golden parts that a candidate may reject.
    false_reject_budget: Mapped[float] = mapped_column(Real, default=0.02)
    #: Milliseconds a candidate may take for a frame; None: no limit.
    latency_budget_ms: Mapped[float | None] = mapped_column(Real)
    #: Live frames a candidate scores in the shadow before it may be promoted.
    shadow_frames: Mapped[int] = mapped_column(default=200)

    # How the line's stream stood when a worker last looked.
    frames_waiting: Mapped[int] = mapped_column(default=0)
    frames_pending: Mapped[int] = mapped_column(default=0)
    #: None: no worker has looked yet.
    status_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Camera(Base):
    """A camera of a line, known from its first frame; counts since its line's stream began."""

    __tablename__ = "cameras"
    __table_args__ = (UniqueConstraint("line_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("lines.id"))
    name: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    frames_pushed: Mapped[int] = mapped_column(BigInteger, default=0)
    frames_dropped: Mapped[int] = mapped_column(BigInteger, default=0)
    frames_uninspected: Mapped[int] = mapped_column(BigInteger, default=0)


class DefectClass(Base):
    """A kind of defect that a line knows."""

    __tablename__ = "defect_classes"
    __table_args__ = (UniqueConstraint("line_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("lines.id"))
    name: Mapped[str] = mapped_column(String(64))
    #: Order on the page; the first nine have number keys.
    position: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: Not offered any more; reviews that name it keep it.
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ModelVersion(Base):
    """A trained model of a line. Immutable but for thresholds, shadow and `retired_at`."""

    __tablename__ = "model_versions"
    __table_args__ = (UniqueConstraint("line_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("lines.id"))
    #: Counts a line's versions from 1.
    number: Mapped[int]
    detector: Mapped[str] = mapped_column(String(32))
    backbone: Mapped[str] = mapped_column(String(128))
    #: Folder of the artifact, absolute.
    artifact_path: Mapped[str] = mapped_column(String(1024))
    #: sha256 of the artifact's manifest, which names the hash of every other file.
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[dict[str, Any]] = mapped_column(JSON)
    #: Raw image scores: from the first a person looks, from the second the part is rejected.
    review_threshold: Mapped[float] = mapped_column(Real)
    reject_threshold: Mapped[float] = mapped_column(Real)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    created_by: Mapped[str] = mapped_column(String(128))
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: What it was trained on; None: a folder that someone registered.
    snapshot_id: Mapped[int | None] = mapped_column(ForeignKey("dataset_snapshots.id"))
    #: How it did against the champion on the golden set; None: never compared.
    gate: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    #: Whether that lets it be promoted.
    has_passed_gate: Mapped[bool | None]
    #: How it agreed with the champion on live frames; None: not finished.
    shadow: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class ThresholdChange(Base):
    """Who set a model version's thresholds, when, to what. Append-only."""

    __tablename__ = "threshold_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id"), index=True)
    review_threshold: Mapped[float] = mapped_column(Real)
    reject_threshold: Mapped[float] = mapped_column(Real)
    former_review_threshold: Mapped[float] = mapped_column(Real)
    former_reject_threshold: Mapped[float] = mapped_column(Real)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    changed_by: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str] = mapped_column(String(500), default="")


class Inspection(Base):
    """One frame's verdict under one model version."""

    __tablename__ = "inspections"
    __table_args__ = (
        UniqueConstraint("frame_id", "model_version_id"),
        # NULLs are distinct in a unique constraint: an uninspected frame has its own.
        Index(
            "uq_inspections_frame_id_uninspected",
            "frame_id",
            unique=True,
            sqlite_where=text("model_version_id IS NULL"),
            postgresql_where=text("model_version_id IS NULL"),
        ),
        # The live page: a camera's latest frames, and verdicts counted from the index alone. A
        # line's counts are its cameras', so that every frame pays for one such index only.
        Index(
            "ix_inspections_camera_id_recorded_at_verdict", "camera_id", "recorded_at", "verdict"
        ),
        # The review queues: holds the open inspections only, however many are done.
        Index(
            "ix_inspections_line_id_queue_id_open",
            "line_id",
            "queue",
            "id",
            sqlite_where=text("queue IS NOT NULL"),
            postgresql_where=text("queue IS NOT NULL"),
        ),
        # The quality page: confirmed words, counted from the index alone. It holds those only.
        Index(
            "ix_inspections_camera_id_recorded_at_labelled",
            "camera_id",
            "recorded_at",
            "label",
            "verdict",
            "defect_class",
            "audit_probability",
            sqlite_where=text("label IS NOT NULL"),
            postgresql_where=text("label IS NOT NULL"),
        ),
        # The thresholds of a version: the parts that people were asked about.
        Index(
            "ix_inspections_model_version_id_id_asked",
            "model_version_id",
            "id",
            sqlite_where=text(ASKED),
            postgresql_where=text(ASKED),
        ),
        # Retention: the pictures that need not be kept, oldest first, and whether another row needs
        # one of the same bytes. They hold the kept pictures only.
        Index(
            "ix_inspections_recorded_at_unasked_picture",
            "recorded_at",
            sqlite_where=text(UNASKED_PICTURE),
            postgresql_where=text(UNASKED_PICTURE),
        ),
        kept("inspections", "image_key"),
        kept("inspections", "map_key"),
        one_of("verdict", Verdict),
        one_of("queue", ReviewQueue),
        one_of("label", SampleLabel),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    frame_id: Mapped[UUID] = mapped_column(Uuid)
    line_id: Mapped[int] = mapped_column(ForeignKey("lines.id"))
    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id"))
    #: None: UNINSPECTED.
    model_version_id: Mapped[int | None] = mapped_column(ForeignKey("model_versions.id"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    part_id: Mapped[str | None] = mapped_column(String(128))
    #: The batch the part was made in, where the camera host knows it.
    lot_id: Mapped[str | None] = mapped_column(String(128))
    captured_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: When the worker had the verdict, just before it committed.
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Time in scoring, the batch's divided by its frames.
    score_ms: Mapped[float | None] = mapped_column(Real)
    #: Raw image score, unclamped; None: UNINSPECTED.
    score: Mapped[float | None] = mapped_column(Real)
    verdict: Mapped[str] = mapped_column(String(16))
    #: Why a frame is UNINSPECTED.
    reason: Mapped[str | None] = mapped_column(String(512))
    #: The queue it waits in for a person; None: in none. It follows from the verdict, the audit
    #: draw and the reviews; `db.reviews` keeps it so.
    queue: Mapped[str | None] = mapped_column(String(16))
    #: What `db.opinions.confirmed` says of it, with the defect's class; None: nothing. It follows
    #: from the reviews as `queue` does.
    label: Mapped[str | None] = mapped_column(String(16))
    defect_class: Mapped[str | None] = mapped_column(String(64))
    #: Probability with which this PASS frame was drawn for blind review; None: not drawn.
    audit_probability: Mapped[float | None] = mapped_column(Real)
    #: Keys in the image store; None: not kept.
    image_key: Mapped[str | None] = mapped_column(String(128))
    map_key: Mapped[str | None] = mapped_column(String(128))
    #: The map is a uint8 PNG: score = low + value / 255 * (high - low).
    map_low: Mapped[float | None] = mapped_column(Real)
    map_high: Mapped[float | None] = mapped_column(Real)
    width_px: Mapped[int | None]
    height_px: Mapped[int | None]


class QuarantinedFrame(Base):
    """A frame that could not be judged, with its bytes in the store and the reason."""

    __tablename__ = "quarantine"
    __table_args__ = (kept("quarantine", "image_key"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: The frame id where it could be read, otherwise line and stream entry: one row a frame.
    frame_key: Mapped[str] = mapped_column(String(160), unique=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("lines.id"))
    camera: Mapped[str | None] = mapped_column(String(64))
    #: Short code, for counting: not_an_image, truncated, bad_message, scoring_failed ...
    reason: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)
    deliveries: Mapped[int]
    #: Key of the raw bytes in the store; None: there were none.
    image_key: Mapped[str | None] = mapped_column(String(128))
    captured_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    quarantined_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Review(Base):
    """A person's word on an inspection. Append-only: undo is another row."""

    __tablename__ = "reviews"
    __table_args__ = (
        # The quality page: a camera's reviews of some days.
        Index("ix_reviews_camera_id_created_at", "camera_id", "created_at"),
        kept("reviews", "mask_key"),
        one_of("decision", Decision),
        one_of("queue", ReviewQueue),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    inspection_id: Mapped[int] = mapped_column(ForeignKey("inspections.id"), index=True)
    #: The inspection's.
    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id"))
    reviewer: Mapped[str] = mapped_column(String(128))
    decision: Mapped[str] = mapped_column(String(16))
    defect_class: Mapped[str | None] = mapped_column(String(64))
    #: Where the defect is: a PNG of the picture's size, white on black; None: nobody said.
    mask_key: Mapped[str | None] = mapped_column(String(128))
    #: The queue it was given in; None: outside of any.
    queue: Mapped[str | None] = mapped_column(String(16))
    undoes_id: Mapped[int | None] = mapped_column(ForeignKey("reviews.id"), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class ReviewClaim(Base):
    """An inspection that someone is looking at: nobody else gets its card meanwhile."""

    __tablename__ = "review_claims"

    inspection_id: Mapped[int] = mapped_column(ForeignKey("inspections.id"), primary_key=True)
    #: The browser session, as two windows of one person are two.
    holder: Mapped[str] = mapped_column(String(128), index=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Sample(Base):
    """A labelled frame, and whether the machine may learn from it or is judged by it.

    It follows from the reviews, which alone are the record; `db.samples` keeps it so.
    """

    __tablename__ = "samples"
    __table_args__ = (
        UniqueConstraint("line_id", "frame_id"),
        Index("ix_samples_line_id_label_side", "line_id", "label", "side"),
        kept("samples", "image_key"),
        kept("samples", "mask_key"),
        one_of("label", SampleLabel),
        one_of("source", SampleSource),
        one_of("side", Side),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("lines.id"))
    #: The frame's, or a new one for what was imported.
    frame_id: Mapped[UUID] = mapped_column(Uuid)
    #: None: imported, or collected before the line had a model.
    inspection_id: Mapped[int | None] = mapped_column(ForeignKey("inspections.id"), index=True)
    #: The review that gave the label; None: no review did.
    review_id: Mapped[int | None] = mapped_column(ForeignKey("reviews.id"))
    teaching_id: Mapped[int | None] = mapped_column(ForeignKey("teachings.id"), index=True)
    source: Mapped[str] = mapped_column(String(16))
    label: Mapped[str] = mapped_column(String(16))
    defect_class: Mapped[str | None] = mapped_column(String(64))
    image_key: Mapped[str] = mapped_column(String(128))
    mask_key: Mapped[str | None] = mapped_column(String(128))
    part_id: Mapped[str | None] = mapped_column(String(128), index=True)
    lot_id: Mapped[str | None] = mapped_column(String(128), index=True)
    #: What near-duplicates are found by; None: not looked at yet, so not used yet.
    signature: Mapped[bytes | None] = mapped_column(LargeBinary(128))
    #: None: not looked at yet.
    side: Mapped[str | None] = mapped_column(String(16))
    #: The sample that this one nearly is; the machine learns from that one only.
    duplicate_of_id: Mapped[int | None] = mapped_column(ForeignKey("samples.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: When its label, mask or use changed last: what the machine learned before may be outdated.
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: Taken out by a person, with a reason; None: in use.
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    removed_by: Mapped[str | None] = mapped_column(String(128))
    removed_reason: Mapped[str | None] = mapped_column(String(500))


class DatasetSnapshot(Base):
    """What a model version was trained and judged on. Immutable."""

    __tablename__ = "dataset_snapshots"

    id: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("lines.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    created_by: Mapped[str] = mapped_column(String(128))
    #: sha256 of the items, in order: the same list has the same.
    sha256: Mapped[str] = mapped_column(String(64))


class SnapshotItem(Base):
    """A frame of a snapshot, as it was labelled then."""

    __tablename__ = "snapshot_items"
    __table_args__ = (one_of("label", SampleLabel), one_of("use", SnapshotUse))

    snapshot_id: Mapped[int] = mapped_column(ForeignKey("dataset_snapshots.id"), primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"), primary_key=True)
    use: Mapped[str] = mapped_column(String(16))
    label: Mapped[str] = mapped_column(String(16))
    defect_class: Mapped[str | None] = mapped_column(String(64))
    #: Holds the picture's sha256.
    image_key: Mapped[str] = mapped_column(String(128))
    mask_key: Mapped[str | None] = mapped_column(String(128))
    review_id: Mapped[int | None] = mapped_column(ForeignKey("reviews.id"))


class Retraining(Base):
    """One training of a new model for a line, from the wish to its end."""

    __tablename__ = "retrainings"
    __table_args__ = (
        # One at a time.
        Index(
            "uq_retrainings_line_id_open",
            "line_id",
            unique=True,
            sqlite_where=text("state IN ('waiting', 'running')"),
            postgresql_where=text("state IN ('waiting', 'running')"),
        ),
        Index("ix_retrainings_line_id_id", "line_id", "id"),
        one_of("state", RetrainingState),
        one_of("reason", RetrainingReason),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("lines.id"))
    state: Mapped[str] = mapped_column(String(16), default=RetrainingState.WAITING.value)
    reason: Mapped[str] = mapped_column(String(16))
    detector: Mapped[str] = mapped_column(String(32), default="bgad")
    teaching_id: Mapped[int | None] = mapped_column(ForeignKey("teachings.id"))
    requested_by: Mapped[str] = mapped_column(String(128))
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Silent for long: its worker is gone.
    heartbeat_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancel_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancel_asked_by: Mapped[str | None] = mapped_column(String(128))
    #: What it does now, and how much of that is done.
    stage: Mapped[str] = mapped_column(String(64), default="")
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    snapshot_id: Mapped[int | None] = mapped_column(ForeignKey("dataset_snapshots.id"))
    model_version_id: Mapped[int | None] = mapped_column(ForeignKey("model_versions.id"))
    #: Why it failed or ended without a model, for people.
    message: Mapped[str] = mapped_column(Text, default="")


class ShadowVerdict(Base):
    """What a candidate would have said about a live frame."""

    __tablename__ = "shadow_verdicts"
    __table_args__ = (
        UniqueConstraint("model_version_id", "frame_id"),
        one_of("verdict", Verdict),
        one_of("champion_verdict", Verdict),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    frame_id: Mapped[UUID] = mapped_column(Uuid)
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id"))
    score: Mapped[float] = mapped_column(Real)
    score_ms: Mapped[float] = mapped_column(Real)
    verdict: Mapped[str] = mapped_column(String(16))
    champion_verdict: Mapped[str] = mapped_column(String(16))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Teaching(Base):
    """The next frames of a camera, collected as good to train a line's model from."""

    __tablename__ = "teachings"
    __table_args__ = (
        # One at a time; frames being collected are found with every batch.
        Index(
            "uq_teachings_line_id_open",
            "line_id",
            unique=True,
            sqlite_where=text("state IN ('collecting', 'looking_over', 'training')"),
            postgresql_where=text("state IN ('collecting', 'looking_over', 'training')"),
        ),
        one_of("state", TeachingState),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("lines.id"))
    #: None: all cameras of the line.
    camera: Mapped[str | None] = mapped_column(String(64))
    frames_wanted: Mapped[int]
    frames_collected: Mapped[int] = mapped_column(default=0)
    detector: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16), default=TeachingState.COLLECTING.value)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    started_by: Mapped[str] = mapped_column(String(128))
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class User(Base):
    """Someone who may log in."""

    __tablename__ = "users"
    __table_args__ = (one_of("role", Role),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    #: None: logs in through the plant's identity provider only.
    password_hash: Mapped[str | None] = mapped_column(String(256))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Wrong passwords since the last log-in; they make the next attempt wait.
    failed_logins: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_login_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LoginSession(Base):
    """A browser in which someone is logged in; gone when they log out or may no longer."""

    __tablename__ = "login_sessions"

    #: Of what the browser's cookie holds, which is kept nowhere else.
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditEvent(Base):
    """Who changed what, when. Append-only."""

    __tablename__ = "audit_events"
    __table_args__ = (
        # The audit page's filters, newest first.
        Index("ix_audit_events_actor_id", "actor", "id"),
        Index("ix_audit_events_action_id", "action", "id"),
        Index("ix_audit_events_subject_id", "subject", "id"),
        UniqueConstraint("position"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, index=True)
    actor: Mapped[str] = mapped_column(String(128))
    #: What was done, as subject.verb: line.added, model.activated, user.added ...
    action: Mapped[str] = mapped_column(String(64))
    #: What it was done to, as kind:name.
    subject: Mapped[str] = mapped_column(String(256))
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    #: Its place in the chain, from 1.
    position: Mapped[int] = mapped_column(BigInteger)
    #: SHA-256 of this event and of the one before: `db.audit_chain`.
    hash: Mapped[str] = mapped_column(String(64))


class AuditChain(Base):
    """The newest audit event: one row, which all who add events wait for."""

    __tablename__ = "audit_chain"

    id: Mapped[int] = mapped_column(primary_key=True)
    length: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))
