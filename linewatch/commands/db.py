"""`linewatch db`: the database's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from linewatch.commands.options import with_settings

if TYPE_CHECKING:
    from linewatch.loading import Loaded


@click.group()
def db() -> None:
    """Create and migrate the database."""


@db.command()
@with_settings(quiet=True)
def upgrade(loaded: Loaded) -> None:
    """Create the database's tables, or bring them to this version; safe to repeat."""
    from db.engine import describe, make_engine
    from db.migrate import upgrade as migrate
    from db.revision import head
    from linewatch.connect import database_url

    url = database_url(loaded.settings)
    migrate(url)
    click.echo(f"the database {describe(make_engine(url).url)} is at revision {head()}")
