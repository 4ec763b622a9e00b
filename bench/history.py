"""Two months of a plant in a database, made in bulk: what benchmarks of the pages stand on.

Four lines of three cameras. Of the frames 5 % are flagged and 1 % of the others drawn for the
audit; people have answered nearly all of them, most alone, some twice, some taken back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from sqlalchemy import insert, text

from bench.history_of_models import SHADOWED, TEACHER, add_learned, add_models, version_at
from bench.pictures import NOTHING_KEPT
from db.tables import (
    Camera,
    DefectClass,
    Inspection,
    Line,
    ModelVersion,
    QuarantinedFrame,
    Review,
    Sample,
    Teaching,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Engine

    from db.tables import Base

DAYS = 60
LINES, CAMERAS = 4, 3
FLAGGED, AUDITED, UNINSPECTED = 0.05, 0.01, 0.001
#: Of what people are asked, not answered yet.
OPEN = 0.04
#: Of the flagged, true defects.
DEFECTIVE = 0.3
CLASSES = ("blowhole", "break", "crack", "fray", "uneven")
REVIEWERS = tuple(f"reviewer {number}" for number in range(12))
USERS = 40
QUARANTINED = 400
#: Frames of the teaching that is being looked over, on the last line.
TAUGHT = 300
#: What people did, by share: one of them suffices, two agree, one takes an answer back and gives
#: another, it is dismissed, a second one is wanted, two differ.
ALONE, TWICE, UNDONE, DISMISSED, UNSURE, DIFFER = range(6)
COURSES = (0.92, 0.03, 0.02, 0.02, 0.007, 0.003)
ROWS_AT_ONCE = 20_000


@dataclass
class Reviews:
    """Rows of reviews, not in the order of time yet; `undoes` is a place in the list."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        inspection: dict[str, Any],
        at: datetime,
        decision: str,
        reviewer: str,
        defect_class: str | None = None,
        *,
        queue: str | None = None,
        undoes: int | None = None,
    ) -> int:
        """One more; gives its place."""
        self.rows.append(
            {
                "inspection_id": inspection["id"],
                "camera_id": inspection["camera_id"],
                "reviewer": reviewer,
                "decision": decision,
                "defect_class": defect_class if decision == "defect" else None,
                "mask_key": None,
                "queue": queue,
                "created_at": at,
                "undoes_id": undoes,
            }
        )
        return len(self.rows) - 1

    def numbered(self) -> tuple[list[dict[str, Any]], list[int]]:
        """The rows in the order of time with their ids, and each place's id."""
        order = sorted(range(len(self.rows)), key=lambda place: self.rows[place]["created_at"])
        ids = [0] * len(order)
        for rank, place in enumerate(order, start=1):
            ids[place] = rank
        for place, row in enumerate(self.rows):
            row["id"] = ids[place]
            if row["undoes_id"] is not None:
                row["undoes_id"] = ids[row["undoes_id"]]
        return [self.rows[place] for place in order], ids


def fill(engine: Engine, inspections: int, pictures: Sequence[dict[str, Any]]) -> None:
    """Write the history into a migrated, empty database, and let the database learn its sizes.

    Args:
        inspections: how many.
        pictures: columns of Inspection that name stored pictures, which the rows share.
    """
    now = datetime.now(UTC)
    with engine.begin() as connection:
        _add_places(connection, now)
        add_models(connection, now, lines=LINES, days=DAYS)
        history = _History(inspections, now, pictures)
        put(connection, Inspection, history.inspections())
        put(connection, Review, history.reviews())
        put(connection, Sample, history.samples)
        put(connection, QuarantinedFrame, _quarantined(now))
        add_learned(connection, now, history.samples, history.newest)
        if engine.dialect.name == "postgresql":
            _set_sequences(connection)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


