"""What every source gives: pictures, one at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from ingest.frame import MAX_PART_ID_CHARS

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from threading import Event
    from uuid import UUID

    import numpy as np
    from numpy.typing import NDArray


def now() -> datetime:
    """The present, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture as its source has it."""

    #: Encoded bytes, or uint8 (H, W, 3) in BGR order or (H, W) grey.
    content: bytes | NDArray[np.uint8]
    #: Of encoded bytes; None for an array.
    media_type: str | None = None
    part_id: str | None = None
    captured_at: datetime = field(default_factory=now)
    #: Pictures the source threw away just before this one, because nobody took them in time.
    skipped: int = 0
    #: The frame id to use: given by sources that may offer the same picture again after a crash.
    frame_id: UUID | None = None


class Source(Protocol):
    """Gives pictures to one camera thread."""

    #: For logs and messages; carries no credentials.
    label: str
    #: True: pictures come when they come, and are lost if nobody takes them.
    live: bool
    #: True: a picture that was not `done` is offered again at the next start.
    resumes: bool

    def pictures(self, stop: Event) -> Generator[Picture, None, None]:
        """Pictures until the source ends or `stop` is set; closing the iterator closes the source.

        Raises:
            SourceError: if the source cannot be opened or read.
        """

    def done(self, picture: Picture) -> None:
        """The latest picture is in the stream or counted as lost: it is not wanted again."""


class EndlessSupply:
    """Sources that keep no record of what was sent."""

    resumes = False

    def done(self, picture: Any) -> None:
        """Nothing is recorded."""


def part_id_of(path: Path) -> str | None:
    """The part a file shows: its name without suffix, as far as a frame message can carry it."""
    name = path.stem.encode("utf-8", "replace").decode("utf-8")
    return name[:MAX_PART_ID_CHARS] or None
