"""Opening USB and network cameras with OpenCV."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import cv2

from ingest.errors import CameraLost
from ingest.sources.address import masked
from ingest.sources.live import LiveCamera, LiveOptions

if TYPE_CHECKING:
    from ingest.sources.live import Capture

#: AV_LOG_QUIET.
FFMPEG_QUIET = "-8"


def quieten() -> None:
    """Keep OpenCV and FFmpeg off stderr: cameras that come and go are logged by us, once.

    FFmpeg would also write addresses there, with their passwords. Whoever wants its log sets the
    variable.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", FFMPEG_QUIET)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def network_camera(
    address: str, options: LiveOptions, *, open_timeout_s: float = 5.0
) -> LiveCamera:
    """A camera with an rtsp:// or http:// address, read with FFmpeg."""
    quieten()
    parameters = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        int(open_timeout_s * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        int(options.silent_after_s * 1000),
        # One thread decodes: threads of FFmpeg hold back as many pictures as there are.
        cv2.CAP_PROP_N_THREADS,
        1,
    ]

    def connect() -> Capture:
        capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, parameters)
        return _opened(capture, f"no connection within {open_timeout_s:g} s, or refused")

    return LiveCamera(connect, masked(address), options)


def usb_camera(device: int | str, options: LiveOptions) -> LiveCamera:
    """A camera of this machine: its index, or its path as /dev/video0."""
    quieten()

    def connect() -> Capture:
        if isinstance(device, int):
            capture = cv2.VideoCapture(device)
        else:
            capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
        # Where the driver has a queue: a short one, so that pictures are fresh.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return _opened(capture, "no such device, or in use by another program")

    label = f"usb:{device}" if isinstance(device, int) else device
    return LiveCamera(connect, label, options)


def _opened(capture: cv2.VideoCapture, problem: str) -> Capture:
    if not capture.isOpened():
        capture.release()
        raise CameraLost(problem)
    return capture
