"""`linewatch model`: the model versions of a line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from linewatch.commands.options import with_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from db.tables import ModelVersion
    from linewatch.loading import Loaded


@click.group()
def model() -> None:
    """Add, activate and list the models of a line."""


@model.command()
@click.argument("line")
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.option("--activate", "activate_it", is_flag=True, help="Let it score at once.")
@with_settings(quiet=True)
def add(loaded: Loaded, line: str, model_dir: Path, activate_it: bool) -> None:
    """Add the trained model in MODEL_DIR to LINE, after checking every file's hash."""
    from db.model_versions import activate as activate_version
    from linewatch.connect import actor, database_session
    from linewatch.registering import register_model

    keys = loaded.settings.model_trusted_keys_file
    with database_session(loaded.settings) as session, session.begin():
        found, version = register_model(session, line, model_dir, actor=actor(), trusted_keys=keys)
        if activate_it:
            activate_version(session, found, version.number, actor=actor())
        number = version.number
    click.echo(f"added version {number} to line {line}{', active' if activate_it else ''}")


@model.command()
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.option("--key", required=True, type=click.Path(path_type=Path), help="Private key, PEM.")
def sign(model_dir: Path, key: Path) -> None:
    """Sign the trained model in MODEL_DIR, after checking every file's hash.

    Workers whose setting model_trusted_keys_file names the public key use no other models.
    """
    from models.signature import sign as sign_model

    sign_model(model_dir, key)
    click.echo(f"signed {model_dir}")


@model.command()
@click.argument("line")
@click.argument("number", type=int)
@with_settings(quiet=True)
def activate(loaded: Loaded, line: str, number: int) -> None:
    """Let version NUMBER score on LINE; to roll back, activate an older number.

    Its files are verified first, so run it where the workers' models can be seen.
    """
    from db.model_versions import activate as let_score

    _let_score(loaded, line, number, let_score)


@model.command()
@click.argument("line")
@click.argument("number", type=int)
@with_settings(quiet=True)
def promote(loaded: Loaded, line: str, number: int) -> None:
    """Let candidate NUMBER score on LINE, if it passed its gate and its time in the shadow."""
    from db.model_versions import promote as let_score

    _let_score(loaded, line, number, let_score)


def _let_score(
    loaded: Loaded, line: str, number: int, let_score: Callable[..., ModelVersion]
) -> None:
    from db.lines import get_line
    from db.model_versions import get_model_version
    from linewatch.connect import actor, database_session
    from linewatch.registering import check_registered

    with database_session(loaded.settings) as session, session.begin():
        found = get_line(session, line)
        version = get_model_version(session, found, number)
        check_registered(version, loaded.settings.model_trusted_keys_file)
        let_score(session, found, number, actor=actor())
    click.echo(f"line {line} is scored by version {number}")


@model.command("list")
@click.argument("line")
@with_settings(quiet=True)
def list_(loaded: Loaded, line: str) -> None:
    """List the versions of LINE, newest first."""
    from db.lines import get_line
    from db.model_versions import list_model_versions
    from linewatch.connect import database_session
    from linewatch.tables import print_table

    with database_session(loaded.settings) as session:
        found = get_line(session, line)
        rows = [
            (
                f"{version.number}{_mark(version.id == found.active_model_version_id)}",
                version.detector,
                version.backbone,
                f"{version.review_threshold:.4g}",
                f"{version.reject_threshold:.4g}",
                f"{version.created_at:%Y-%m-%d %H:%M}",
                version.created_by,
            )
            for version in list_model_versions(session, found)
        ]
    headings = ("version", "detector", "backbone", "review from", "reject from", "added", "by")
    print_table(headings, rows)


def _mark(active: bool) -> str:
    return " (active)" if active else ""
