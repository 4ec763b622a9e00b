"""Register a trained model with a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from db.lines import get_line
from db.model_versions import add_model_version
from models.artifact import manifest_sha256, verify
from models.errors import ArtifactError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from db.access import Actor
    from db.tables import Line, ModelVersion


def register_model(
    session: Session, line_name: str, model_dir: Path, *, actor: Actor
) -> tuple[Line, ModelVersion]:
    """Add the artifact in `model_dir` to a line as its next version; it does not score yet.

    Raises:
        ArtifactError: if it is no artifact, or one of its files was changed.
        NotFound: if there is no such line.
    """
    line = get_line(session, line_name)
    folder = model_dir.absolute()
    verify(folder)
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


def check_registered(version: ModelVersion) -> None:
    """Make sure that a version's artifact is where it was registered, and what it was.

    Raises:
        ArtifactError: if it is gone or was changed; workers could not load it.
    """
    folder = Path(version.artifact_path)
    verify(folder)
    if manifest_sha256(folder) != version.manifest_sha256:
        raise ArtifactError(
            f"{folder} is not the artifact that was registered as version {version.number}: "
            "restore it, or add it as a new version"
        )
