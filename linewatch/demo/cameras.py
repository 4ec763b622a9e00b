"""The demo's cameras, beside the thread that watches."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

from ingest.runner import run_cameras
from linewatch.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.camera import Camera


class CameraThread:
    """Runs cameras until they have shown everything, or are stopped."""

    def __init__(self, cameras: Sequence[Camera]) -> None:
        self._cameras = cameras
        self._stop = Event()
        self._thread = Thread(target=run_cameras, args=(cameras, self._stop), name="cameras")

    def start(self) -> None:
        """Begin to show."""
        self._thread.start()

    def stop(self) -> None:
        """End, with the frames in hand delivered."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def is_running(self) -> bool:
        """Whether more frames may come.

        Raises:
            DemoError: if a camera failed.
        """
        if self._thread.is_alive():
            return True
        for camera in self._cameras:
            if camera.report.error:
                raise DemoError(f"camera {camera.config.name}: {camera.report.error}")
        return False
