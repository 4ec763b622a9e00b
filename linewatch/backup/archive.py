"""A backup: one tar file with the rows of the database, the pictures and the models it names.

    database/TABLE.jsonl.gz         rows, a JSON object a line
    images/ab/abcdef....png         under the sha256 of their bytes, as in the image store
    models/ID/...                   the folder of that model version
    manifest.json                   last: what a whole backup holds, with sha256 of the others

A member is taken for what its name says and read as bytes: nothing is unpacked by name.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter, ValidationError

from db.store import KEY
from ingest.frame import NAME
from linewatch.errors import BackupError
from models.artifact import MANIFEST_FILE, MANIFEST_HASH_FILE, verify
from models.signature import SIGNATURE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

FORMAT = 1
MANIFEST = "manifest.json"
_TABLE = re.compile(r"database/(?P<table>[a-z_]{1,64})\.jsonl\.gz")
_IMAGE = re.compile(rf"images/(?P<key>{KEY.pattern})")
_PART = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}"
_MODEL = re.compile(rf"models/(?P<id>[0-9]{{1,10}})/(?P<file>{_PART})")
_FOLDER = re.compile(_PART)
_MAX_MANIFEST_BYTES = 64 * 1024 * 1024


@dataclass
class Manifest:
    """What a whole backup holds."""

    format: int
    #: Version of linewatch that made it.
    linewatch: str
    made_at: str
    #: The database's schema.
    revision: str
    #: Table -> rows, each after those it refers to.
    tables: dict[str, int] = field(default_factory=dict)
    images: int = 0
    #: Keys of pictures that retention deleted while the backup was made: rows still name them.
    let_go: list[str] = field(default_factory=list)
    #: Model version's id, as text -> its line and its folder's name.
    models: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: Member -> sha256; an image's name is its own.
    sha256: dict[str, str] = field(default_factory=dict)


def _sha256(data: IO[bytes]) -> str:
    return hashlib.file_digest(cast("Any", data), "sha256").hexdigest()


class ArchiveWriter:
    """Writes a backup member by member; the manifest makes it whole."""

    def __init__(self, out: IO[bytes], *, revision: str, version: str) -> None:
        """Write to `out`, an open file."""
        self._tar = tarfile.TarFile(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.manifest = Manifest(FORMAT, version, now, revision)

    def add_table(self, name: str, rows: Iterable[Mapping[str, Any]], spool: IO[bytes]) -> None:
        """Add a table's rows; `spool` is an empty file for them on their way."""
        count = 0
        with gzip.GzipFile(fileobj=spool, mode="wb", compresslevel=6, mtime=0) as packed:
            for row in rows:
                packed.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
                count += 1
        self._add(f"database/{name}.jsonl.gz", spool)
        self.manifest.tables[name] = count

    def add_image(self, key: str, data: bytes) -> None:
        """Add a picture, mask or map, whose bytes were checked."""
        info = tarfile.TarInfo(f"images/{key}")
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))
        self.manifest.images += 1

    def add_model(self, version_id: int, line: str, folder: Path) -> None:
        """Add the files that belong to a model version; whatever else lies in its folder is not it.

        Raises:
            ArtifactError: if it is gone, or was changed since training.
        """
        files = [*verify(folder).files, MANIFEST_FILE, MANIFEST_HASH_FILE]
        if (folder / SIGNATURE_FILE).exists():
            files.append(SIGNATURE_FILE)
        for file in files:
            with (folder / file).open("rb") as data:
                self._add(f"models/{version_id}/{file}", data)
        self.manifest.models[str(version_id)] = (line, folder.name)

    def finish(self) -> None:
        """Write the manifest and the end."""
        data = json.dumps(asdict(self.manifest), indent=1).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))
        self._tar.close()

    def _add(self, name: str, data: IO[bytes]) -> None:
        info = tarfile.TarInfo(name)
        info.size = data.seek(0, os.SEEK_END)
        data.seek(0)
        self.manifest.sha256[name] = _sha256(data)
        data.seek(0)
        self._tar.addfile(info, data)


