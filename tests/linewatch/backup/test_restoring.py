"""A plant saved, brought back elsewhere, and compared."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from db import rows
from db.access import trusted
from db.audit_chain import verify
from db.engine import make_engine
from db.errors import RowsInvalid
from db.lines import add_line, list_lines
from db.migrate import upgrade
from db.revision import current, head
from db.tables import Inspection, Line, Sample
from linewatch.backup import restoring, saving
from linewatch.backup.archive import ArchiveReader, ArchiveWriter
from linewatch.backup.restoring import restore
from linewatch.backup.saving import save
from linewatch.errors import BackupError
from models import artifact
from tests.linewatch.backup.plant import INSPECTIONS, Plant, all_rows, quietly

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from db.store import ImageStore
    from tests.linewatch.conftest import Outcome


def files_of(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
def test_what_is_brought_back_is_what_was_saved(
    source: str,
    target: str,
    make_plant: Callable[[str], Plant],
    make_url: Callable[[str], str],
    new_store: ImageStore,
    tmp_path: Path,
) -> None:
    plant = make_plant(source)
    file = tmp_path / "plant.tar"
    save_outcome = save(plant.engine, plant.store, file, progress=quietly)

    url, models = make_url(target), tmp_path / "new/models"
    restore(file, url, new_store, models, progress=quietly)

    assert set(save_outcome.left_out) == {"models whose folder is not on this host"}
    assert file.stat().st_mode & 0o777 == 0o600
    before, engine = all_rows(plant.engine), make_engine(url)
    after = all_rows(engine)
    assert sum(map(len, before.values())) > 2 * INSPECTIONS
    model = models / "line-1/v1"
    before["model_versions"][0]["artifact_path"] = str(model)
    assert after == before
    assert files_of(model) == files_of(tmp_path / "plant/models/line-1/v1") - {".DS_Store"}
    assert artifact.verify(model) == artifact.verify(tmp_path / "plant/models/line-1/v1")
    for row in after["inspections"]:
        if row["image_key"]:
            assert new_store.get(row["image_key"]) == plant.store.get(row["image_key"])
    with Session(engine) as session, session.begin():
        assert verify(session).problem is None
        assert verify(session).events == len(after["audit_events"]) > 5
        # And the plant goes on: new rows are numbered after the old ones.
        add_line(session, "new", actor=trusted("ana"))
    with Session(engine) as session:
        assert "new" in [line.name for line in list_lines(session)]
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_is_of_one_moment_while_others_write(
    kind: str,
    make_plant: Callable[[str], Plant],
    make_url: Callable[[str], str],
    new_store: ImageStore,
    tmp_path: Path,
) -> None:
    plant, stop, written = make_plant(kind), threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            with Session(plant.engine) as session, session.begin():
                name = f"line-w{len(written)}"
                add_line(session, name, actor=trusted("ben"))  # a line and its audit event
            written.append(name)

    def look(stage: str, done: int, total: int) -> None:
        if stage == "tables":  # some is written between any two tables
            seen, deadline = len(written), threading.Event()
            while thread.is_alive() and len(written) < seen + 2:
                deadline.wait(0.002)

    with Session(plant.engine) as session:
        before = verify(session).events
    thread = threading.Thread(target=write)
    thread.start()
    try:
        save(plant.engine, plant.store, tmp_path / "plant.tar", progress=look)
    finally:
        stop.set()
        thread.join()

    url = make_url(kind)
    restore(tmp_path / "plant.tar", url, new_store, tmp_path / "new/models", progress=quietly)
    engine = make_engine(url)
    with Session(engine) as session:
        checked = verify(session)
        added = [line for line in list_lines(session) if line.name.startswith("line-w")]
    engine.dispose()
    assert checked.problem is None
    assert checked.events == before + len(added)
    assert len(added) < len(written)


def test_pictures_that_are_gone_or_damaged_are_counted(
    make_plant: Callable[[str], Plant], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "LETTING_GO_S", 0.0)
    plant = make_plant("sqlite")
    first, second, *_ = sorted((tmp_path / "plant/images").glob("*/*.png"))
    first.unlink()
    second.write_bytes(b"other")

    found = save(plant.engine, plant.store, tmp_path / "plant.tar", progress=quietly)

    assert found.left_out["pictures that are not in the store"] == 1
    assert found.left_out["pictures that are damaged"] == 1
    assert ArchiveReader(tmp_path / "plant.tar").manifest.images == found.manifest.images == 3


def test_rows_let_go_of_what_retention_deletes_meanwhile(
    make_plant: Callable[[str], Plant], new_store: ImageStore, tmp_path: Path
) -> None:
    plant = make_plant("sqlite")
    key = plant.store.put(b"old", ".png")
    with Session(plant.engine) as session, session.begin():
        one = session.scalars(select(Inspection).where(Inspection.verdict == "PASS").limit(1)).one()
        one.image_key, number, map_key = key, one.id, one.map_key

    def retain(stage: str, done: int, total: int) -> None:
        if stage == "tables" and done == total:  # the rows were read, the pictures were not
            plant.store.delete(key, younger_than_s=0)
            with Session(plant.engine) as session, session.begin():
                session.get_one(Inspection, number).image_key = None

    found = save(plant.engine, plant.store, tmp_path / "plant.tar", progress=retain)
    url = f"sqlite:///{tmp_path}/new.db"
    restore(tmp_path / "plant.tar", url, new_store, tmp_path / "new/models", progress=quietly)

    assert found.manifest.let_go == [key]
    assert not any("picture" in what for what in found.left_out)
    engine = make_engine(url)
    with Session(engine) as session:
        restored = session.get_one(Inspection, number)
        assert (restored.image_key, restored.map_key) == (None, map_key)
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_row_may_refer_to_a_later_one_of_its_table(
    kind: str, make_url: Callable[[str], str], new_store: ImageStore, tmp_path: Path
) -> None:
    source = f"sqlite:///{tmp_path}/old.db"
    upgrade(source)
    engine = make_engine(source)
    with Session(engine) as session, session.begin():
        line = add_line(session, "press", actor=trusted("ana")).id
        key = new_store.put(b"1", ".png")
        given = {"line_id": line, "source": "review", "label": "defect", "image_key": key}
        for number, other in ((2, None), (1, 2)):
            row = {"id": number, "frame_id": UUID(int=number), "duplicate_of_id": other, **given}
            session.execute(insert(Sample), [row])
    save(engine, new_store, tmp_path / "plant.tar", progress=quietly)
    engine.dispose()

    url = make_url(kind)
    restore(tmp_path / "plant.tar", url, new_store, tmp_path / "new/models", progress=quietly)

    engine = make_engine(url)
    with Session(engine) as session:
        assert session.get_one(Sample, 1).duplicate_of_id == 2
    engine.dispose()


def test_a_backup_that_is_stopped_leaves_nothing(plant: Plant, tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("pictures", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(plant.engine, plant.store, tmp_path / "plant.tar", progress=stop)

    assert list(tmp_path.glob("plant.tar*")) == []


def test_nothing_is_written_over(
    saved: Path, plant: Plant, new_store: ImageStore, tmp_path: Path
) -> None:
    url = plant.engine.url.render_as_string(hide_password=False)

    with pytest.raises(BackupError, match="is not empty"):
        restore(saved, url, new_store, tmp_path / "new/models", progress=quietly)
    with pytest.raises(BackupError, match="exists"):
        save(plant.engine, plant.store, saved, progress=quietly)
    models = tmp_path / "taken"
    (models / "line-1/v1").mkdir(parents=True)
    with pytest.raises(BackupError, match="holds something else"):
        restore(saved, f"sqlite:///{tmp_path}/new.db", new_store, models, progress=quietly)

    assert not list((tmp_path / "new/images").iterdir())
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_restore_that_fails_is_done_again_by_the_same_call(
    kind: str,
    saved: Path,
    make_url: Callable[[str], str],
    new_store: ImageStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, models = make_url(kind), tmp_path / "new/models"
    real = rows.load

    def fail(connection: Any, found: Any) -> int:
        real(connection, found)
        raise KeyboardInterrupt

    monkeypatch.setattr(restoring.rows, "load", fail)
    with pytest.raises(KeyboardInterrupt):
        restore(saved, url, new_store, models, progress=quietly)

    engine = make_engine(url)
    with engine.connect() as connection:
        assert rows.is_empty(connection)
    assert [path for path in models.rglob("*") if path.is_file()] == []
    monkeypatch.undo()
    if current(engine) != head():
        pytest.fail("the tables should be there")
    restore(saved, url, new_store, models, progress=quietly)
    with Session(engine) as session:
        assert verify(session).problem is None
    engine.dispose()


def test_a_restore_that_was_killed_is_done_again_by_the_same_call(
    saved: Path, new_store: ImageStore, tmp_path: Path
) -> None:
    models, url = tmp_path / "new/models", f"sqlite:///{tmp_path}/new.db"
    restore(saved, url, new_store, models, progress=quietly)
    first = artifact.verify(models / "line-1/v1")
    # As it stands where a kill came between models and rows, or in the midst of a model.
    for file in tmp_path.glob("new.db*"):
        file.unlink()
    (models / "line-1/.v1.partial").mkdir()
    (models / "line-1/.v1.partial/graph.xml").write_bytes(b"<n")

    restore(saved, url, new_store, models, progress=quietly)

    assert artifact.verify(models / "line-1/v1") == first
    assert not (models / "line-1/.v1.partial").exists()
    engine = make_engine(url)
    with Session(engine) as session:
        assert verify(session).problem is None
    engine.dispose()


def test_a_damaged_model_is_counted_and_left_out(
    make_plant: Callable[[str], Plant], tmp_path: Path
) -> None:
    plant = make_plant("sqlite")
    (tmp_path / "plant/models/line-1/v1/graph.xml").write_bytes(b"<other/>")

    found = save(plant.engine, plant.store, tmp_path / "plant.tar", progress=quietly)

    assert found.left_out["models that are damaged"] == 1
    assert ArchiveReader(tmp_path / "plant.tar").manifest.models == {}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_of_an_older_version_is_brought_to_this_one(
    kind: str, make_url: Callable[[str], str], new_store: ImageStore, tmp_path: Path
) -> None:
    old = {"id": 3, "name": "press", "description": "", "created_at": "2026-03-02T00:00:00+00:00",
           "active_model_version_id": None, "audit_rate": 0.01, "frames_waiting": 0,
           "frames_pending": 0, "status_at": None}  # fmt: skip
    event = {"id": 1, "at": "2026-03-02T00:00:01+00:00", "actor": "ana", "action": "line_added",
             "subject": "press", "details": {"by": "hand"}}  # fmt: skip
    file = tmp_path / "old.tar"
    with file.open("wb") as out:
        archive = ArchiveWriter(out, revision="0001", version="0.1")
        for name, row in (("lines", old), ("audit_events", event)):
            archive.add_table(name, [row], io.BytesIO())
        archive.finish()

    url = make_url(kind)
    restore(file, url, new_store, tmp_path / "models", progress=quietly)

    engine = make_engine(url)
    with Session(engine) as session:
        assert session.scalars(select(Line.name)).all() == ["press"]
        assert verify(session).events == 1
        assert verify(session).problem is None
    engine.dispose()


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("lines", {"id": 1, "nonsense": 1}),
        ("lines", {"id": 1, "name": "a", "created_at": "yesterday"}),
        ("no_such_table", {"id": 1}),
        ("alembic_version", {"version_num": "9999"}),
        ("inspections", {"id": 1, "frame_id": "no uuid"}),
    ],
)
def test_rows_that_do_not_fit_leave_the_database_empty(
    table: str, row: dict[str, Any], new_store: ImageStore, tmp_path: Path
) -> None:
    file = tmp_path / "bad.tar"
    with file.open("wb") as out:
        archive = ArchiveWriter(out, revision=head(), version="1")
        archive.add_table(table, [row], io.BytesIO())
        archive.finish()
    url = f"sqlite:///{tmp_path}/new.db"

    with pytest.raises(RowsInvalid):
        restore(file, url, new_store, tmp_path / "models", progress=quietly)

    engine = make_engine(url)
    with engine.connect() as connection:
        assert rows.is_empty(connection)
    engine.dispose()


def test_a_backup_of_a_newer_version_is_refused(new_store: ImageStore, tmp_path: Path) -> None:
    file = tmp_path / "newer.tar"
    with file.open("wb") as out:
        ArchiveWriter(out, revision="9999", version="99.0").finish()

    with pytest.raises(BackupError, match=r"made by linewatch 99\.0: upgrade"):
        restore(file, f"sqlite:///{tmp_path}/n.db", new_store, tmp_path / "m", progress=quietly)


def test_both_commands(linewatch: Callable[..., Outcome], tmp_path: Path) -> None:
    home, new, file = tmp_path / "home", tmp_path / "new", tmp_path / "plant.tar"
    linewatch("db", "upgrade", "--home", home)
    linewatch("line", "add", "line-4", "--home", home)

    saved = linewatch("backup", file, "--home", home)
    again = linewatch("backup", file, "--home", home)
    restored = linewatch("restore", file, "--home", new)
    over = linewatch("restore", file, "--home", new)
    (tmp_path / "text").write_text("no backup")
    nonsense = linewatch("restore", tmp_path / "text", "--home", tmp_path / "third")

    assert (saved.code, restored.code) == (0, 0), saved.err + restored.err
    assert "the audit trail is whole: 1:" in restored.out
    assert "line-4" in linewatch("line", "list", "--home", new).out
    assert linewatch("audit", "verify", "--home", new).code == 0
    for outcome, said in ((again, "exists"), (over, "is not empty"), (nonsense, "not whole")):
        assert outcome.code == 2
        assert said in outcome.err
        assert outcome.err.splitlines()[-1].startswith("linewatch: ")
        assert "Traceback" not in outcome.err
    assert not (tmp_path / "third/linewatch.db").exists()
