"""People's words, given by a process that may be killed: none acknowledged may be missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bench.faults.camera import Journal
from db.access import trusted
from db.engine import make_engine
from db.reviews import add_review
from db.tables import Decision, Inspection, Review, ReviewQueue

if TYPE_CHECKING:
    from bench.faults.place import Place

#: Reviews are on good parts' alarms: they need no second opinion.
_WORD = Decision.GOOD


def start_reviewer(place: Place) -> subprocess.Popen[bytes]:
    """Start a process that reviews what waits, as fast as it can."""
    program = [sys.executable, "-m", "bench.faults.reviewer"]
    return subprocess.Popen([*program, place.system.database_url, str(_journal(place))])


def reviews_kept(place: Place) -> int:
    """Reviews acknowledged so far."""
    file = _journal(place)
    return len(file.read_text().splitlines()) if file.exists() else 0


def kept_and_half(place: Place) -> tuple[int, int, int]:
    """Reviews acknowledged; of these, missing ones; inspections whose state says otherwise."""
    file = _journal(place)
    told = {int(line.split()[1]) for line in file.read_text().splitlines()}
    with Session(place.system.engine) as session:
        kept = set(session.scalars(select(Review.inspection_id)))
        settled = set(session.scalars(select(Inspection.id).where(Inspection.label.is_not(None))))
        twice = session.scalar(select(func.count(Review.id))) or 0
    return len(told), len(told - kept), len(kept ^ settled) + twice - len(kept)


def _journal(place: Place) -> Path:
    return place.home / "reviews.journal"


def main() -> None:
    """Arguments: the database's address, the journal."""
    _, address, file = sys.argv
    engine = make_engine(address)
    journal = Journal(Path(file))
    waiting = select(Inspection.id).where(Inspection.queue == ReviewQueue.FLAGGED.value)
    while True:
        with Session(engine) as session:
            ids = list(session.scalars(waiting.limit(100)))
        for inspection_id in ids:
            with Session(engine) as session, session.begin():
                actor = trusted("reviewer")
                add_review(session, inspection_id, _WORD, reviewer=actor, after=None)
            journal.write("kept", inspection_id)


if __name__ == "__main__":
    main()
