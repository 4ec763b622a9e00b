"""The settings: one frozen object, read once from a TOML file, the environment and flags."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from linewatch.secrets import without_password

EMBEDDED = "embedded"
ENV_PREFIX = "LINEWATCH_"
#: May hold a password between user and host; shown without it.
URL_FIELDS = frozenset({"redis_url", "database_url", "store_url", "source"})


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # respects a container's core list
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_processes() -> int:
    """One scoring process per usable core, at most four: each holds a model of its own."""
    return min(4, usable_cores())


class _NoTruthForNumbers(BaseModel):
    """pydantic takes true for 1."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth(cls, value: Any, field: ValidationInfo) -> Any:
        kind = cls.model_fields[str(field.field_name)].annotation
        if isinstance(value, bool) and bool not in (kind, *get_args(kind)):
            raise ValueError("is a truth value, which this setting does not take")
        return value


class CameraSettings(_NoTruthForNumbers):
    """One camera of a line, as `linewatch ingest` runs it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    line: str = Field(description="Production line the camera belongs to")
    name: str = Field(description="Name of the camera, unique in its line")
    source: str = Field(
        description="Folder, video file, USB camera (0, /dev/video0), rtsp:// or http:// address"
    )
    lot_id: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        description="Lot of the parts in front of it; change it with the lot. Frames of one lot "
        "train models or judge them, never both",
    )
    policy: Literal["block", "drop_oldest"] | None = Field(
        None,
        description="When the stream is full: wait, or drop the oldest waiting frame; "
        "default: drop_oldest for live cameras, block for files",
    )
    block_timeout_s: float = Field(
        10.0, ge=0, description="Seconds 'block' waits before a part is reported as uninspected"
    )
    max_fps: float | None = Field(None, gt=0, description="Frames per second at most")
    encoding: Literal["jpeg", "png"] = Field("jpeg", description="How pictures travel")
    quality: int = Field(95, ge=1, le=100, description="JPEG quality")
    reencode: bool = Field(False, description="Encode image files anew instead of passing them on")
    watch: bool = Field(False, description="Folder: wait for new images, move sent ones to done/")
    settle_s: float = Field(
        1.0, ge=0, description="Watched folder: seconds without change until an image is complete"
    )
    loop: bool = Field(False, description="Video file: start again at its end")
    realtime: bool = Field(True, description="Video file: at its own rate, not as fast as possible")
    username_env: str | None = Field(None, description="Variable with a network camera's user")
    password_env: str | None = Field(None, description="Variable with a network camera's password")
    open_timeout_s: float = Field(5.0, gt=0, description="Seconds a connection may take")
    silent_after_s: float = Field(
        10.0, gt=0, description="Live camera: seconds without a picture until it is connected anew"
    )
    frozen_after_s: float | None = Field(
        30.0, gt=0, description="Live camera: the same for pictures that do not change"
    )

    def __repr_args__(self) -> Any:
        """The fields, passwords hidden."""
        return [(name, shown(name, value)) for name, value in super().__repr_args__()]


class Settings(_NoTruthForNumbers, BaseSettings):
    """Everything that can be configured.

    Paths count from the current directory; `~` is the user's home.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    # Places
    home: Path = Field(Path("~/.linewatch"), description="Folder for everything kept locally")
    redis_url: str = Field(
        EMBEDDED, description="redis://, rediss:// or unix:// address; 'embedded': our own Valkey"
    )
    redis_password: SecretStr | None = Field(
        None, description="Password for Redis; environment only, or a file"
    )
    redis_password_file: Path | None = Field(
        None, description="File that holds the password for Redis"
    )
    embedded_max_memory_mib: int = Field(
        1024,
        ge=64,
        description="Memory of the embedded Valkey in MiB; when full, pushes are refused",
    )
    embedded_appendfsync: Literal["everysec", "always"] = Field(
        "everysec",
        description="When the embedded Valkey makes sure of frames on disk; always: none is lost "
        "if this machine loses power, but pushes wait for the disk",
    )
    database_url: str = Field(
        default_factory=lambda data: f"sqlite:///{data['home'] / 'linewatch.db'}",
        description="SQLAlchemy address: sqlite:/// or postgresql://; default: SQLite in home",
    )
    database_password: SecretStr | None = Field(
        None, description="Password for the database; environment only, or a file"
    )
    database_password_file: Path | None = Field(
        None, description="File that holds the password for the database"
    )
    store_url: str = Field(
        default_factory=lambda data: str(data["home"] / "store"),
        description="Folder or fsspec address (s3://bucket/prefix) for images; default: in home",
    )

    # The frame stream of each line
    stream_max_frames: int = Field(1_000, ge=1, description="Frames a line's stream may hold")
    stream_max_bytes: int = Field(
        256 * 1024 * 1024, ge=1024, description="Bytes of images a line's stream may hold"
    )

    # Scoring
    max_batch: int = Field(
        4, ge=1, le=1024, description="Frames scored in one go at most; 32 or 64 suit a GPU"
    )
    max_wait_ms: int = Field(
        50,
        ge=1,
        le=60_000,
        description="Milliseconds a drain listens for another frame of its line",
    )
    drain_budget_s: float = Field(
        10.0, gt=0, le=100, description="Seconds one drain job works before it rings again"
    )
    visibility_timeout_s: float = Field(
        30.0, gt=0, description="Seconds until a silent worker's frames go to another"
    )
    max_deliveries: int = Field(
        5, ge=1, description="Times a frame is tried before it goes to quarantine"
    )
    max_image_pixels: int = Field(
        100_000_000, ge=1, description="Pixels of one image at most; larger ones are quarantined"
    )
    worker_processes: int = Field(
        default_factory=default_processes,
        ge=1,
        description="Scoring processes of one `linewatch worker`; default: one per core, at most 4",
    )
    worker_hang_limit_s: float = Field(
        60.0,
        ge=5,
        description="Seconds after which a scoring process that gets nowhere is started again",
    )
    worker_threads: int = Field(1, ge=1, description="Threads each scoring process computes with")
    pass_image_interval_s: float = Field(
        1.0, ge=0, description="Seconds between two kept PASS images of a camera; 0 keeps every one"
    )

    # Retention: flagged, reviewed, audit-drawn and sampled pictures are always kept
    retain_pass_days: float = Field(
        30.0, ge=0, description="Days the pictures of other PASS frames are kept; 0: for ever"
    )
    retain_quarantine_days: float = Field(
        90.0, ge=0, description="Days the bytes of frames in quarantine are kept; 0: for ever"
    )
    store_max_gib: float | None = Field(
        None,
        gt=0,
        description="GiB of the image store from which the oldest of those PASS pictures go early",
    )

    # Training and calibration
    models_dir: Path = Field(
        default_factory=lambda data: data["home"] / "models",
        description="Folder for retrained models, on the same path for trainers and workers; "
        "default: in home",
    )
    model_trusted_keys_file: Path | None = Field(
        None,
        description="File of public keys (PEM, Ed25519): models that none of them signed are "
        "not used; default: signatures are not asked for",
    )
    model_signing_key_file: Path | None = Field(
        None,
        description="File of the private key (PEM, Ed25519) that retrained models are "
        "signed with; default: they are not signed",
    )
    training_preset: Literal["fast", "paper"] = Field(
        "fast", description="Preset of retrainings: fast for a CPU, paper for a GPU"
    )
    backbone_weights: Path | None = Field(
        None,
        description="File of backbone weights for retrainings, or a folder of such; default: an "
        "installed package, then the hub",
    )
    trainer_threads: int | None = Field(
        None, ge=1, description="Threads a retraining computes with; default: the libraries' choice"
    )
    trainer_niceness: int = Field(
        10,
        ge=0,
        le=19,
        description="How far retrainings stand back for what else the machine does; 0: not at all",
    )
    retrain_interval_s: int = Field(
        30, ge=1, description="Seconds between two looks for retrainings that are due"
    )
    golden_share: float = Field(
        0.2, gt=0, lt=1, description="Share of the labelled frames that models are judged by"
    )
    review_rate: float = Field(
        0.05, gt=0, lt=1, description="Share of good parts that may be flagged for review"
    )
    reject_rate: float = Field(
        0.01, gt=0, lt=1, description="Share of good parts that may be rejected"
    )
    audit_rate: float = Field(
        0.01, ge=0, le=1, description="Share of PASS frames kept for blind review on new lines"
    )

    # Services
    dashboard_host: str = Field("127.0.0.1", description="Address the dashboard listens on")
    dashboard_port: int = Field(8501, ge=1, le=65_535, description="Port of the dashboard")
    metrics_host: str = Field("127.0.0.1", description="Address `linewatch metrics` listens on")
    metrics_port: int = Field(9464, ge=1, le=65_535, description="Port of `linewatch metrics`")
    login: Literal["local", "oidc", "open"] = Field(
        "local",
        description="How people log in to the dashboard: local (name and password), oidc (the "
        "plant's identity provider), or open: not at all, on loopback only",
    )
    session_hours: float = Field(
        12.0, gt=0, le=2160, description="Hours until one has to log in to the dashboard again"
    )
    sweep_interval_s: int = Field(
        10, ge=1, description="Seconds between two looks for lines that wait without a worker"
    )
    log_format: Literal["console", "json"] = Field("console", description="How logs are written")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least important log level that is written"
    )

    # The plant's clock, on the Quality page
    shift_starts: tuple[str, ...] = Field(
        ("06:00", "14:00", "22:00"),
        min_length=1,
        description="Times of day at which shifts begin, in order; the first one begins the day",
    )
    plant_timezone: str | None = Field(
        None,
        description="Time zone of days and shifts, such as Europe/Berlin; default: the viewer's",
    )

    cameras: tuple[CameraSettings, ...] = Field(
        (), description="The cameras `linewatch ingest` runs on this host: [[cameras]] tables"
    )

    @field_validator(
        "home",
        "models_dir",
        "backbone_weights",
        "model_trusted_keys_file",
        "model_signing_key_file",
        "redis_password_file",
        "database_password_file",
    )
    @classmethod
    def absolute(cls, path: Path | None) -> Path | None:
        """`~` expanded, and independent of later changes of directory."""
        return None if path is None else path.expanduser().absolute()

    @field_validator("shift_starts")
    @classmethod
    def in_order(cls, starts: tuple[str, ...]) -> tuple[str, ...]:
        """Times of day, each later than the one before."""
        if not all(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", start) for start in starts):
            raise ValueError("expected times of day such as 06:00")
        if list(starts) != sorted(set(starts)):
            raise ValueError("expected rising times of day, each once")
        return starts

    @field_validator("plant_timezone")
    @classmethod
    def known_zone(cls, name: str | None) -> str | None:
        """A zone that this host knows."""
        if name is not None:
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError("expected a time zone such as Europe/Berlin") from None
        return name

    @model_validator(mode="after")
    def check_rates(self) -> Settings:
        """What is rejected is also flagged."""
        if self.reject_rate > self.review_rate:
            raise ValueError("reject_rate must be at most review_rate")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,
        **named: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing by ourselves: `linewatch.loading` merges the sources and notes origins."""
        return (init_settings,)

    @property
    def passwords(self) -> tuple[str, ...]:
        """Those that must not be shown anywhere."""
        given = (self.redis_password, self.database_password)
        return tuple(secret.get_secret_value() for secret in given if secret is not None)

    def __repr_args__(self) -> Any:
        """The fields, passwords hidden."""
        return [(name, shown(name, value)) for name, value in super().__repr_args__()]


def shown(name: str | None, value: object) -> object:
    """A field's value as it may be shown: passwords in addresses are hidden."""
    if name in URL_FIELDS and isinstance(value, str):
        return without_password(value)
    return value
