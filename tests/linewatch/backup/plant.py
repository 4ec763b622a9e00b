"""A plant to be saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from sqlalchemy import update
from sqlalchemy.orm import Session

from bench import history, history_of_models
from db import audit, rows
from db.access import trusted
from db.engine import make_engine
from db.migrate import upgrade
from db.store import ImageStore
from db.tables import ModelVersion
from models.artifact import save_artifact
from tests.models.test_artifact import MANIFEST, write_two_files

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

INSPECTIONS = 2_000


def quietly(stage: str, done: int, total: int) -> None:
    assert 0 <= done <= total, stage


def all_rows(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    with rows.snapshot(engine) as connection:
        found = {table.name: list(rows.dump(connection, table)) for table in rows.tables()}
        connection.rollback()
    return found


class Plant:
    """A database with a history, a store and a model, in one folder."""

    def __init__(self, url: str, folder: Path) -> None:
        upgrade(url)
        self.engine = make_engine(url)
        self.store = ImageStore(str(folder / "images"), create=True)
        shared = {"map_key": self.store.put(b"m", ".png"), "map_low": 0.0, "map_high": 1.0}
        pictures = [{"image_key": self.store.put(bytes([n]), ".png"), **shared} for n in range(4)]
        with patch.object(history_of_models, "EVENTS", 300):
            history.fill(self.engine, INSPECTIONS, pictures)
        model = folder / "models/line-1/v1"
        save_artifact(model, MANIFEST, write_two_files)
        (model / ".DS_Store").write_bytes(b"of no model")
        with Session(self.engine) as session, session.begin():
            session.execute(update(ModelVersion).values(artifact_path="/gone"))
            session.execute(
                update(ModelVersion).where(ModelVersion.id == 1).values(artifact_path=str(model))
            )
            for n in range(5):
                audit.append(
                    session, actor=trusted("ana"), action="test", subject=f"s {n}", ü=[n, None, 1.5]
                )
