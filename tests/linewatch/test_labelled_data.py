"""`linewatch export` and `linewatch import`: labelled data out and in, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import cv2
import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from db import samples
from db.access import trusted
from db.defect_classes import list_classes
from db.engine import make_engine
from db.lines import get_line
from db.masks import read_mask
from db.store import ImageStore
from db.tables import AuditEvent, Sample, SampleLabel, SampleSource, Side
from linewatch.labelled import importing
from linewatch.labelled.layout import class_folders
from models.datasets import open_dataset
from models.images import decode
from models.near_duplicates import signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Outcome
    from sqlalchemy import Engine

    Linewatch = Callable[..., Outcome]

HEIGHT, WIDTH = 48, 64


def part(number: int) -> bytes:
    """A picture of a part of its own."""
    rough = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH), np.uint8)
    return cv2.imencode(".png", cv2.GaussianBlur(rough, (0, 0), 3) * 2)[1].tobytes()


def mask(height: int = HEIGHT, width: int = WIDTH, value: int = 1) -> bytes:
    """A mask of a few pixels."""
    marked = np.zeros((height, width), np.uint8)
    marked[5:9, 7:12] = value
    return cv2.imencode(".png", marked)[1].tobytes()


def write(root: Path, **files: bytes) -> None:
    """Files by their path with `__` between folders."""
    for name, data in files.items():
        path = root / name.replace("__", "/")
        path = path.with_name(f"{path.name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten goods, two test goods, two cracks and a hole, one crack with a mask."""
    root = tmp_path / "data"
    write(root, **{f"train__good__{n}": part(n) for n in range(10)})
    write(root, test__good__0=part(20), test__good__1=part(21))
    write(root, test__crack__0=part(30), test__crack__1=part(31), test__hole__0=part(40))
    write(root, ground_truth__crack__0_mask=mask())
    return root


@pytest.fixture
def plant(linewatch: Linewatch, tmp_path: Path) -> Iterator[Engine]:
    """A database with the line `tiles`, where the commands find it."""
    assert linewatch("db", "upgrade").code == 0
    assert linewatch("line", "add", "tiles").code == 0
    engine = make_engine(f"sqlite:///{Path.home()}/.linewatch/linewatch.db")
    yield engine
    engine.dispose()


@pytest.fixture
def store(plant: Engine) -> ImageStore:
    return ImageStore(str(Path.home() / ".linewatch" / "store"), create=True)


def stored(engine: Engine) -> list[Sample]:
    with Session(engine) as session:
        return list(session.scalars(select(Sample).order_by(Sample.id)))


def assert_refused(outcome: Outcome, engine: Engine, *wanted: str) -> None:
    """One line that says all that is wanted, and nothing imported."""
    assert outcome.code == 2
    (line,) = [text for text in outcome.err.splitlines() if text.startswith("linewatch: ")]
    assert "Traceback" not in outcome.err
    for text in wanted:
        assert text in line
    assert stored(engine) == []
    with Session(engine) as session:
        assert list_classes(session, get_line(session, "tiles").id) == []


def test_goods_and_defects_become_samples_of_the_side_their_folder_says(
    linewatch: Linewatch, plant: Engine, data: Path, store: ImageStore
) -> None:
    outcome = linewatch("import", "tiles", data)

    assert outcome.code == 0, outcome.err
    assert "training: 10 good" in outcome.out
    assert "golden: 3 defect, 2 good" in outcome.out
    assert "new classes: crack, hole" in outcome.out
    found = stored(plant)
    kinds = sorted((one.side, one.label, one.defect_class or "") for one in found)
    assert kinds == [
        *2 * [("golden", "defect", "crack")],
        ("golden", "defect", "hole"),
        *2 * [("golden", "good", "")],
        *10 * [("training", "good", "")],
    ]
    assert {one.source for one in found} == {"import"}
    assert all(one.signature for one in found)
    masked = [one for one in found if one.mask_key is not None]
    assert len(masked) == 1
    marked = read_mask(store.get(masked[0].mask_key or ""), height_px=HEIGHT, width_px=WIDTH)
    assert marked.sum() == 20  # 4 rows of 5, written as 1 and stored as white
    assert store.get(masked[0].image_key) == part(30)
    with Session(plant) as session:
        event = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
        assert event is not None
        assert event.action == "samples.imported"


