"""The books of promotion under load find what must not be."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from bench.loop.promotion import Books, account
from db.access import trusted
from db.engine import make_engine
from db.lines import add_line, get_or_add_camera
from db.migrate import upgrade
from db.model_versions import add_model_version
from db.tables import Inspection, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Of each version the score of pictures 0 and 1; thresholds are 0.5 and 0.9.
REFERENCE = np.array([[0.1, 0.6], [0.2, 0.95]])
VERDICTS = {0.1: "PASS", 0.2: "PASS", 0.6: "REVIEW", 0.95: "REJECT"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path / 'db'}"
    upgrade(url)
    ledger = Ledger(make_engine(url))
    yield ledger
    ledger.engine.dispose()


class Ledger:
    """A line with two versions, and frames that were offered."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.books = Books(seconds=1.0)
        self.at = utc_now()
        manifest = {
            "detector": "x", "backbone": "none", "thresholds": {"review": 0.5, "reject": 0.9}
        }  # fmt: skip
        with Session(engine) as session, session.begin():
            line = add_line(session, "bench", actor=trusted("test"))
            self.line_id = line.id
            self.camera_id = get_or_add_camera(session, line.id, "block").id
            for _ in range(2):
                add_model_version(
                    session,
                    line,
                    artifact_path="/nowhere",
                    manifest=manifest,
                    manifest_sha256="0" * 64,
                    actor=trusted("test"),
                )

    def offer(self, picture: int) -> Any:
        frame_id = uuid7()
        self.books.picture[frame_id] = picture
        return frame_id

    def judge(self, frame_id: Any, version: int, score: float, **other: Any) -> None:
        self.at += timedelta(seconds=1)
        row = {"verdict": VERDICTS[score], "recorded_at": self.at} | other
        with Session(self.engine) as session, session.begin():
            session.add(
                Inspection(
                    frame_id=frame_id,
                    line_id=self.line_id,
                    camera_id=self.camera_id,
                    model_version_id=version,
                    sequence=0,
                    captured_at=self.at,
                    score=score,
                    **row,
                )
            )

    def account(self, dropped: int = 0) -> dict[str, Any]:
        return account(SimpleNamespace(engine=self.engine), self.books, REFERENCE, dropped)  # type: ignore[arg-type]


def test_frames_that_are_all_right_give_no_finding(ledger: Ledger) -> None:
    ledger.judge(ledger.offer(0), 1, 0.1)
    ledger.books.switches.append((2, ledger.at + timedelta(seconds=0.4)))
    ledger.judge(ledger.offer(1), 1, 0.6)  # 0.6 s after the switch
    ledger.judge(ledger.offer(1), 2, 0.95)
    ledger.offer(0)

    found = ledger.account(dropped=1)

    assert (found["offered"], found["rows"], found["lost"], found["dropped"]) == (4, 3, 0, 1)
    assert found["by_version"] == {"1": 2, "2": 1}
    findings = ("twice_under_one", "under_both", "foreign_score", "foreign_verdict")
    assert [found[name] for name in findings] == [0, 0, 0, 0]
    assert (found["commits"], found["mixed_commits"], found["promotions"]) == (3, 0, 1)
    assert found["switch_s"] == pytest.approx([0.6])


def test_a_frame_without_a_row_is_lost(ledger: Ledger) -> None:
    ledger.judge(ledger.offer(0), 1, 0.1)
    ledger.offer(0)

    assert ledger.account()["lost"] == 1


def test_half_of_each_version_is_found(ledger: Ledger) -> None:
    at = ledger.at
    # The second version's score under the first one's name; a verdict of no threshold; a commit
    # of both; and a frame that both have scored.
    ledger.judge(ledger.offer(1), 1, 0.95)
    ledger.judge(ledger.offer(1), 2, 0.95, verdict="PASS")
    ledger.judge(ledger.offer(0), 1, 0.1, recorded_at=at)
    frame_id = ledger.offer(0)
    ledger.judge(frame_id, 2, 0.2, recorded_at=at)
    ledger.judge(frame_id, 1, 0.1)

    found = ledger.account()

    assert (found["foreign_score"], found["foreign_verdict"]) == (1, 1)
    assert (found["mixed_commits"], found["under_both"]) == (1, 1)
