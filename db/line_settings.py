"""What engineers set for a line: reviews, retraining, and what lets a new model score."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

from db import audit
from db.access import require
from db.locking import lock
from db.tables import Line, Promotion, Role

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.access import Actor

MAX_SHADOW_FRAMES = 1_000_000


@dataclass(frozen=True, slots=True)
class LineSettings:
    """A line's settings; each has the name of its column."""

    #: Share of PASS frames kept for blind review, 0 to 1.
    audit_rate: float
    #: Whether a defect counts as confirmed only when a second person agrees.
    needs_second_opinion: bool
    #: Hours between trainings; None: not by the clock.
    retrain_every_h: float | None
    #: Newly confirmed defects that start a training; None: not by their number.
    retrain_after_defects: int | None
    #: Whether moved scores of good parts start a training.
    retrain_on_drift: bool
    #: Who lets a candidate score.
    promotion: str
    #: Share of good golden parts that a candidate may reject, 0 to 1.
    false_reject_budget: float
    #: Milliseconds a candidate may take for a frame; None: no limit.
    latency_budget_ms: float | None
    #: Live frames a candidate scores in the shadow before it may be promoted; 0: none.
    shadow_frames: int

    def __post_init__(self) -> None:
        """Refuse settings that cannot be; the message names the first one wrong."""
        _within("audit_rate", self.audit_rate, 0, 1, "a share")
        _within("false_reject_budget", self.false_reject_budget, 0, 1, "a share")
        if self.retrain_every_h is not None:
            _within("retrain_every_h", self.retrain_every_h, 0.1, 24 * 366, "hours")
        if self.retrain_after_defects is not None:
            _within("retrain_after_defects", self.retrain_after_defects, 1, 100_000, "defects")
        if self.latency_budget_ms is not None:
            _within("latency_budget_ms", self.latency_budget_ms, 0.1, 60_000, "milliseconds")
        _within("shadow_frames", self.shadow_frames, 0, MAX_SHADOW_FRAMES, "frames")
        if self.promotion not in list(Promotion):
            known = ", ".join(Promotion)
            raise ValueError(f"promotion is {self.promotion!r}: choose one of {known}")

    @classmethod
    def of(cls, line: Line) -> Self:
        """The settings a line has."""
        return cls(**{field.name: getattr(line, field.name) for field in fields(cls)})


def change_settings(
    session: Session, line: Line, settings: LineSettings, *, actor: Actor
) -> dict[str, tuple[object, object]]:
    """Give a line other settings.

    Returns:
        What changed: the former and the new value by name; nothing if all were so already.

    Raises:
        Forbidden: if `actor` is no engineer.
        NotFound: if the line is gone.
    """
    require(session, actor, Role.ENGINEER)
    line = lock(session, Line, line.id)
    changed: dict[str, tuple[object, object]] = {}
    for field in fields(settings):
        former, now = getattr(line, field.name), getattr(settings, field.name)
        if former != now:
            changed[field.name] = (former, now)
            setattr(line, field.name, now)
    if changed:
        details = {name: {"former": old, "now": new} for name, (old, new) in changed.items()}
        audit.append(
            session,
            actor=actor,
            action="line.settings_changed",
            subject=f"line:{line.name}",
            **details,
        )
    session.flush()
    return changed


def _within(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} is {value}: expected {unit} from {low:g} to {high:g}")