class ArchiveReader:
    """A backup whose every byte was checked."""

    def __init__(self, file: Path) -> None:
        """Check the backup in `file`.

        Raises:
            BackupError: if it is none, not whole, changed, or of another format.
        """
        self._file = file
        try:
            self.manifest = self._check()
        except tarfile.TarError as exc:
            raise BackupError(f"{file} is no backup, or not whole: {exc}") from exc

    def model_sha256(self, version_id: int) -> dict[str, str]:
        """The hash of each file of a model, by its name."""
        found = ((_MODEL.fullmatch(name), digest) for name, digest in self.manifest.sha256.items())
        return {m["file"]: digest for m, digest in found if m and int(m["id"]) == version_id}

    def tables(self) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
        """Each table's name and rows, to be read in turn."""
        for name, data in self._members(_TABLE):
            with gzip.GzipFile(fileobj=data) as packed:
                yield name["table"], (json.loads(line) for line in packed)

    def images(self) -> Iterator[tuple[str, bytes]]:
        """Each picture's key and bytes."""
        for name, data in self._members(_IMAGE):
            yield name["key"], data.read()

    def model_files(self) -> Iterator[tuple[int, str, IO[bytes]]]:
        """Each model file's version, its path in that version's folder, and its bytes."""
        for name, data in self._members(_MODEL):
            yield int(name["id"]), name["file"], data

    def _members(self, wanted: re.Pattern[str]) -> Iterator[tuple[re.Match[str], IO[bytes]]]:
        for name, data in self._all():
            if found := wanted.fullmatch(name):
                yield found, data

    def _all(self) -> Iterator[tuple[str, IO[bytes]]]:
        with self._file.open("rb") as opened, tarfile.open(fileobj=opened, mode="r:") as tar:
            while (info := tar.next()) is not None:
                data = tar.extractfile(info) if info.isreg() else None
                if data is None:
                    raise BackupError(f"{self._file}: {info.name!r} is no file")
                yield info.name, data
                tar.members = []  # type: ignore[attr-defined] # it would keep every one

    def _check(self) -> Manifest:
        found: dict[str, str] = {}
        images, manifest = 0, None
        for name, data in self._all():
            if manifest is not None:
                raise BackupError(f"{self._file}: {name!r} stands behind the manifest")
            if name == MANIFEST:
                manifest = self._read_manifest(data)
                continue
            digest = _sha256(data)
            if image := _IMAGE.fullmatch(name):
                if image["sha256"] != digest:
                    raise BackupError(f"{self._file}: {name} was changed")
                images += 1
            elif _TABLE.fullmatch(name) or _MODEL.fullmatch(name):
                if name in found:
                    raise BackupError(f"{self._file}: {name} is there twice")
                found[name] = digest
            else:
                raise BackupError(f"{self._file}: {name!r} is nothing a backup holds")
        if manifest is None:
            raise BackupError(f"{self._file} is not whole: its end is missing; take an older one")
        wrong = sorted(set(found.items()) ^ set(manifest.sha256.items()))
        if wrong or images != manifest.images:
            what = wrong[0][0] if wrong else f"of {manifest.images} pictures {images}"
            raise BackupError(f"{self._file} was changed or is not whole: {what}")
        return manifest

    def _read_manifest(self, data: IO[bytes]) -> Manifest:
        try:
            manifest = TypeAdapter(Manifest).validate_json(data.read(_MAX_MANIFEST_BYTES))
        except ValidationError as exc:
            error = exc.errors()[0]
            raise BackupError(
                f"{self._file}: its manifest cannot be read: {error['msg']} {error['loc']}"
            ) from exc
        for line, folder in manifest.models.values():
            if not (NAME.fullmatch(line) and _FOLDER.fullmatch(folder)):
                raise BackupError(f"{self._file}: {line!r} with {folder!r} names no model")
        if manifest.format != FORMAT:
            raise BackupError(
                f"{self._file} is of format {manifest.format}, this linewatch reads {FORMAT}: "
                f"use linewatch {manifest.linewatch}"
            )
        return manifest
