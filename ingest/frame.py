"""One camera frame, and its message format in the stream."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from ingest.errors import MessageError

#: What a line or camera may be called: it becomes part of Redis keys, file names and metrics.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MAX_PART_ID_CHARS = 128
MAX_LOT_ID_CHARS = 128
#: How far a camera host's clock may be ahead: a frame from the year 9999 would stay the newest.
MAX_AHEAD = timedelta(days=1)
MEDIA_TYPE_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/bmp": ".bmp",
    "image/tiff": ".tiff",
    "image/webp": ".webp",
}


def check_name(kind: str, name: str) -> str:
    """Return `name` if it can name a line or camera (`kind`); ValueError says what can."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{kind} name {name!r}: use 1 to 64 letters, digits, '_', '.' or '-', "
            "and begin with a letter or digit"
        )
    return name


@dataclass(frozen=True, slots=True)
class Frame:
    """One encoded picture of one camera, with where and when it was taken."""

    #: UUIDv7, made once at capture: the frame's identity everywhere.
    frame_id: UUID
    line: str
    camera: str
    #: Aware UTC.
    captured_at: datetime
    #: Counts a camera's frames from 0 since its process started; gaps show drops before the stream.
    sequence: int
    media_type: str
    #: The encoded picture, as the camera host wrote it. Empty in a notice.
    image: bytes
    part_id: str | None = None
    #: Why the frame could not be queued for inspection; None for a frame that carries its image.
    uninspected: str | None = None
    #: The batch the part was made in; None: nobody said.
    lot_id: str | None = None

    @classmethod
    def capture(
        cls,
        line: str,
        camera: str,
        sequence: int,
        image: bytes,
        media_type: str,
        part_id: str | None = None,
        *,
        captured_at: datetime | None = None,
        frame_id: UUID | None = None,
        lot_id: str | None = None,
    ) -> Frame:
        """A frame taken now, unless told when; a source that may send again gives the identity."""
        return cls(
            frame_id or uuid7(),
            line,
            camera,
            captured_at or datetime.now(UTC),
            sequence,
            media_type,
            image,
            part_id,
            lot_id=lot_id,
        )


def to_fields(frame: Frame) -> list[str | bytes]:
    """The frame as a flat field/value list for XADD."""
    fields: list[str | bytes] = [
        "frame_id", str(frame.frame_id),
        "line", frame.line,
        "camera", frame.camera,
        "captured_at", frame.captured_at.isoformat(),
        "sequence", str(frame.sequence),
        "media_type", frame.media_type,
        "image", frame.image,
    ]  # fmt: skip
    if frame.part_id is not None:
        fields += ["part_id", frame.part_id]
    if frame.lot_id is not None:
        fields += ["lot_id", frame.lot_id]
    if frame.uninspected is not None:
        fields += ["uninspected", frame.uninspected]
    return fields


def from_fields(fields: dict[bytes, bytes]) -> Frame:
    """Read a frame message; raises MessageError that names the field at fault."""

    def text(name: str, *, required: bool = True) -> str:
        raw = fields.get(name.encode())
        if raw is None:
            if required:
                raise MessageError(name, "is missing")
            return ""
        if len(raw) > 512:
            raise MessageError(name, f"has {len(raw)} bytes, at most 512 are allowed")
        if b"\0" in raw:
            raise MessageError(name, "has a zero byte")
        try:
            return raw.decode()
        except UnicodeDecodeError as exc:
            raise MessageError(name, "is not UTF-8") from exc

    def name(field: str) -> str:
        try:
            return check_name(field, text(field))
        except ValueError as exc:
            raise MessageError(field, f"is not a valid name: {exc}") from exc

    try:
        frame_id = UUID(text("frame_id"))
    except ValueError as exc:
        raise MessageError("frame_id", "is not a UUID") from exc
    try:
        captured_at = datetime.fromisoformat(text("captured_at"))
        if captured_at.tzinfo is None:
            raise MessageError("captured_at", "has no time zone")
        captured_at = captured_at.astimezone(UTC)
        if captured_at > datetime.now(UTC) + MAX_AHEAD:
            raise MessageError(
                "captured_at",
                "lies over a day ahead: that host's clock or this one's is wrong",
            )
    except (ValueError, OverflowError) as exc:  # OverflowError: out of the calendar once in UTC
        raise MessageError("captured_at", "is not an ISO 8601 date and time") from exc
    sequence = text("sequence")
    if not (sequence.isascii() and sequence.isdigit() and len(sequence) <= 18):
        raise MessageError("sequence", "is not a whole number from 0")
    media_type = text("media_type")
    if media_type not in MEDIA_TYPE_SUFFIXES:
        raise MessageError("media_type", f"is {media_type!r}, not one of {[*MEDIA_TYPE_SUFFIXES]}")
    part_id = text("part_id", required=False)
    if len(part_id) > MAX_PART_ID_CHARS:
        raise MessageError("part_id", f"has more than {MAX_PART_ID_CHARS} characters")
    lot_id = text("lot_id", required=False)
    if len(lot_id) > MAX_LOT_ID_CHARS:
        raise MessageError("lot_id", f"has more than {MAX_LOT_ID_CHARS} characters")
    image = fields.get(b"image")
    if image is None:
        raise MessageError("image", "is missing")
    return Frame(
        frame_id=frame_id,
        line=name("line"),
        camera=name("camera"),
        captured_at=captured_at,
        sequence=int(sequence),
        media_type=media_type,
        image=image,
        part_id=part_id or None,
        uninspected=text("uninspected", required=False) or None,
        lot_id=lot_id or None,
    )
