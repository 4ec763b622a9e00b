"""`linewatch db`: the database's schema."""

from __future__ import annotations

from pathlib import Path
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


@db.command()
@click.argument("secrets", type=click.Path(file_okay=False, path_type=Path))
@with_settings(quiet=True)
def roles(loaded: Loaded, secrets: Path) -> None:
    """Make PostgreSQL roles with no more rights than a worker, the dashboard and metrics need.

    Run it as the database's owner, who may create roles, after `linewatch db upgrade`, which grants
    anew for every later version. Each role's password is made, unless it is there, in a file of the
    folder SECRETS.
    """
    from db.engine import describe
    from db.roles import ROLES, make_roles
    from linewatch.connect import checked_engine
    from linewatch.errors import SettingsError
    from linewatch.secrets import made_secret

    engine = checked_engine(loaded.settings)
    try:
        if engine.dialect.name != "postgresql":
            raise SettingsError(f"{describe(engine.url)} knows no roles: only PostgreSQL does")
        files = {role: secrets / f"postgres_{role.name}_password" for role in ROLES}
        logins = make_roles(engine, {role.name: made_secret(file) for role, file in files.items()})
    finally:
        engine.dispose()
    for login, (role, file) in zip(logins, files.items(), strict=True):
        click.echo(f"{login}: {role.of}; its password is in {file}")
