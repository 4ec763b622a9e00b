"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How well a thing is."""

    OK = "ok"
    #: It works, but not as it should, or not yet.
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    #: The check it came from.
    check: str
    state: State
    #: What was found.
    message: str
    #: What to do; empty if nothing.
    remedy: str = ""


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, State.OK, message)


def warning(check: str, message: str, remedy: str) -> Finding:
    """It works, but `remedy` would be better."""
    return Finding(check, State.WARNING, message, remedy)


def failed(check: str, message: str, remedy: str) -> Finding:
    """It does not work before `remedy`."""
    return Finding(check, State.FAILED, message, remedy)