class _History:
    """The rows that hang together, from the inspections on."""

    def __init__(self, count: int, now: datetime, pictures: Sequence[dict[str, Any]]) -> None:
        self._rng = np.random.default_rng(0)
        self._draw = Random(0)
        self._count, self._pictures = count, pictures
        self._start = now - timedelta(days=DAYS)
        self._seconds = np.sort(self._rng.uniform(0, DAYS * 86_400 - 1, count))
        self._log = Reviews()
        self.samples: list[dict[str, Any]] = []
        #: Frames of the first line, the newest last.
        self.newest: deque[dict[str, Any]] = deque(maxlen=SHADOWED)
        self._spoken: list[int] = []

    def reviews(self) -> list[dict[str, Any]]:
        """In the order of time; numbers the samples' reviews, too."""
        rows, ids = self._log.numbered()
        for sample, place in zip(self.samples, self._spoken, strict=False):
            sample["review_id"] = ids[place]
        self._add_taught()
        return rows

    def inspections(self) -> Iterator[dict[str, Any]]:
        """In the order of time; what people said of them is known afterwards."""
        rng, count = self._rng, self._count
        kind, line, camera = rng.random(count), rng.integers(LINES, size=count), rng.random(count)
        score = 0.3 + np.abs(rng.normal(0, 0.12, count))
        for place in range(count):
            at = self._start + timedelta(seconds=float(self._seconds[place]))
            row = {
                "id": place + 1,
                "frame_id": frame_id(at, self._draw),
                "line_id": int(line[place]) + 1,
                "camera_id": int(line[place]) * CAMERAS + int(camera[place] * CAMERAS) + 1,
                "model_version_id": version_at(int(line[place]), place / count),
                "sequence": place,
                "part_id": f"{place:07}",
                "lot_id": f"{at:%y%m%d}",
                "captured_at": at,
                "recorded_at": at + timedelta(milliseconds=30),
                "score_ms": 8.0,
                "score": float(min(score[place], 0.99)),
                "verdict": "PASS",
                "reason": None,
                "queue": None,
                "label": None,
                "defect_class": None,
                "audit_probability": None,
                **NOTHING_KEPT,
            }
            if kind[place] < FLAGGED:
                row["score"] = float(1.0 + abs(rng.normal(0, 0.8)))
                row["verdict"] = "REJECT" if row["score"] >= 2 else "REVIEW"
                self._ask(row, "flagged")
            elif kind[place] < FLAGGED + AUDITED:
                row["audit_probability"] = AUDITED
                self._ask(row, "audit")
            elif kind[place] > 1 - UNINSPECTED:
                row |= {"verdict": "UNINSPECTED", "score": None, "score_ms": None}
                row |= {"model_version_id": None, "reason": "the stream was full"}
            elif place % 50 == 0:  # a PASS whose picture is kept for the Live page
                row |= self._pictures[place % len(self._pictures)]
            if row["line_id"] == 1 and row["score"] is not None:
                self.newest.append(row)
            yield row

    def _ask(self, row: dict[str, Any], queue: str) -> None:
        rng = self._rng
        row |= self._pictures[int(row["id"]) % len(self._pictures)]
        row["queue"] = queue
        if rng.random() < OPEN:
            return
        is_defect = rng.random() < (DEFECTIVE if queue == "flagged" else 0.01)
        decision, other = ("defect", "good") if is_defect else ("good", "defect")
        name = CLASSES[int(rng.integers(len(CLASSES)))] if is_defect else CLASSES[0]
        first, second = (REVIEWERS[place] for place in rng.choice(len(REVIEWERS), 2, replace=False))
        at = row["recorded_at"] + timedelta(seconds=60 + float(rng.exponential(900)))
        later = at + timedelta(minutes=10)
        course = int(rng.choice(len(COURSES), p=COURSES))
        said = {DISMISSED: "dismissed", UNSURE: "unsure"}.get(course, decision)
        spoken = self._log.add(row, at, said, first, name, queue=queue)
        if course == UNDONE:
            again = at + timedelta(seconds=5)
            self._log.add(row, at + timedelta(seconds=2), "undo", first, undoes=spoken)
            spoken = self._log.add(row, again, decision, first, name, queue=queue)
        elif course in (TWICE, DIFFER):
            said = decision if course == TWICE else other
            spoken = self._log.add(row, later, said, second, name)
        row["queue"] = {UNSURE: "second_opinion", DIFFER: "disagreement"}.get(course)
        if course in (ALONE, TWICE, UNDONE):
            row |= {"label": decision, "defect_class": name if is_defect else None}
            self._spoken.append(spoken)
            self.samples.append(self._sample(row, decision, name if is_defect else None, at))

    def _sample(
        self, row: dict[str, Any], label: str, name: str | None, at: datetime
    ) -> dict[str, Any]:
        number = len(self.samples) + 1
        return {
            "id": number,
            "line_id": row["line_id"],
            "frame_id": row["frame_id"],
            "inspection_id": row["id"],
            "review_id": None,
            "teaching_id": None,
            "source": "review",
            "label": label,
            "defect_class": name,
            "image_key": row["image_key"],
            "mask_key": None,
            "part_id": row["part_id"],
            "lot_id": row["lot_id"],
            "signature": self._rng.bytes(128),
            "side": "golden" if self._rng.random() < 0.2 else "training",
            "duplicate_of_id": None,
            "created_at": at,
            "changed_at": at,
            "removed_at": None,
            "removed_by": None,
            "removed_reason": None,
        }

    def _add_taught(self) -> None:
        at = self._start + timedelta(days=DAYS - 0.01)
        for place in range(TAUGHT):
            row = {"line_id": LINES, "frame_id": frame_id(at, self._draw), "id": None}
            picture = self._pictures[place % len(self._pictures)]
            row |= {"image_key": picture["image_key"], "part_id": None, "lot_id": None}
            taught = self._sample(row, "good", None, at)
            self.samples.append(taught | {"source": "teaching", "teaching_id": 1, "side": None})


