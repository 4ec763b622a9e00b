"""`linewatch doctor` and `linewatch settings`: what is set, and whether it works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from linewatch.commands.options import with_settings

if TYPE_CHECKING:
    from linewatch.loading import Loaded


@click.command()
@click.option("--describe", is_flag=True, help="Say below each what it means, with its unit.")
@with_settings()
def settings(loaded: Loaded, describe: bool) -> None:
    """Show every setting, its value and where it was set."""
    from linewatch.settings import Settings

    rows = [
        (str(name), "–" if value in (None, ()) else str(value), str(loaded.origins[str(name)]))
        for name, value in loaded.settings.__repr_args__()
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 2)]
    for name, value, origin in rows:
        click.echo(f"{name:{widths[0]}}  {origin:{widths[1]}}  {value}")
        if describe:
            click.echo(f"    {Settings.model_fields[name].description}")
    click.echo(f"\nSettings file: {loaded.config_file or 'none'}")
