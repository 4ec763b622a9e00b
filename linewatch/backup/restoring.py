"""Bring a backup back into an empty place."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from db import migrate, rows
from db.engine import describe, make_engine
from db.revision import current, revisions
from linewatch.backup.archive import ArchiveReader
from linewatch.errors import BackupError
from models.artifact import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    from db.store import ImageStore
    from linewatch.backup.archive import Manifest
    from models.detector import Progress

MODELS = "model_versions"
#: Of whose pictures retention may delete some.
MAY_LET_GO = frozenset({"inspections", "quarantine"})


def restore(
    file: Path, database_url: str, store: ImageStore, models_dir: Path, *, progress: Progress
) -> Manifest:
    """Restore the backup in `file`; an older one is brought to this version's schema.

    The file is checked whole before anything is written. Pictures come first, rows last and in one
    transaction, so whatever stops it, a kill too, the same call does it again.

    Args:
        file: the backup.
        database_url: a database without tables, or with empty ones.
        store: gets the pictures.
        models_dir: gets models, in a folder for each line.

    Raises:
        BackupError: if the file is no whole backup, or the place is not empty.
        DatabaseUnavailable, StoreError, OSError: if something cannot be written.
    """
    progress("checking", 0, 1)
    archive = ArchiveReader(file)
    progress("checking", 1, 1)
    manifest = archive.manifest
    if manifest.revision not in revisions():
        raise BackupError(
            f"{file} is of schema {manifest.revision}, made by linewatch {manifest.linewatch}: "
            "upgrade linewatch to at least that"
        )
    engine = make_engine(database_url)
    try:
        _check_empty(engine, manifest.revision)
        folders = _model_folders(archive, models_dir)
        new = [folder for folder in folders.values() if not folder.exists()]
        for number, (key, data) in enumerate(archive.images()):
            progress("pictures", number, manifest.images)
            store.put(data, key[key.index(".") :])
        progress("pictures", manifest.images, manifest.images)
        migrate.upgrade(database_url, manifest.revision)
        try:
            _write_models(archive, folders)
            _write_rows(engine, archive, folders, progress)
        except BaseException:
            for folder in new:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        migrate.upgrade(database_url)
    finally:
        engine.dispose()
    return manifest


def _check_empty(engine: Engine, wanted: str) -> None:
    found = current(engine)
    if found is None:
        return
    with engine.connect() as connection:
        empty = rows.is_empty(connection)
    if not empty or found != wanted:
        what = "is not empty" if not empty else f"has the tables of revision {found}, not {wanted}"
        raise BackupError(
            f"the database {describe(engine.url)} {what}: name an empty one with --database-url "
            "or another --home"
        )


def _model_folders(archive: ArchiveReader, models_dir: Path) -> dict[int, Path]:
    """Where each model goes; raises BackupError where something else is."""
    folders: dict[int, Path] = {}
    for text, (line, name) in archive.manifest.models.items():
        folder = models_dir / line / name
        # Two versions may come from folders of the same name.
        if folder in folders.values():
            folder = folder.with_name(f"{name}-{text}")
        folders[int(text)] = folder
    for version_id, folder in folders.items():
        if folder.exists() and _hashes(folder) != archive.model_sha256(version_id):
            raise BackupError(f"{folder} holds something else: restore into another models_dir")
    return folders


def _hashes(folder: Path) -> dict[str, str]:
    return {file.name: file_sha256(file) for file in folder.iterdir()}


def _write_models(archive: ArchiveReader, folders: dict[int, Path]) -> None:
    """Each under another name first: a folder is there whole, or not at all.

    Those that are there were written by a restore that was killed.
    """
    partial = {one: folder.with_name(f".{folder.name}.partial") for one, folder in folders.items()}
    missing = {one for one, folder in folders.items() if not folder.exists()}
    try:
        for version_id in missing:
            shutil.rmtree(partial[version_id], ignore_errors=True)
            partial[version_id].mkdir(parents=True)
        for version_id, name, data in archive.model_files():
            if version_id in missing:
                with (partial[version_id] / name).open("wb") as out:
                    shutil.copyfileobj(data, out)
        for version_id in missing:
            partial[version_id].replace(folders[version_id])
    finally:
        for folder in partial.values():
            shutil.rmtree(folder, ignore_errors=True)


def _write_rows(
    engine: Engine, archive: ArchiveReader, folders: dict[int, Path], progress: Progress
) -> None:
    total = sum(archive.manifest.tables.values())
    gone = frozenset(archive.manifest.let_go)

    def tables() -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
        done = 0
        for name, found in archive.tables():
            progress("rows", done, total)
            if name == MODELS:
                yield name, (_moved(row, folders) for row in found)
            elif name in MAY_LET_GO and gone:
                yield name, (_without_pictures(row, gone) for row in found)
            else:
                yield name, found
            done += archive.manifest.tables[name]

    with engine.begin() as connection:
        written = rows.load(connection, tables())
    progress("rows", written, total)


def _moved(row: dict[str, Any], folders: dict[int, Path]) -> dict[str, Any]:
    """A model's row with the folder it has now."""
    folder = folders.get(row["id"])
    return row if folder is None else {**row, "artifact_path": str(folder)}


def _without_pictures(row: dict[str, Any], gone: frozenset[str]) -> dict[str, Any]:
    """A row that has let go of pictures, as retention leaves it."""
    if row.get("image_key") in gone:
        row["image_key"] = None
    if row.get("map_key") in gone:
        row["map_key"] = row["map_low"] = row["map_high"] = None
    return row
