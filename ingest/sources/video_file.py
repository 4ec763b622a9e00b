"""A video file, at its own frame rate or as fast as its frames are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2

from ingest.errors import SourceError
from ingest.pacing import paced
from ingest.sources.picture import EndlessSupply, Picture

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from threading import Event

    import numpy as np
    from numpy.typing import NDArray

#: Where a file does not say how fast it is to be shown.
DEFAULT_FPS = 25.0


class VideoFile(EndlessSupply):
    """Every frame of a video file; again from the beginning if `loop`."""

    live = False

    def __init__(self, path: Path, *, realtime: bool = True, loop: bool = False) -> None:
        if not path.is_file():
            raise SourceError(f"video file {path} does not exist: give the path of a video file")
        self.label = str(path)
        self._realtime = realtime
        self._loop = loop

    def pictures(self, stop: Event) -> Generator[Picture, None, None]:
        """The frames in their order; raises SourceError if the file holds none."""
        while not stop.is_set():
            yield from self._once(stop)
            if not self._loop:
                return

    def _once(self, stop: Event) -> Generator[Picture, None, None]:
        capture = cv2.VideoCapture(self.label, cv2.CAP_FFMPEG)
        try:
            fps = capture.get(cv2.CAP_PROP_FPS)
            rate = fps if 0 < fps < 1000 else DEFAULT_FPS
            frames = self._frames(capture)
            for frame in paced(frames, rate, stop) if self._realtime else frames:
                if stop.is_set():
                    return
                yield frame
        finally:
            capture.release()

    def _frames(self, capture: cv2.VideoCapture) -> Generator[Picture, None, None]:
        count = 0
        while True:
            ok, array = capture.read()
            if not ok:
                break
            count += 1
            yield Picture(cast("NDArray[np.uint8]", array))
        if count == 0:
            raise SourceError(
                f"video file {self.label} has no readable frame: check that it plays, "
                "or convert it to H.264 in MP4"
            )
