"""Many cameras in one process, a thread each; OpenCV decodes and encodes side by side."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

import structlog

from ingest.camera import Camera, CameraConfig, CameraReport
from ingest.doorbell import Doorbell
from ingest.errors import IngestError
from ingest.sources.opening import open_source
from ingest.stream import FrameStream, StreamLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis import Redis

log = structlog.get_logger()

#: How often the waiting thread wakes, so that a signal can reach it.
JOIN_TIMEOUT_S = 0.2


def open_cameras(
    configs: Sequence[CameraConfig], redis: Redis, limits: StreamLimits | None = None
) -> list[Camera]:
    """Every configured camera with its source; `redis` as from `ingest.connection.connect`.

    Raises:
        ValueError: if two cameras have the same name on the same line.
        SourceError: if a source does not exist.
    """
    check_names([config.name for config in configs])
    doorbell = Doorbell(redis)
    return [
        Camera(config, open_source(config), FrameStream(redis, config.line, limits), doorbell)
        for config in configs
    ]


def run_cameras(
    cameras: Sequence[Camera], stop: Event, turned: Callable[[bool], None] = lambda _: None
) -> dict[str, CameraReport]:
    """Run all cameras until their sources end or `stop` is set; by `line/camera`, what they did.

    A camera that fails has its `error` in its report, and does not stop the others.

    Args:
        cameras: as `open_cameras` made them.
        stop: ends them.
        turned: called several times a second; says whether no camera has failed so far.
    """
    check_names([camera.config.name for camera in cameras])
    threads = [
        Thread(target=_run, args=(camera, stop), name=camera.config.name) for camera in cameras
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(JOIN_TIMEOUT_S)
                turned(all(camera.report.error is None for camera in cameras))
    finally:
        # Reached early by KeyboardInterrupt: the cameras finish what they have in hand.
        stop.set()
        for thread in threads:
            thread.join()
    return {camera.config.name: camera.report for camera in cameras}


def _run(camera: Camera, stop: Event) -> None:
    try:
        camera.run(stop)
    except IngestError as exc:
        camera.report.error = str(exc)
        log.error("camera_failed", camera=camera.config.name, reason=str(exc))
    except Exception as exc:
        # Not expected: but the other cameras' parts go on.
        camera.report.error = f"{type(exc).__name__}: {exc}"
        log.exception("camera_failed", camera=camera.config.name)


def check_names(names: Sequence[str]) -> None:
    """Raises ValueError if a name comes twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"camera {', '.join(twice)} is configured twice: give each its own name")
