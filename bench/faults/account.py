"""What became of every frame: the cameras' journals against database, quarantine and counters."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.tables import Inspection, QuarantinedFrame, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Engine


@dataclass(frozen=True)
class Account:
    """Sums of one scenario."""

    made: int
    scored: int
    uninspected: int
    quarantined: int
    #: By the stream's own counters.
    dropped: int
    #: Free-running cameras' pictures in hand of a host that was killed.
    gone: int
    #: Made, and nowhere.
    lost: int
    #: With two verdicts, or with a verdict and in quarantine.
    duplicated: int
    #: Rows of frames that no camera made, and drops counted of frames that have a verdict.
    unexplained: int

    @property
    def is_whole(self) -> bool:
        """Whether every frame ended in exactly one way."""
        return not (self.lost or self.duplicated or self.unexplained)


def account(journals: Mapping[str, Path], engine: Engine, dropped: Mapping[str, int]) -> Account:
    """Compare, camera by camera.

    Args:
        journals: each camera's, by its name.
        dropped: what the stream counted for each.
    """
    with Session(engine) as session:
        rows = session.execute(select(Inspection.frame_id, Inspection.verdict)).all()
        keys = list(session.scalars(select(QuarantinedFrame.frame_key)))
    ends = Counter(frame_id for frame_id, _ in rows) + Counter(map(UUID, keys))
    uninspected = sum(verdict == Verdict.UNINSPECTED for _, verdict in rows)
    made_by, gone_by = {}, {}
    for name, file in journals.items():
        lines = [line.split() for line in file.read_text().splitlines()]
        made_by[name] = {UUID(words[1]) for words in lines if words[0] == "made"}
        gone_by[name] = {UUID(w) for words in lines if words[0] == "gone" for w in words[1:]}
    lost = unexplained = gone = 0
    for name, made in made_by.items():
        nowhere = {frame_id for frame_id in made if not ends[frame_id]}
        at_hand = nowhere & gone_by[name]
        # What a killed host had in hand may have been counted as dropped, or not.
        missing = len(nowhere) - dropped.get(name, 0)
        gone += min(max(missing, 0), len(at_hand))
        lost += max(missing - len(at_hand), 0)
        unexplained += max(-missing, 0)
    known = set().union(*made_by.values())
    return Account(
        made=len(known),
        scored=len(rows) - uninspected,
        uninspected=uninspected,
        quarantined=len(keys),
        dropped=sum(dropped.values()),
        gone=gone,
        lost=lost,
        duplicated=sum(count > 1 for count in ends.values()),
        unexplained=unexplained + len(ends.keys() - known),
    )
