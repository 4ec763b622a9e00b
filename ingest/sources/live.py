"""A live camera: read in its own thread, watched, and connected anew whenever it is lost."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Protocol, cast

import cv2
import numpy as np
import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_random_exponential,
)

from ingest.errors import CameraLost
from ingest.sources.latest import LatestPicture
from ingest.sources.picture import EndlessSupply, Picture

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

log = structlog.get_logger()

#: How often the taking thread looks whether it shall stop.
TAKE_TIMEOUT_S = 0.2
#: How long closing waits for the reading thread.
CLOSE_TIMEOUT_S = 2.0
#: Rows that are compared first: nearly always enough to see that two pictures differ.
FIRST_ROWS = 8


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a live camera is watched."""

    #: More pictures than these are not asked for; None: all.
    max_fps: float | None = None
    #: A camera with no picture for this long is connected anew.
    silent_after_s: float = 10.0
    #: A camera whose pictures are the same bit for bit for this long hangs, and is connected anew.
    #: None: it may, for example because its pictures are synthetic.
    frozen_after_s: float | None = 30.0
    #: A camera that gives no picture in this time after start is given up; None: never.
    first_picture_timeout_s: float | None = 15.0
    #: Longest pause before the second try to connect; doubled up to `retry_max_s`. Each pause is
    #: drawn between none and the longest: cameras lost together do not come back together.
    retry_initial_s: float = 0.5
    retry_max_s: float = 30.0


class Capture(Protocol):
    """The part of cv2.VideoCapture that is used."""

    def grab(self) -> bool:
        """Wait for the next picture; False: there is none."""

    def retrieve(self) -> tuple[bool, Any]:
        """Decode the picture that was grabbed."""

    def release(self) -> None:
        """Close the device or connection."""


class FrozenWatch:
    """Notices pictures that no longer change."""

    def __init__(self, frozen_after_s: float | None) -> None:
        self._frozen_after_s = frozen_after_s
        self._last: NDArray[np.uint8] | None = None
        self._changed_at = time.monotonic()

    def check(self, array: NDArray[np.uint8]) -> None:
        """Raises CameraLost if the picture has been this one for too long."""
        if self._frozen_after_s is None:
            return
        now = time.monotonic()
        if self._last is None or not same(self._last, array):
            self._last, self._changed_at = array, now
        elif now - self._changed_at >= self._frozen_after_s:
            raise CameraLost(f"the picture has not changed for {self._frozen_after_s:g} s")


def same(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    """True if two pictures are the same bit for bit."""
    return np.array_equal(first[:FIRST_ROWS], second[:FIRST_ROWS]) and np.array_equal(first, second)


class LiveCamera(EndlessSupply):
    """Pictures of a camera that does not wait; a slow taker gets the latest, the others count."""

    live = True

    def __init__(self, connect: Callable[[], Capture], label: str, options: LiveOptions) -> None:
        """`connect` opens the camera or raises CameraLost; it is called in the reading thread."""
        self.label = label
        self._connect = connect
        self._options = options
        self._latest = LatestPicture()
        self._closing = Event()
        self._lost_since: float | None = None
        self._problem = "no answer yet"
        self._failure: BaseException | None = None

    def pictures(self, stop: Event) -> Generator[Picture, None, None]:
        """Pictures until `stop` is set; raises CameraLost if the first does not come in time."""
        reader = Thread(target=self._read, name=f"camera {self.label}", daemon=True)
        reader.start()
        started, delivered = time.monotonic(), False
        try:
            while not stop.is_set():
                picture = self._latest.take(TAKE_TIMEOUT_S)
                if picture is not None:
                    delivered = True
                    yield picture
                elif self._failure is not None:
                    raise self._failure
                elif not delivered:
                    self._check_first_picture(time.monotonic() - started)
        finally:
            self._closing.set()
            # It releases the camera itself, as soon as the call it is in returns.
            reader.join(CLOSE_TIMEOUT_S)

    def _check_first_picture(self, waited_s: float) -> None:
        limit_s = self._options.first_picture_timeout_s
        if limit_s is not None and waited_s >= limit_s:
            raise CameraLost(
                f"camera {self.label} gave no picture within {limit_s:g} s ({self._problem}): "
                "check its address, its credentials and the network"
            )

    # In the reading thread

    def _read(self) -> None:
        try:
            while not self._closing.is_set():
                self._read_until_lost()
        except Exception as exc:  # noqa: BLE001 - re-raised in the taking thread
            self._failure = exc

    def _read_until_lost(self) -> None:
        capture: Capture | None = None
        try:
            capture = self._connect_again_and_again()
            self._pass_on(capture)
        except (CameraLost, cv2.error) as exc:
            if not self._closing.is_set():
                self._note_lost(str(exc))
                # Cameras behind one switch come back together: let them not ask together.
                self._closing.wait(random.uniform(0, self._options.retry_initial_s))  # noqa: S311
        finally:
            if capture is not None:
                capture.release()

    def _connect_again_and_again(self) -> Capture:
        retrying = Retrying(
            retry=retry_if_exception_type(CameraLost),
            wait=wait_random_exponential(self._options.retry_initial_s, self._options.retry_max_s),
            sleep=sleep_using_event(self._closing),
            stop=stop_when_event_set(self._closing),
            before_sleep=self._note_retry,
            reraise=True,
        )
        return retrying(self._connect_to_first_picture)

    def _connect_to_first_picture(self) -> Capture:
        """Only a picture shows that a camera is back."""
        try:
            capture = self._connect()
        except cv2.error as exc:  # its text may hold the address
            raise CameraLost(f"OpenCV cannot open it (error {exc.code})") from None
        if not capture.grab():
            capture.release()
            raise CameraLost("connected, but no picture came")
        return capture

    def _pass_on(self, capture: Capture) -> None:
        watch = FrozenWatch(self._options.frozen_after_s)
        interval_s = 1 / self._options.max_fps if self._options.max_fps else 0.0
        due = 0.0
        self._note_back()
        while not self._closing.is_set():
            now = time.monotonic()
            if now >= due:
                due = max(due + interval_s, now)
                array = self._retrieve(capture)
                watch.check(array)
                self._latest.put(Picture(array))
            if not capture.grab():
                raise CameraLost("no further picture came")

    @staticmethod
    def _retrieve(capture: Capture) -> NDArray[np.uint8]:
        ok, array = capture.retrieve()
        if not ok or array is None:
            raise CameraLost("a picture could not be decoded")
        return cast("NDArray[np.uint8]", array)

    def _note_retry(self, state: RetryCallState) -> None:
        if state.outcome is not None:
            self._note_lost(str(state.outcome.exception()))

    def _note_lost(self, problem: str) -> None:
        self._problem = problem
        if self._lost_since is None:
            self._lost_since = time.monotonic()
            log.warning("camera_lost", source=self.label, reason=problem)

    def _note_back(self) -> None:
        if self._lost_since is not None:
            lost_s = round(time.monotonic() - self._lost_since, 1)
            log.info("camera_back", source=self.label, lost_s=lost_s)
            self._lost_since = None
