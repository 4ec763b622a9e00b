"""New samples are looked at once: signature, side, near-duplicates; whatever their pictures are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from db import samples
from db.access import trusted
from db.errors import StoreError
from db.lines import get_line
from db.store import ImageStore
from db.tables import Sample, SampleLabel, SampleSource, Side
from workers import labelling
from workers.labelling import SamplePlace, complete_all, complete_samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Engine

GOOD, DEFECT = SampleLabel.GOOD, SampleLabel.DEFECT


def part(number: int, brighter: int = 0) -> bytes:
    """A picture of part `number`, a little brighter with each time."""
    rng = np.random.default_rng(number)
    rough = rng.integers(0, 255, (96, 128), np.uint8)
    smooth = cv2.normalize(cv2.GaussianBlur(rough, (0, 0), 4), None, 0, 220, cv2.NORM_MINMAX)
    return cv2.imencode(".png", cv2.add(smooth, 5.0 * brighter))[1].tobytes()


@pytest.fixture
def place(engine: Engine, tmp_path: Path) -> SamplePlace:
    return SamplePlace(engine, ImageStore(str(tmp_path / "store"), create=True))


@pytest.fixture
def line_id(engine: Engine, line: str) -> int:
    with Session(engine) as session:
        return get_line(session, line).id


@pytest.fixture
def add(place: SamplePlace, line_id: int) -> Callable[..., int]:
    """Adds a sample that nobody has looked at; returns its id."""

    def make(image: bytes, label: SampleLabel = GOOD, **changes: Any) -> int:
        values: dict[str, Any] = {
            "line_id": line_id,
            "frame_id": uuid7(),
            "source": SampleSource.REVIEW,
            "image_key": place.store.put(image, ".png"),
            "defect_class": "crack" if label is DEFECT else None,
        }
        with Session(place.engine) as session, session.begin():
            return samples.add(session, label=label, **{**values, **changes}).id

    return make


def stored(place: SamplePlace) -> dict[int, Sample]:
    with Session(place.engine) as session:
        return {sample.id: sample for sample in session.scalars(select(Sample))}


def test_new_samples_get_signature_and_side_once(
    place: SamplePlace, line_id: int, add: Callable[..., int]
) -> None:
    ids = [add(part(n)) for n in range(30)]

    assert complete_samples(place, line_id) == 30
    assert complete_samples(place, line_id) == 0

    found = stored(place)
    assert all(len(found[one].signature or b"") > 100 for one in ids)
    sides = [found[one].side for one in ids]
    assert set(sides) == {"training", "golden"}
    assert 4 <= sides.count("golden") <= 8


def test_near_duplicates_are_on_one_side_and_the_earliest_of_a_label_is_kept(
    place: SamplePlace, line_id: int, add: Callable[..., int]
) -> None:
    first = add(part(1), DEFECT)
    good = add(part(1, 1), GOOD)
    complete_samples(place, line_id)
    second, third = add(part(1, 2), DEFECT), add(part(1, 3), DEFECT)
    good_copy = add(part(1, 4), GOOD)
    other = add(part(2), DEFECT)

    complete_samples(place, line_id)

    found = stored(place)
    assert len({found[one].side for one in (first, good, second, third, good_copy)}) == 1
    copies = {one: found[one].duplicate_of_id for one in found}
    assert copies == {
        first: None, good: None, second: first, third: first, good_copy: good, other: None
    }  # fmt: skip


def test_pictures_without_features_are_nobodys_near_duplicates(
    place: SamplePlace, line_id: int, add: Callable[..., int]
) -> None:
    for grey in range(0, 200, 10):
        add(cv2.imencode(".png", np.full((32, 32), grey, np.uint8))[1].tobytes())

    complete_samples(place, line_id)

    found = stored(place).values()
    assert {row.side for row in found} == {"training", "golden"}
    assert {row.duplicate_of_id for row in found} == {None}


def test_a_part_or_lot_of_both_sides_is_used_for_neither(
    place: SamplePlace, line_id: int, add: Callable[..., int]
) -> None:
    add(part(1), lot_id="monday", side=Side.GOLDEN)
    add(part(2), part_id="p7", side=Side.TRAINING)
    both = add(part(3), lot_id="monday", part_id="p7")

    complete_samples(place, line_id)

    assert stored(place)[both].side == "neither"


def test_the_marks_of_defects_follow_when_the_earliest_is_removed_or_comes_back(
    place: SamplePlace, line_id: int, add: Callable[..., int], engine: Engine
) -> None:
    ids = [add(part(1, n), DEFECT) for n in range(3)]
    complete_samples(place, line_id)
    anna = trusted("anna")

    with Session(engine) as session, session.begin():
        samples.remove(session, ids[0], actor=anna, reason="blurred")
    complete_samples(place, line_id)
    assert [stored(place)[one].duplicate_of_id for one in ids] == [None, None, ids[1]]

    with Session(engine) as session, session.begin():
        samples.restore(session, ids[0], actor=anna, reason="sharp")
    complete_samples(place, line_id)
    assert [stored(place)[one].duplicate_of_id for one in ids] == [None, ids[0], ids[0]]


def test_samples_whose_picture_is_missing_damaged_or_none_are_removed_with_the_reason(
    place: SamplePlace, line_id: int, add: Callable[..., int], tmp_path: Path
) -> None:
    missing, damaged = add(part(1)), add(part(2))
    text, tiny = add(b"no picture"), add(cv2.imencode(".png", np.zeros((4, 4)))[1].tobytes())
    fine = add(part(3))
    keys = {one: row.image_key for one, row in stored(place).items()}
    (tmp_path / "store" / keys[missing]).unlink()
    (tmp_path / "store" / keys[damaged]).write_bytes(b"other bytes")

    with structlog.testing.capture_logs() as logs:
        assert complete_samples(place, line_id) == 1
        assert complete_samples(place, line_id) == 0

    found = stored(place)
    assert found[fine].side is not None
    reasons = {one: found[one].removed_reason or "" for one in (missing, damaged, text, tiny)}
    assert all(reason.startswith("its picture cannot be used: ") for reason in reasons.values())
    assert "holds no image" in reasons[missing]
    assert "damaged" in reasons[damaged]
    assert "no picture: send PNG" in reasons[text]
    assert "at least 8 x 8" in reasons[tiny]
    assert {found[one].removed_by for one in reasons} == {"linewatch"}
    assert len([entry for entry in logs if entry["event"] == "sample.unusable"]) == 4


def test_a_store_that_is_away_costs_no_sample(
    place: SamplePlace,
    line_id: int,
    add: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = add(part(1))

    def away(*_: object) -> bytes:
        raise StoreError("the disk is not mounted")

    with monkeypatch.context() as patched:
        patched.setattr(ImageStore, "get", away)
        with pytest.raises(StoreError, match="not mounted"):
            complete_samples(place, line_id)

    assert stored(place)[one].removed_at is None
    assert complete_samples(place, line_id) == 1


def test_two_runs_at_once_give_every_sample_one_side(
    place: SamplePlace, line_id: int, add: Callable[..., int]
) -> None:
    for n in range(40):
        add(part(n % 20, n // 20), DEFECT, lot_id=f"lot-{n % 7}")

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: complete_samples(place, line_id), range(3)))

    found = stored(place).values()
    assert sum(done) == 40
    of_lot: dict[str | None, set[str | None]] = {}
    for sample in found:
        of_lot.setdefault(sample.lot_id, set()).add(sample.side)
    assert not [lot for lot, both in of_lot.items() if {"golden", "training"} <= both]


def test_what_changed_meanwhile_is_worked_out_anew(
    place: SamplePlace,
    line_id: int,
    add: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(part(1), lot_id="monday")
    worked_out = labelling.work_out
    calls = []

    def slow(*args: Any) -> object:
        if not calls:
            calls.append(add(part(2), lot_id="monday", signature=b"x" * 124, side=Side.GOLDEN))
        return worked_out(*args)

    monkeypatch.setattr(labelling, "work_out", slow)

    assert complete_samples(place, line_id) == 1

    assert {row.side for row in stored(place).values()} == {"golden"}


def test_a_limited_run_looks_at_so_many_pictures_and_the_next_goes_on(
    place: SamplePlace, line_id: int, add: Callable[..., int]
) -> None:
    for n in range(5):
        add(part(n))

    assert complete_all(place, limit=3) == 3
    assert complete_all(place, limit=3) == 2
    assert complete_all(place, limit=3) == 0
