"""`linewatch export` and `linewatch import`: a line's labelled data as a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from linewatch.commands.options import with_settings

if TYPE_CHECKING:
    from linewatch.loading import Loaded


@click.command()
@click.argument("line")
@click.argument("out", metavar="DIR", type=click.Path(path_type=Path))
@with_settings(quiet=True)
def export(loaded: Loaded, line: str, out: Path) -> None:
    """Write the labelled data of a line to a folder.

    DIR must not exist yet, and gets MVTec layout. Golden frames become `test`, the others `train`;
    linewatch.json says of every file who reviewed it, its part and its lot.
    """
    from db.lines import get_line
    from db.store import ImageStore
    from linewatch.connect import database_session, store_url
    from linewatch.labelled.export import export_line
    from linewatch.progress import stage_progress

    store = ImageStore(store_url(loaded.settings))
    with database_session(loaded.settings) as session, stage_progress() as progress:
        found = get_line(session, line)
        description = export_line(session, store, found, out.absolute(), progress=progress)
    train = sum(one.file.startswith("train/") for one in description.files)
    test = len(description.files) - train
    click.echo(f"exported line {line} to {out}: {train} pictures to train on, {test} to test")
    for reason, count in description.left_out.items():
        click.echo(f"  left out: {count} {reason}")


@click.command("import")
@click.argument("line")
@click.argument("data", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--split",
    "split_anew",
    is_flag=True,
    help="Draw what models are judged by, instead of taking DIR/test for it.",
)
@with_settings(quiet=True)
def import_(loaded: Loaded, line: str, data: Path, split_anew: bool) -> None:
    """Bring the labelled data of a folder into a line.

    All of it, or nothing if any file is bad. DIR is in MVTec layout, or was written by `linewatch
    export`. Goods and defects become samples, folders of defects become classes. Pictures that are
    there already stay as they are.
    """
    from db.store import ImageStore
    from linewatch.connect import actor, checked_engine, store_url
    from linewatch.labelled.importing import import_folder
    from linewatch.progress import stage_progress

    settings = loaded.settings
    store = ImageStore(store_url(settings))
    engine = checked_engine(settings)
    try:
        with stage_progress() as progress:
            done = import_folder(
                engine,
                store,
                line,
                data.absolute(),
                actor=actor(),
                split_anew=split_anew,
                golden_share=settings.golden_share,
                max_pixels=settings.max_image_pixels,
                progress=progress,
            )
    finally:
        engine.dispose()
    click.echo(f"imported into line {line}:")
    for side, labels in done.new.items():
        if labels:
            text = ", ".join(f"{count} {label}" for label, count in sorted(labels.items()))
            click.echo(f"  {side}: {text}")
    click.echo(f"  known already: {done.known}; twice in the folder: {done.twice}")
    if done.classes:
        click.echo(f"  new classes: {', '.join(done.classes)}")