def frame_id(at: datetime, draw: Random) -> UUID:
    """A UUIDv7 of that moment, as cameras make them."""
    high, low = draw.getrandbits(12), draw.getrandbits(62)
    return UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | high << 64 | 2 << 62 | low)


def _add_places(connection: Connection, now: datetime) -> None:
    began = now - timedelta(days=DAYS)
    lines = [
        {"id": n, "name": f"line-{n}", "created_at": began, "status_at": now}
        for n in range(1, LINES + 1)
    ]
    cameras = [
        {"id": (n - 1) * CAMERAS + c, "line_id": n, "name": f"camera-{c}", "created_at": began}
        for n in range(1, LINES + 1)
        for c in range(1, CAMERAS + 1)
    ]
    classes = [
        {"line_id": n, "name": name, "position": place, "created_at": began}
        for n in range(1, LINES + 1)
        for place, name in enumerate(CLASSES, start=1)
    ]
    users = [{"name": f"user {n}", "role": "operator", "created_at": began} for n in range(USERS)]
    teaching = {
        "id": 1, "line_id": LINES, "frames_wanted": TAUGHT, "frames_collected": TAUGHT,
        "detector": "patchcore", "state": "looking_over", "started_at": now, "started_by": TEACHER,
    }  # fmt: skip
    for table, rows in ((Line, lines), (Camera, cameras), (DefectClass, classes), (User, users)):
        put(connection, table, rows)
    put(connection, Teaching, [teaching])


def _quarantined(now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(QUARANTINED):
        at = now - timedelta(days=DAYS * number / QUARANTINED)
        yield {
            "frame_key": f"line-1:{number}", "line_id": number % LINES + 1, "camera": "camera-1",
            "reason": "truncated", "detail": "the picture ends in the middle", "deliveries": 3,
            "captured_at": at, "quarantined_at": at,
        }  # fmt: skip


def put(connection: Connection, table: type[Base], rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows, many at once."""
    waiting: list[dict[str, Any]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == ROWS_AT_ONCE:
            connection.execute(insert(table), waiting)
            waiting = []
    if waiting:
        connection.execute(insert(table), waiting)


def _set_sequences(connection: Connection) -> None:
    """Rows that are added later are numbered after these."""
    for table in (Line, Camera, ModelVersion, Teaching, Inspection, Review, Sample):
        name = table.__tablename__
        last = f"(SELECT max(id) FROM {name})"  # noqa: S608 - a name of ours
        connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {last})"))
