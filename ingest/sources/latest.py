"""A place for one picture: the latest."""

from __future__ import annotations

from dataclasses import replace
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.sources.picture import Picture


class LatestPicture:
    """Hands pictures from a reading thread to a taking one: the latest; it counts the others."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._picture: Picture | None = None
        self._skipped = 0

    def put(self, picture: Picture) -> None:
        """Offer a picture; one that still waits is thrown away and counted."""
        with self._changed:
            if self._picture is not None:
                self._skipped += 1
            self._picture = picture
            self._changed.notify()

    def take(self, timeout_s: float) -> Picture | None:
        """The latest picture with how many were skipped before it; None if none comes in time."""
        with self._changed:
            if self._picture is None:
                self._changed.wait(timeout_s)
            picture, skipped = self._picture, self._skipped
            if picture is None:
                return None
            self._picture, self._skipped = None, 0
        return replace(picture, skipped=skipped) if skipped else picture
