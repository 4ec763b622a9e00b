"""Every table, typed. A change here needs a migration in db/migrations: a test compares the two."""

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


class Role(StrEnum):
    """What a user may do; each role includes the ones before it."""

    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMIN = "admin"


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """Only the members of an enumeration are allowed in `column`."""
    members = ", ".join(f"'{member.value}'" for member in values)
    return CheckConstraint(f"{column} IN ({members})", name=column)


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

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    description: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: The version that scores; None until one is activated.
    active_model_version_id: Mapped[int | None] = mapped_column(
        ForeignKey("model_versions.id", use_alter=True)
    )
    #: Share of PASS frames that is kept for blind review.
    audit_rate: Mapped[float] = mapped_column(Real, default=0.01)

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


class ModelVersion(Base):
    """A trained model of a line. Immutable but for `retired_at`."""

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
        # The review queue: holds the open inspections only, however many are done.
        Index(
            "ix_inspections_line_id_id_verdict_awaiting",
            "line_id",
            "id",
            "verdict",
            sqlite_where=text("awaits_review = 1"),
            postgresql_where=text("awaits_review"),
        ),
        one_of("verdict", Verdict),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    frame_id: Mapped[UUID] = mapped_column(Uuid)
    line_id: Mapped[int] = mapped_column(ForeignKey("lines.id"))
    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id"))
    #: None: UNINSPECTED.
    model_version_id: Mapped[int | None] = mapped_column(ForeignKey("model_versions.id"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    part_id: Mapped[str | None] = mapped_column(String(128))
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
    #: True while the frame is flagged and has no current review: `db.reviews` keeps it so, for the
    #: queue's index.
    awaits_review: Mapped[bool] = mapped_column(default=False)
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
    __table_args__ = (one_of("decision", Decision),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    inspection_id: Mapped[int] = mapped_column(ForeignKey("inspections.id"), index=True)
    reviewer: Mapped[str] = mapped_column(String(128))
    decision: Mapped[str] = mapped_column(String(16))
    defect_class: Mapped[str | None] = mapped_column(String(64))
    mask_key: Mapped[str | None] = mapped_column(String(128))
    undoes_id: Mapped[int | None] = mapped_column(ForeignKey("reviews.id"), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, index=True)


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


class AuditEvent(Base):
    """Who changed what, when. Append-only."""

    __tablename__ = "audit_events"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, index=True)
    actor: Mapped[str] = mapped_column(String(128))
    #: What was done, as subject.verb: line.added, model.activated, user.added ...
    action: Mapped[str] = mapped_column(String(64))
    #: What it was done to, as kind:name.
    subject: Mapped[str] = mapped_column(String(256))
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
