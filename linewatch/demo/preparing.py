"""What must be there before the first frame: settings, a trained model, a line that uses it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from db.access import trusted
from db.errors import NotFound
from db.lines import add_line, get_line
from db.model_versions import activate, list_model_versions
from linewatch.progress import stage_progress
from linewatch.registering import register_model
from linewatch.settings import ENV_PREFIX, Settings
from models.artifact import manifest_sha256, verify
from models.errors import ArtifactError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from models.datasets import Dataset
    from models.detector import Preset

ACTOR = trusted("linewatch demo")
#: The demo's own, whatever the plant uses; everything else is taken over from the settings.
OWN_SETTINGS = frozenset(
    {"home", "redis_url", "database_url", "store_url", "models_dir", "cameras", "login"}
    | {f"{secret}{ending}" for secret in ("redis_password", "database_password")
       for ending in ("", "_file")}
)  # fmt: skip


def demo_settings(base: Settings, home: Path, redis_url: str) -> Settings:
    """The settings of the demo's processes: everything in `home`, nothing of the plant's.

    Nobody needs to log in to look at it.
    """
    carried = {name: getattr(base, name) for name in Settings.model_fields.keys() - OWN_SETTINGS}
    return Settings(home=home, redis_url=redis_url, login="open", **carried)


def child_environment(settings: Settings) -> dict[str, str]:
    """This process's environment, with exactly `settings` and no other LINEWATCH_ variable."""
    foreign = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    own = {
        f"{ENV_PREFIX}{name.upper()}": json.dumps(value) if isinstance(value, tuple) else str(value)
        for name, value in settings
        if value is not None and name != "cameras"
    }
    return foreign | own


def prepare_model(models: Path, dataset: Dataset, data: str, detector: str, preset: Preset) -> Path:
    """The folder of a trained model.

    One that was trained before is taken if it is intact and of the same method, data, preset and
    version of linewatch.
    """
    folder = models / _model_name(data, detector, preset)
    if folder.exists():
        try:
            if verify(folder).train_images == len(dataset.train):
                click.echo(f"using the model trained before: {folder}")
                return folder
            click.echo("the data changed since the model was trained: training again")
        except ArtifactError as exc:
            click.echo(f"{exc}; training again")
        shutil.rmtree(folder)
    from models.training import train

    click.echo(f"training {detector} on the {len(dataset.train)} good images of {data}")
    with stage_progress() as progress:
        train(data, detector=detector, out=folder, preset=preset, progress=progress)
    return folder


def prepare_line(session: Session, line: str, model_dir: Path) -> int:
    """Add the line and its model unless they are there; returns the line's id."""
    try:
        found = get_line(session, line)
    except NotFound:
        found = add_line(session, line, description="Demo: solar cells", actor=ACTOR)
    digest = manifest_sha256(model_dir)
    for version in list_model_versions(session, found):
        if version.manifest_sha256 == digest and version.retired_at is None:
            number = version.number
            break
    else:
        number = register_model(session, line, model_dir, actor=ACTOR)[1].number
    activate(session, found, number, actor=ACTOR)
    return found.id


def _model_name(data: str, detector: str, preset: str) -> str:
    """A folder name that differs where the model would."""
    place = str(Path(data).absolute()) if Path(data).exists() else data
    digest = hashlib.sha256(place.encode()).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", Path(data).name).strip("-")
    version = importlib.metadata.version("linewatch")
    return f"{detector}-{readable}-{preset}-{version}-{digest}"
