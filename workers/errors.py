"""Errors of the workers package."""

from __future__ import annotations

from rq.exceptions import StopRequested
from rq.timeouts import BaseTimeoutException

#: How RQ ends a job from outside, in any line of it. What was being done is not at fault, so
#: whoever catches every error lets these through first.
INTERRUPTIONS = (BaseTimeoutException, StopRequested)


class WorkerError(Exception):
    """Root of everything workers raise on purpose."""


class JobNotAllowedError(WorkerError):
    """Raised when a queued job names a function that is not on the allow-list."""

    def __init__(self, function: str) -> None:
        super().__init__(
            f"job function {function!r} is not allowed: someone else writes to this Redis; "
            "give it a password of its own"
        )
        self.function = function


class NotBoundError(WorkerError):
    """Raised when a job function runs outside a linewatch worker."""


class RetrainingError(WorkerError):
    """Raised when a retraining cannot go on; the message is for people, and ends up in its row."""


class RetrainingCancelled(WorkerError):
    """Raised within a retraining that a person asked to end."""


class RetrainingGivenUp(WorkerError):
    """Raised within a retraining that was marked as dead meanwhile; it must change nothing more."""
