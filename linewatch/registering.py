"""Register a trained model with a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from db.lines import get_line
from db.model_versions import add_model_version
from models.artifact import manifest_sha256, verify
from models.errors import ArtifactError
from models.signature import check_signature

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.access import Actor
    from db.tables import Line, ModelVersion


def register_model(
    session: Session,
    line_name: str,
    model_dir: Path,
    *,
    actor: Actor,
    trusted_keys: Path | None = None,
) -> tuple[Line, ModelVersion]:
    """Add the artifact in `model_dir` to a line as its next version; it does not score yet.

    Args:
        session: gets the version.
        line_name: of the line.
        model_dir: of the artifact.
        actor: who adds it.
        trusted_keys: file of the public keys of which one must have signed it; None: none.

    Raises:
        ArtifactError: if it is no artifact, one of its files was changed, or workers would refuse
            its signature.
        NotFound: if there is no such line.
    """
    line = get_line(session, line_name)
    folder = model_dir.absolute()
    _verify(folder, trusted_keys)
    try:
        version = add_model_version(
            session,
            line,
            artifact_path=str(folder),
            manifest=json.loads((folder / "manifest.json").read_text()),
            manifest_sha256=manifest_sha256(folder),
            actor=actor,
        )
    except ValueError as exc:
        raise ArtifactError(f"{folder}: {exc}") from exc
    return line, version


def check_registered(version: ModelVersion, trusted_keys: Path | None = None) -> None:
    """Make sure that a version's artifact is where it was registered, and what it was.

    Raises:
        ArtifactError: if it is gone, was changed, or is not signed by one of `trusted_keys`;
            workers could not load it.
    """
    folder = Path(version.artifact_path)
    _verify(folder, trusted_keys)
    if manifest_sha256(folder) != version.manifest_sha256:
        raise ArtifactError(
            f"{folder} is not the artifact that was registered as version {version.number}: "
            "restore it, or add it as a new version"
        )


def _verify(folder: Path, trusted_keys: Path | None) -> None:
    verify(folder)
    if trusted_keys is not None:
        check_signature(folder, trusted_keys)
