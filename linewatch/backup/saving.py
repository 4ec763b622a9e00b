"""Make a backup while the plant runs."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from db import rows
from db.errors import ImageDamaged, ImageMissing
from db.retention import unneeded
from db.revision import head
from linewatch.backup.archive import ArchiveWriter, Manifest
from linewatch.errors import BackupError
from models.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Engine

    from db.store import ImageStore
    from models.detector import Progress

#: Retention deletes a picture just before the transaction in which its rows let go of it.
LETTING_GO_S = 2.0
KEYS = frozenset({"image_key", "map_key", "mask_key"})


@dataclass(frozen=True, slots=True)
class Saved:
    """What a backup holds, and what it had to leave out."""

    manifest: Manifest
    #: What is missing or damaged -> how many.
    left_out: dict[str, int]


@dataclass
class _Named:
    """What the rows that were dumped name."""

    images: set[str]
    #: Version id -> line, folder.
    models: dict[int, tuple[str, Path]]


def save(engine: Engine, store: ImageStore, out: Path, *, progress: Progress) -> Saved:
    """Write the database as it is now, and the pictures and models it names, to `out`.

    Writers go on meanwhile. Pictures whose time is over (`retain_pass_days`) may go before they are
    reached; they are counted apart, and a restore lets their rows go of them too.

    Raises:
        BackupError: if `out` exists.
        DatabaseUnavailable, StoreError, OSError: if something cannot be read or written.
    """
    if out.exists():
        raise BackupError(f"{out} exists: give a new name")
    partial = out.with_name(f"{out.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            archive = ArchiveWriter(opened, revision=head(), version=version("linewatch"))
            named = _save_rows(engine, archive, out.parent, progress)
            left_out, missing = _save_images(store, archive, sorted(named.images), progress)
            left_out += _save_models(archive, named.models, progress)
            archive.manifest.let_go = _let_go(engine, missing)
            if lost := len(missing) - len(archive.manifest.let_go):
                left_out["pictures that are not in the store"] = lost
            archive.finish()
            opened.flush()
            os.fsync(opened.fileno())
        partial.replace(out)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return Saved(archive.manifest, dict(left_out))


def _save_rows(engine: Engine, archive: ArchiveWriter, folder: Path, progress: Progress) -> _Named:
    named = _Named(set(), {})
    lines: dict[int, str] = {}
    tables = rows.tables()
    with rows.snapshot(engine) as connection:
        for number, source in enumerate(tables):
            progress("tables", number, len(tables))
            found = _noting(rows.dump(connection, source), source.name, lines, named)
            with tempfile.TemporaryFile(dir=folder) as spool:
                archive.add_table(source.name, found, spool)
        connection.rollback()
    progress("tables", len(tables), len(tables))
    return named


def _noting(
    found: Iterable[dict[str, Any]], source: str, lines: dict[int, str], named: _Named
) -> Iterator[Mapping[str, Any]]:
    for row in found:
        named.images.update(row[name] for name in KEYS & row.keys() if row[name])
        if source == "lines":
            lines[row["id"]] = row["name"]
        elif source == "model_versions":
            named.models[row["id"]] = lines[row["line_id"]], Path(row["artifact_path"])
        yield row


def _save_images(
    store: ImageStore, archive: ArchiveWriter, keys: list[str], progress: Progress
) -> tuple[Counter[str], list[str]]:
    """Returns what was left out, and the keys of what is not there."""
    left_out: Counter[str] = Counter()
    missing: list[str] = []
    for number, key in enumerate(keys):
        progress("pictures", number, len(keys))
        try:
            archive.add_image(key, store.get(key))
        except ImageMissing:
            missing.append(key)
        except ImageDamaged:
            left_out["pictures that are damaged"] += 1
    progress("pictures", len(keys), len(keys))
    return left_out, missing


def _let_go(engine: Engine, missing: list[str]) -> list[str]:
    """Those of the missing pictures that no row names any more."""
    until = time.monotonic() + LETTING_GO_S
    while missing:
        with Session(engine) as session:
            found = unneeded(session, missing)
        if len(found) == len(missing) or time.monotonic() > until:
            return found
        time.sleep(0.1)
    return []


def _save_models(
    archive: ArchiveWriter, models: dict[int, tuple[str, Path]], progress: Progress
) -> Counter[str]:
    left_out: Counter[str] = Counter()
    for number, (version_id, (line, folder)) in enumerate(models.items()):
        progress("models", number, len(models))
        if not folder.is_dir():
            left_out["models whose folder is not on this host"] += 1
            continue
        try:
            archive.add_model(version_id, line, folder)
        except ArtifactError:
            left_out["models that are damaged"] += 1
    progress("models", len(models), len(models))
    return left_out
