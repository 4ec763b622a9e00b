"""One camera: its configuration, and the way of its pictures into the stream."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from ingest.delivery import Delivery, Outcome, as_notice
from ingest.encoding import Encoder, Encoding
from ingest.errors import EncodingError
from ingest.frame import MAX_LOT_ID_CHARS, Frame, check_name
from ingest.pacing import paced
from ingest.sources.address import masked
from ingest.stream import FullPolicy

if TYPE_CHECKING:
    from threading import Event

    from ingest.doorbell import Doorbell
    from ingest.sources.picture import Picture, Source
    from ingest.stream import FrameStream

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """What is configured of a camera."""

    line: str
    camera: str
    #: A folder, a video file, a USB camera (index or /dev path), or an rtsp:// or http:// address.
    #: Not in the repr: it may hold a password.
    source: str = field(repr=False)
    #: The batch of all its parts; None: not known. Frames of one lot are used for training or for
    #: judging a model, never for both: a lot that never ends leaves nothing for the other.
    lot_id: str | None = None
    #: None: `drop_oldest` for live cameras, `block` for folders and files.
    policy: FullPolicy | None = None
    #: Pictures a second at most; None: as they come.
    max_fps: float | None = None
    encoding: Encoding = Encoding.JPEG
    #: JPEG quality, 1 to 100.
    quality: int = 95
    #: Encode files that are encoded already anew, too.
    reencode: bool = False
    #: How long `block` waits for room before the part is reported as uninspected.
    block_timeout_s: float = 10.0
    #: Folder: wait for new images for ever, and move sent ones to `done/`.
    watch: bool = False
    #: Watched folder: an image is complete when it has not changed for this long.
    settle_s: float = 1.0
    #: Video file: start again at its end.
    loop: bool = False
    #: Video file: at its own frame rate instead of as fast as possible.
    realtime: bool = True
    #: Environment variables with the credentials of a network camera.
    username_env: str | None = None
    password_env: str | None = None
    #: Network camera: how long a connection may take.
    open_timeout_s: float = 5.0
    #: Live camera without a picture for this long: connect anew.
    silent_after_s: float = 10.0
    #: Live camera with a picture that has not changed for this long: connect anew. None: never.
    frozen_after_s: float | None = 30.0
    #: Live camera without a picture this long after start: give up. None: never, for services.
    first_picture_timeout_s: float | None = 15.0

    def __post_init__(self) -> None:
        check_name("line", self.line)
        check_name("camera", self.camera)
        if not self.source:
            raise ValueError(
                f"camera {self.camera}: source is empty: give a folder, a video file, "
                "a USB camera or an address"
            )
        if self.lot_id is not None:
            self._check_lot_id(self.lot_id)
        if not 1 <= self.quality <= 100:
            raise ValueError(f"camera {self.camera}: quality is {self.quality}: use 1 to 100")
        for name in ("block_timeout_s", "settle_s", "open_timeout_s", "silent_after_s"):
            self._check_positive(name, zero=name in ("block_timeout_s", "settle_s"))
        for name in ("max_fps", "frozen_after_s", "first_picture_timeout_s"):
            if getattr(self, name) is not None:
                self._check_positive(name, zero=False)

    def _check_lot_id(self, lot_id: str) -> None:
        if not 1 <= len(lot_id) <= MAX_LOT_ID_CHARS or not lot_id.isprintable():
            raise ValueError(
                f"camera {self.camera}: lot_id is {lot_id!r}: use 1 to {MAX_LOT_ID_CHARS} "
                "printable characters, or leave it out"
            )

    def _check_positive(self, name: str, *, zero: bool) -> None:
        value = getattr(self, name)
        if not (value > 0 or (zero and value == 0)):
            wanted = "0 or more" if zero else "more than 0"
            raise ValueError(f"camera {self.camera}: {name} is {value}: use {wanted}")

    @property
    def name(self) -> str:
        """Line and camera, for logs and reports."""
        return f"{self.line}/{self.camera}"

    @property
    def source_shown(self) -> str:
        """The source without credentials."""
        return masked(self.source)


@dataclass(slots=True)
class CameraReport:
    """What a camera's frames came to in one run."""

    #: In the stream, with their image.
    sent: int = 0
    #: Dropped by this camera's pushes (its own frames and others' that made room) and while Redis
    #: was away or this host too slow.
    dropped: int = 0
    #: In the stream as notices.
    uninspected: int = 0
    #: Pictures a live camera gave while the one before was still under way.
    skipped: int = 0
    #: In hand when the camera was stopped with Redis away or full; a watched folder still has it.
    unsent: int = 0
    #: Why the camera ended before its source did; None: it did not.
    error: str | None = None