def test_importing_again_changes_nothing_and_new_pictures_are_added(
    linewatch: Linewatch, plant: Engine, data: Path
) -> None:
    linewatch("import", "tiles", data)
    before = {one.id: one.frame_id for one in stored(plant)}

    again = linewatch("import", "tiles", data)
    assert again.code == 0
    assert "known already: 15" in again.out
    assert {one.id: one.frame_id for one in stored(plant)} == before

    moved = data.rename(data.with_name("moved"))
    write(moved, test__hole__1=part(41))
    third = linewatch("import", "tiles", moved)
    assert "golden: 1 defect" in third.out
    assert "known already: 15" in third.out


def test_near_duplicates_never_stand_on_both_sides(
    linewatch: Linewatch, plant: Engine, data: Path
) -> None:
    brighter = cv2.imdecode(np.frombuffer(part(3), np.uint8), cv2.IMREAD_GRAYSCALE)
    brighter = cv2.imencode(".png", np.minimum(brighter, 250) + 3)[1].tobytes()
    write(data, test__good__2=brighter, train__good__copy=brighter)

    outcome = linewatch("import", "tiles", data)

    assert "twice in the folder: 1" in outcome.out
    copies = [one for one in stored(plant) if one.duplicate_of_id is not None]
    assert [one.side for one in copies] == ["training"]


def test_a_test_picture_that_nearly_is_a_training_one_is_used_for_neither(
    linewatch: Linewatch, plant: Engine, data: Path
) -> None:
    brighter = cv2.imdecode(np.frombuffer(part(3), np.uint8), cv2.IMREAD_GRAYSCALE)
    write(data, test__good__2=cv2.imencode(".png", np.minimum(brighter, 250) + 3)[1].tobytes())

    outcome = linewatch("import", "tiles", data)

    assert "neither: 1 good" in outcome.out


def test_with_split_the_sides_are_drawn(linewatch: Linewatch, plant: Engine, data: Path) -> None:
    write(data, **{f"test__hole__x{n}": part(100 + n) for n in range(20)})

    assert linewatch("import", "tiles", data, "--split").code == 0

    holes = [one.side for one in stored(plant) if one.defect_class == "hole"]
    assert 3 <= holes.count("golden") <= 6
    assert holes.count("training") == 21 - holes.count("golden")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("test__crack__x", b"no picture", "test/crack/x.png: 10 bytes"),
        ("train__good__x", part(1)[:200], "train/good/x.png"),
        ("ground_truth__crack__1_mask", mask(40, 64), "1_mask.png has 40 x 64 pixels"),
        ("ground_truth__crack__1_mask", mask(400, 640), "1_mask.png: "),
        ("ground_truth__crack__1_mask", mask(value=0), "1_mask.png marks no pixel"),
        ("ground_truth__crack__1_mask", b"text", "1_mask.png: 4 bytes"),
        (f"test__{'x' * 65}__0", part(50), "at most 64 characters"),
        ("test__hole__same", part(3), "same picture with different labels"),
        ("test__hole__tiny", cv2.imencode(".png", np.zeros((4, 4)))[1].tobytes(), "tiny.png: the"),
    ],
)
def test_one_bad_file_is_named_and_nothing_is_imported(
    linewatch: Linewatch, plant: Engine, data: Path, name: str, content: bytes, says: str
) -> None:
    write(data, **{name: content})

    assert_refused(linewatch("import", "tiles", data), plant, says)


