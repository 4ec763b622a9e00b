"""A trained model on disk: a folder whose manifest names the hash of every file. No torch."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.calibration import Calibration, Thresholds
from models.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Rises when an older program could not read a newer folder.
FORMAT = 2
MANIFEST_FILE = "manifest.json"
#: Holds the manifest's own hash, so that a changed threshold is noticed too.
MANIFEST_HASH_FILE = "manifest.sha256"
#: JSON's types, by the first word of an annotation.
_KINDS = {"int": int, "str": str, "dict": dict, "list": list}


@dataclass(frozen=True)
class Manifest:
    """What a model is, how it came about, and what its files must be."""

    #: Version of this layout.
    format: int
    #: Name of the method.
    detector: str
    #: timm's name.
    backbone: str
    #: Identifies the backbone weights, wherever they came from.
    weights_sha256: str
    #: H the images are resized to.
    input_height: int
    #: W the images are resized to.
    input_width: int
    #: The detector's own.
    hyperparameters: dict[str, Any]
    #: Of every random choice in training.
    seed: int
    #: Where the verdicts begin, and what that rests on.
    calibration: Calibration
    #: The same rates' values of the anomaly maps' peaks, for colouring: some methods take the image
    #: score before the map is smoothed.
    map_thresholds: Thresholds
    #: What else the detector found out in training and people may want to know, by name.
    findings: dict[str, Any]
    #: Good images used, those held out for the calibration included.
    train_images: int
    #: Names of the defective test images it was shown; evaluation leaves them out.
    known_anomalies: list[str]
    #: sha256 of every file but the manifest, by name.
    files: dict[str, str]
    #: Version of linewatch that trained it. No date stands here: the same training gives the same
    #: bytes.
    code_version: str

    @property
    def thresholds(self) -> Thresholds:
        """Where the verdicts begin."""
        return self.calibration.thresholds

    def to_json(self) -> dict[str, Any]:
        """The manifest as it is written."""
        stored = asdict(self)
        calibration = stored.pop("calibration")
        return stored | {"thresholds": calibration.pop("thresholds") | calibration}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Manifest:
        """Read what `to_json` gave; KeyError or TypeError if it is not that."""
        rates = stored["thresholds"]
        calibration = Calibration(
            thresholds=Thresholds(float(rates["review"]), float(rates["reject"])),
            review_rate=float(rates["review_rate"]),
            reject_rate=float(rates["reject_rate"]),
            count=int(rates["count"]),
        )
        peaks = stored["map_thresholds"]
        own = [one for one in fields(cls) if one.name not in ("calibration", "map_thresholds")]
        for one in own:
            kind = _KINDS[str(one.type).partition("[")[0]]
            if not isinstance(stored[one.name], kind) or isinstance(stored[one.name], bool):
                raise TypeError(f"{one.name} is no {kind.__name__}")
        if not all(isinstance(value, str) for value in stored["files"].values()):
            raise TypeError("files are no hashes")
        return cls(
            calibration=calibration,
            map_thresholds=Thresholds(float(peaks["review"]), float(peaks["reject"])),
            **{one.name: stored[one.name] for one in own},
        )


def check_free(folder: Path) -> None:
    """Make sure a model can be written to `folder` later, before any work is done.

    Raises:
        ArtifactError: if something is there already, or its parent cannot be written to.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArtifactError(f"{folder} exists already: choose another folder, or remove it first")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-"):
            pass
    except OSError as exc:
        raise ArtifactError(_cannot_write(folder, exc)) from exc


def save_artifact(
    folder: Path, manifest: Manifest, write_files: Callable[[Path], None]
) -> Manifest:
    """Write a model all at once: built in a folder beside, then renamed; a failure leaves nothing.

    Args:
        folder: where; must not exist, or be empty.
        manifest: what it is; `files` is filled in here.
        write_files: puts the detector's files into the folder it is given.

    Returns:
        The manifest as written.

    Raises:
        ArtifactError: if `folder` is taken, the disk is full or not writable.
    """
    check_free(folder)
    try:
        building = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            write_files(building)
            hashes = {path.name: file_sha256(path) for path in sorted(building.iterdir())}
            written = replace(manifest, files=hashes)
            _write_manifest(building, written)
            _settle(building)
            building.rename(folder)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    except OSError as exc:
        raise ArtifactError(_cannot_write(folder, exc)) from exc
    return written


def load_manifest(folder: Path, *, verified: bool = False) -> Manifest:
    """Read what a model is.

    Args:
        folder: of the model.
        verified: True also compares every file with its hash.

    Raises:
        ArtifactError: if it is no model of this program, or was changed.
    """
    raw = _read_manifest(folder)
    try:
        stored = json.loads(raw)
        if stored["format"] != FORMAT:
            raise ArtifactError(
                f"{folder} has format {stored['format']}, this program reads {FORMAT}: "
                "update linewatch, or train the model again"
            )
        manifest = Manifest.from_json(stored)
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise ArtifactError(
            f"{folder / MANIFEST_FILE} is no model manifest ({exc!r}): train the model again"
        ) from exc
    if verified:
        _verify_files(folder, manifest)
    return manifest


def verify(folder: Path) -> Manifest:
    """Read a model's manifest and compare every file with its hash.

    Raises:
        ArtifactError: naming the first file that is missing or changed.
    """
    return load_manifest(folder, verified=True)


def manifest_sha256(folder: Path) -> str:
    """Identify a model: the hash of its manifest, which holds the hash of every other file.

    Raises:
        ArtifactError: if there is no intact manifest.
    """
    return hashlib.sha256(_read_manifest(folder)).hexdigest()


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(folder: Path) -> bytes:
    try:
        raw = (folder / MANIFEST_FILE).read_bytes()
        expected = (folder / MANIFEST_HASH_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ArtifactError(
            f"{folder} is no trained model ({exc}): expected a folder that `linewatch train` wrote"
        ) from exc
    if hashlib.sha256(raw).hexdigest() != expected:
        raise ArtifactError(_changed(folder / MANIFEST_FILE))
    return raw


def _verify_files(folder: Path, manifest: Manifest) -> None:
    for name, expected in manifest.files.items():
        if Path(name).name != name or "\0" in name:
            raise ArtifactError(
                f"{folder / MANIFEST_FILE} names a file outside its folder: {name!r}"
            )
        try:
            actual = file_sha256(folder / name)
        except OSError as exc:
            raise ArtifactError(f"{folder} lacks its file {name}: copy the folder again") from exc
        if actual != expected:
            raise ArtifactError(_changed(folder / name))


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    raw = (json.dumps(manifest.to_json(), indent=2, sort_keys=True) + "\n").encode()
    (folder / MANIFEST_FILE).write_bytes(raw)
    digest = hashlib.sha256(raw).hexdigest()
    (folder / MANIFEST_HASH_FILE).write_text(digest + "\n", encoding="ascii")


def _settle(folder: Path) -> None:
    """Make the files durable, and readable by other accounts: a temporary folder is not."""
    for path in folder.iterdir():
        path.chmod(0o644)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    folder.chmod(0o755)


def _changed(path: Path) -> str:
    return (
        f"{path} was changed since training (its sha256 differs): copy the model again, or retrain"
    )


def _cannot_write(folder: Path, exc: OSError) -> str:
    return (
        f"cannot write the model to {folder}: {exc.strerror or exc}; "
        "free space, or choose another folder"
    )