class Camera:
    """Takes pictures from a source and delivers them, in the thread that calls `run`."""

    def __init__(
        self, config: CameraConfig, source: Source, stream: FrameStream, doorbell: Doorbell
    ) -> None:
        self.config = config
        self.report = CameraReport()
        self._source = source
        self._policy = config.policy or (
            FullPolicy.DROP_OLDEST if source.live else FullPolicy.BLOCK
        )
        self._encoder = Encoder(config.encoding, config.quality, config.reencode)
        self._delivery = Delivery(
            stream, doorbell, config.camera, self._policy, config.block_timeout_s
        )
        self._sequence = 0

    def run(self, stop: Event) -> CameraReport:
        """Deliver pictures until the source ends or `stop` is set.

        Raises:
            SourceError: if the source cannot be opened or read; CameraLost is one.
        """
        log.info("camera_started", camera=self.config.name, source=self._source.label)
        try:
            with closing(self._source.pictures(stop)) as pictures:
                fps = self.config.max_fps
                # A live source keeps to the rate itself, and does not count what it leaves out.
                taken = paced(pictures, fps, stop) if fps and not self._source.live else pictures
                for picture in taken:
                    if not self._deliver(picture, stop):
                        break
        finally:
            self._delivery.finish()
            self.report.dropped = self._delivery.dropped
            log.info("camera_ended", camera=self.config.name, **asdict(self.report))
        return self.report

    def _deliver(self, picture: Picture, stop: Event) -> bool:
        """Deliver one picture; False if the camera was stopped with it in hand."""
        self._account_for_skipped(picture, stop)
        outcome = self._delivery.deliver(self._frame(picture), stop, resumes=self._source.resumes)
        self._count(outcome)
        if outcome is Outcome.UNSENT:
            return False
        self._source.done(picture)
        return True

    def _frame(self, picture: Picture) -> Frame:
        problem = None
        try:
            image, media_type = self._encoder.encode(picture)
        except EncodingError as exc:
            log.error("picture_not_encoded", camera=self.config.name, reason=str(exc))
            image, media_type, problem = b"", f"image/{self.config.encoding}", str(exc)
        frame = self._capture(picture, image, media_type)
        return frame if problem is None else as_notice(frame, problem[:400])

    def _capture(self, picture: Picture, image: bytes, media_type: str) -> Frame:
        frame = Frame.capture(
            self.config.line,
            self.config.camera,
            self._sequence,
            image,
            media_type,
            picture.part_id,
            captured_at=picture.captured_at,
            frame_id=picture.frame_id,
            lot_id=self.config.lot_id,
        )
        self._sequence += 1
        return frame

    def _account_for_skipped(self, picture: Picture, stop: Event) -> None:
        """Skipped pictures of a blocking camera were parts: each gets its notice."""
        self.report.skipped += picture.skipped
        if self._policy is FullPolicy.DROP_OLDEST:
            self._sequence += picture.skipped
            self._delivery.count_dropped(picture.skipped)
            return
        for _ in range(picture.skipped):
            frame = self._capture(replace(picture, frame_id=None), b"", "image/jpeg")
            outcome = self._delivery.deliver(
                as_notice(frame, "the camera host was still busy with the frame before"), stop
            )
            self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        self.report.sent += outcome is Outcome.SENT
        self.report.uninspected += outcome is Outcome.UNINSPECTED
        self.report.unsent += outcome is Outcome.UNSENT
        self.report.dropped = self._delivery.dropped
