from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import streamlit as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bench import history, page_reads
from bench.pictures import NOTHING_KEPT
from db.opinions import confirmed
from db.tables import Decision, Inspection, Review, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

COUNT = 3_000
PICTURE = NOTHING_KEPT | {"image_key": "ab/cd.png", "width_px": 64, "height_px": 48}


@pytest.fixture
def filled(engine: Engine) -> Iterator[Engine]:
    """A database with a short history."""
    history.fill(engine, COUNT, [PICTURE])
    yield engine
    st.cache_data.clear()


def test_a_history_hangs_together_as_the_dashboard_would_have_written_it(filled: Engine) -> None:
    with Session(filled) as session:
        inspections = session.scalars(select(Inspection)).all()
        asked = [one for one in inspections if one.verdict in ("REVIEW", "REJECT")]
        words = {one.id: confirmed(session, one.id) for one in inspections}
        decisions = set(session.scalars(select(Review.decision)))
        strays = select(func.count()).where(
            Inspection.id == Review.inspection_id, Inspection.camera_id != Review.camera_id
        )
        assert session.scalar(strays) == 0
        samples = session.scalar(select(func.count()).where(Sample.source == "review"))

    assert len(inspections) == COUNT
    assert len(asked) / COUNT == pytest.approx(history.FLAGGED, abs=0.015)
    assert {one.id: one.label for one in inspections} == {
        number: word and word.label.value for number, word in words.items()
    }
    assert samples == sum(word is not None for word in words.values())
    assert decisions == {each.value for each in Decision}


def test_what_each_page_reads_can_be_timed(filled: Engine) -> None:
    url = filled.url.render_as_string(hide_password=False)

    times = page_reads.timed_reads(url, rounds=1)

    assert list(times) == list(page_reads.READS)
    assert all(took > 0 for (took,) in times.values())
