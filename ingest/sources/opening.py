"""From a camera's configuration to its source."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.errors import SourceError
from ingest.sources.address import is_network_address, with_credentials
from ingest.sources.devices import network_camera, usb_camera
from ingest.sources.folder import Folder
from ingest.sources.live import LiveOptions
from ingest.sources.video_file import VideoFile
from ingest.sources.watched_folder import WatchedFolder

if TYPE_CHECKING:
    from ingest.camera import CameraConfig
    from ingest.sources.picture import Source

NETWORK_SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "udp", "tcp")


def open_source(config: CameraConfig) -> Source:
    """The source `config.source` names; live cameras connect when their pictures are asked for.

    Raises:
        SourceError: if there is no such folder or file, or it cannot be told what is meant.
    """
    source = config.source
    if is_network_address(source):
        return _open_network(config)
    if re.fullmatch(r"(usb:)?\d{1,3}", source):
        return usb_camera(int(source.removeprefix("usb:")), live_options(config))
    if source.startswith("/dev/"):
        return usb_camera(source, live_options(config))
    path = Path(source).expanduser()
    if path.is_dir():
        return WatchedFolder(path, settle_s=config.settle_s) if config.watch else Folder(path)
    if path.is_file():
        return VideoFile(path, realtime=config.realtime, loop=config.loop)
    raise SourceError(
        f"camera {config.name}: source {config.source_shown!r} does not exist: give a folder, "
        "a video file, a USB camera (0 or /dev/video0) or an rtsp:// or http:// address"
    )


def live_options(config: CameraConfig) -> LiveOptions:
    """How a live camera is watched."""
    return LiveOptions(
        max_fps=config.max_fps,
        silent_after_s=config.silent_after_s,
        frozen_after_s=config.frozen_after_s,
        first_picture_timeout_s=config.first_picture_timeout_s,
    )


def _open_network(config: CameraConfig) -> Source:
    scheme = config.source.partition("://")[0].lower()
    if scheme not in NETWORK_SCHEMES:
        raise SourceError(
            f"camera {config.name}: cannot read {scheme}:// addresses: "
            f"use one of {', '.join(NETWORK_SCHEMES)}"
        )
    try:
        address = with_credentials(config.source, config.username_env, config.password_env)
    except ValueError as exc:
        raise SourceError(f"camera {config.name}: {exc}") from exc
    return network_camera(address, live_options(config), open_timeout_s=config.open_timeout_s)
