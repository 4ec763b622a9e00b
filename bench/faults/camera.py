"""A camera host of a scenario, in a process that may be killed: the real way into the stream.

Its source writes "made ID" into a journal before it hands a frame over, and "done ID" once the
camera is through with it. A host that starts again shows first what it was not done with, as a
watched folder does; a free-running camera's picture in hand is gone with its host, and it says so.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from uuid import UUID

import cv2
import numpy as np
from uuid_utils.compat import uuid7

from ingest.camera import Camera, CameraConfig
from ingest.connection import connect
from ingest.doorbell import Doorbell
from ingest.runner import run_cameras
from ingest.sources.picture import Picture
from ingest.stream import FrameStream, FullPolicy, StreamLimits

if TYPE_CHECKING:
    from collections.abc import Generator

SIDE_PX = 48


@dataclass(frozen=True)
class CameraSpec:
    """What a camera of a scenario does."""

    name: str
    policy: str = FullPolicy.BLOCK
    #: Frames a second.
    rate: float = 60.0
    #: Frames in all; it ends then.
    frames: int = 3_000
    #: `steady`, `frozen` (the same picture always), `changing` (another size every time),
    #: `damaged` (each fiftieth is cut off).
    kind: str = "steady"


class Journal:
    """What a camera made and was done with; each line is in the system's hands at once."""

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, word: str, *values: object) -> None:
        """Add a line."""
        line = " ".join([word, *map(str, values)])
        os.write(self._descriptor, f"{line}\n".encode())


class Journalled:
    """A source that keeps a journal."""

    def __init__(self, spec: CameraSpec, file: Path) -> None:
        self.label = spec.name
        self.live = spec.policy == FullPolicy.DROP_OLDEST
        self.resumes = not self.live
        self._spec = spec
        lines = file.read_text().splitlines() if file.exists() else []
        made = [line.split()[1] for line in lines if line.startswith("made ")]
        done = {line.split()[1] for line in lines if line.startswith("done ")}
        self._made = len(made)
        self._unfinished = [] if self.live else [one for one in made if one not in done]
        self._journal = Journal(file)
        if self.live and lines:
            self._journal.write("gone", *(one for one in made if one not in done))

    def pictures(self, stop: Event) -> Generator[Picture]:
        """Pictures in time; first those that were under way when the host before ended."""
        for frame_id in self._unfinished:
            yield self._picture(UUID(frame_id))
        due = time.monotonic()
        while self._made < self._spec.frames and not stop.is_set():
            due = max(due + 1 / self._spec.rate, time.monotonic() - 1.0)
            stop.wait(max(0.0, due - time.monotonic()))
            frame_id = uuid7()
            self._journal.write("made", frame_id)
            self._made += 1
            yield self._picture(frame_id)

    def done(self, picture: Picture) -> None:
        """Note that the frame is in the stream, dropped and counted, or reported."""
        self._journal.write("done", picture.frame_id)

    def _picture(self, frame_id: UUID) -> Picture:
        kind = self._spec.kind
        value = 60 if kind == "frozen" else frame_id.int % 200
        side = SIDE_PX + (frame_id.int % 64 if kind == "changing" else 0)
        data = cv2.imencode(".png", np.full((side, SIDE_PX), value, np.uint8))[1].tobytes()
        if kind == "damaged" and frame_id.int % 50 == 0:
            data = data[: len(data) // 2]
        return Picture(data, "image/png", frame_id=frame_id)


def main() -> None:
    """Run with the settings given as JSON, until all frames are made or SIGTERM."""
    told = json.loads(sys.argv[1])
    spec, file = CameraSpec(**told["spec"]), Path(told["journal"])
    random.seed(spec.name)
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    redis = connect(told["redis_url"])
    config = CameraConfig(
        told["line"],
        spec.name,
        spec.name,
        policy=FullPolicy(spec.policy),
        block_timeout_s=told["block_timeout_s"],
    )
    stream = FrameStream(redis, told["line"], StreamLimits(max_frames=told["max_frames"]))
    camera = Camera(config, Journalled(spec, file), stream, Doorbell(redis))
    (report,) = run_cameras([camera], stop).values()
    if report.error:
        raise SystemExit(report.error)


if __name__ == "__main__":
    main()