def test_a_picture_that_declares_too_many_pixels_is_refused_before_it_is_decoded(
    linewatch: Linewatch, plant: Engine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEWATCH_MAX_IMAGE_PIXELS", str(HEIGHT * WIDTH - 1))

    assert_refused(linewatch("import", "tiles", data), plant, "train/good/0.png", "pixels")


def test_other_folders_and_lines_are_refused(
    linewatch: Linewatch, plant: Engine, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()

    assert_refused(linewatch("import", "tiles", tmp_path / "no"), plant, "does not exist")
    assert_refused(linewatch("import", "tiles", tmp_path / "empty"), plant, "no labelled picture")
    assert_refused(linewatch("import", "lathe", data), plant, "there is no line 'lathe'")


def test_a_picture_that_is_known_under_another_label_is_named(
    linewatch: Linewatch, plant: Engine, data: Path
) -> None:
    linewatch("import", "tiles", data)
    (data / "test" / "crack" / "1.png").rename(data / "test" / "hole" / "7.png")

    outcome = linewatch("import", "tiles", data)

    assert outcome.code == 2
    assert "hole/7.png is a sample of the line already, as crack" in outcome.err
    assert len(stored(plant)) == 15


def test_an_import_that_fails_at_the_end_leaves_no_row(
    linewatch: Linewatch, plant: Engine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("linewatch.labelled.importing.audit.append", fails)

    assert_refused(linewatch("import", "tiles", data), plant, "No space left")


def test_samples_that_come_in_between_are_neighbours_too(
    linewatch: Linewatch, plant: Engine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked_out = importing.work_out
    between: list[Sample] = []

    def slow(*args: Any, **kwargs: Any) -> object:
        if not between:
            with Session(plant) as session, session.begin():
                added = samples.add(
                    session,
                    line_id=get_line(session, "tiles").id,
                    frame_id=uuid7(),
                    source=SampleSource.REVIEW,
                    label=SampleLabel.GOOD,
                    image_key=f"aa/{'a' * 64}.png",
                    signature=signature(decode(part(3))),
                    side=Side.GOLDEN,
                )
                between.append(added)
        return worked_out(*args, **kwargs)

    monkeypatch.setattr(importing, "work_out", slow)

    outcome = linewatch("import", "tiles", data)

    assert "training: 9 good" in outcome.out
    assert "neither: 1 good" in outcome.out
    assert len(stored(plant)) == 16


def test_the_export_is_a_data_set_with_the_golden_side_as_test(
    linewatch: Linewatch, plant: Engine, data: Path, tmp_path: Path
) -> None:
    write(data, train__crack__9=part(60), train_masks__crack__9_mask=mask())
    linewatch("import", "tiles", data)

    outcome = linewatch("export", "tiles", tmp_path / "out" / "tiles")

    assert outcome.code == 0, outcome.err
    assert "11 pictures to train on, 5 to test" in outcome.out
    exported = open_dataset(tmp_path / "out" / "tiles")
    assert len(exported.train) == 10
    assert sorted(one.defect for one in exported.test) == ["crack", "crack", "good", "good", "hole"]
    masks = [one.mask(HEIGHT, WIDTH) for one in exported.test if one.mask_path is not None]
    assert [marked.sum() for marked in masks if marked is not None] == [20]
    assert {one.read() for one in exported.train} == {part(n) for n in range(10)}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["tiles"]


def test_the_export_says_who_reviewed_what_and_comes_back_as_it_was(
    linewatch: Linewatch, plant: Engine, data: Path, tmp_path: Path, store: ImageStore
) -> None:
    linewatch("import", "tiles", data)
    with Session(plant) as session, session.begin():
        line_id = get_line(session, "tiles").id
        values: dict[str, Any] = {
            "line_id": line_id,
            "source": SampleSource.REVIEW,
            "label": SampleLabel.DEFECT,
            "defect_class": "edge / chip",
            "part_id": "p7",
            "lot_id": "monday",
            "signature": b"s" * 124,
        }
        frame_id = uuid7()
        key = store.put(part(70), ".png")
        samples.add(session, frame_id=frame_id, image_key=key, side=Side.TRAINING, **values)
        gone = samples.add(session, frame_id=uuid7(), image_key=key, side=Side.TRAINING, **values)
        samples.remove(session, gone.id, actor=trusted("anna"), reason="blurred")
        samples.add(session, frame_id=uuid7(), image_key=key, side=Side.NEITHER, **values)
        samples.add(
            session, frame_id=uuid7(), image_key=f"aa/{'a' * 64}.png", side=Side.GOLDEN, **values
        )

    outcome = linewatch("export", "tiles", tmp_path / "out")

    assert "left out: 1 removed" in outcome.out
    assert "left out: 1 on neither side" in outcome.out
    assert "left out: 1 picture missing in the image store" in outcome.out
    described = json.loads((tmp_path / "out" / "linewatch.json").read_text())
    assert described["classes"]["edge_chip"] == "edge / chip"
    (entry,) = [one for one in described["files"] if one["frame_id"] == str(frame_id)]
    assert entry["file"] == f"train/edge_chip/{frame_id}.png"
    assert (entry["part_id"], entry["lot_id"], entry["side"]) == ("p7", "monday", "training")

    linewatch("line", "add", "copy")
    assert linewatch("import", "copy", tmp_path / "out").code == 0
    assert "known already: 16" in linewatch("import", "tiles", tmp_path / "out").out

    def told(one: Sample) -> tuple[object, ...]:
        return (one.frame_id, one.side, one.label, one.defect_class, one.part_id, one.lot_id)

    with Session(plant) as session:
        copy = get_line(session, "copy").id
        copied = session.scalars(select(Sample).where(Sample.line_id == copy)).all()
        of_tiles = session.scalars(
            select(Sample).where(
                Sample.line_id == line_id, Sample.frame_id.in_([one.frame_id for one in copied])
            )
        ).all()
        assert {told(one) for one in copied} == {told(one) for one in of_tiles}
        assert len(copied) == 16
        assert UUID(str(frame_id)) in {one.frame_id for one in copied}


def test_the_export_overwrites_nothing_and_needs_something_to_write(
    linewatch: Linewatch, plant: Engine, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert_refused(linewatch("export", "tiles", out), plant, "no labelled frames to export")
    linewatch("import", "tiles", data)
    out.mkdir()
    (out / "mine.txt").write_text("precious")

    outcome = linewatch("export", "tiles", out)

    assert outcome.code == 2
    assert "is not empty" in outcome.err
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    assert "is a file" in linewatch("export", "tiles", out / "mine.txt").err


def test_a_failed_export_leaves_nothing_behind(
    linewatch: Linewatch,
    plant: Engine,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    linewatch("import", "tiles", data)

    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("linewatch.labelled.export.Description.model_dump_json", fails)

    assert linewatch("export", "tiles", tmp_path / "out").code == 2
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_a_broken_description_is_refused(linewatch: Linewatch, plant: Engine, data: Path) -> None:
    (data / "linewatch.json").write_text('{"format": 2}')

    assert_refused(
        linewatch("import", "tiles", data), plant, "linewatch.json", "as it was exported"
    )


def test_every_class_has_a_folder_of_its_own() -> None:
    names = ["crack", "Crack", "good", "../../etc", "a/b", "a b", None, "Kratzer ä", "..."]

    folders = class_folders(names)

    assert folders["crack"] == "crack"
    assert folders[None] == "defect"
    assert len({folder.casefold() for folder in folders.values()}) == len(names)
    assert "good" not in folders.values()
    assert not [one for one in folders.values() if "/" in one or one.startswith(".")]


def test_the_counts_of_samples_and_the_store_agree(
    linewatch: Linewatch, plant: Engine, data: Path, store: ImageStore
) -> None:
    linewatch("import", "tiles", data)

    with Session(plant) as session:
        assert session.scalar(select(func.count()).select_from(Sample)) == 15
    assert {store.get(one.image_key)[:4] for one in stored(plant)} == {b"\x89PNG"}
