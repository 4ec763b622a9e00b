"""`linewatch backup` and `linewatch restore`: a plant in one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from linewatch.commands.options import with_settings

if TYPE_CHECKING:
    from linewatch.loading import Loaded

LEFT_OUT_EXIT = 1
BROKEN_TRAIL_EXIT = 1


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@with_settings(quiet=True)
def backup(loaded: Loaded, file: Path) -> int:
    """Save database, pictures and models to a file, while all runs.

    Exit code 1 if a picture or a model could not be had. Not in it: settings, passwords, the
    frames in Redis that wait for their verdicts, and who is logged in. FILE has the hashes of
    users' passwords: keep it as safe as the database.
    """
    from db.store import ImageStore
    from linewatch.backup.saving import save
    from linewatch.connect import checked_engine, store_url
    from linewatch.progress import stage_progress
    from linewatch.stopping import stopped_in_one_line

    store = ImageStore(store_url(loaded.settings))
    engine = checked_engine(loaded.settings)
    try:
        with stopped_in_one_line(lambda: "nothing was written"), stage_progress() as progress:
            saved = save(engine, store, file.absolute(), progress=progress)
    finally:
        engine.dispose()
    found = saved.manifest
    click.echo(
        f"saved {sum(found.tables.values())} rows, {found.images} pictures and "
        f"{len(found.models)} models to {file}"
    )
    if found.let_go:
        click.echo(f"  deleted by retention meanwhile: {len(found.let_go)} pictures")
    for what, count in saved.left_out.items():
        click.echo(f"  left out: {count} {what}")
    return LEFT_OUT_EXIT if saved.left_out else 0


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@with_settings(quiet=True, models_dir="--models-dir")
def restore(loaded: Loaded, file: Path) -> int:
    """Bring a backup into an empty place.

    Database, image store and models' folder get what is in FILE, which is checked before anything
    is written. A backup of an older version is brought to this one's schema. Interrupted, the same
    command does it again. At the end it walks along the audit trail; exit code 1 if that is broken,
    as it was when the backup was made.
    """
    from db.audit_chain import verify
    from db.store import ImageStore
    from linewatch.backup.restoring import restore as bring_back
    from linewatch.connect import database_session, database_url, store_url
    from linewatch.progress import stage_progress
    from linewatch.stopping import stopped_in_one_line

    settings = loaded.settings
    with (
        stopped_in_one_line(lambda: "the same command does it again"),
        stage_progress() as progress,
    ):
        found = bring_back(
            file.absolute(),
            database_url(settings),
            ImageStore(store_url(settings)),
            settings.models_dir,
            progress=progress,
        )
    click.echo(
        f"restored {sum(found.tables.values())} rows, {found.images} pictures and "
        f"{len(found.models)} models of {found.made_at}"
    )
    with database_session(settings) as session:
        trail = verify(session)
    if trail.problem is not None:
        click.echo(f"the audit trail is broken: {trail.problem}", err=True)
        return BROKEN_TRAIL_EXIT
    click.echo(f"the audit trail is whole: {trail.events}:{trail.newest}")
    return 0
