"""`linewatch line`: production lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from linewatch.commands.options import with_settings

if TYPE_CHECKING:
    from linewatch.loading import Loaded


@click.group()
def line() -> None:
    """Add and list production lines."""


@line.command()
@click.argument("name")
@click.option("--description", default="", help="What the line makes; shown on the pages.")
@with_settings(quiet=True)
def add(loaded: Loaded, name: str, description: str) -> None:
    """Add the line NAME; its cameras appear with their first frame."""
    from db.lines import add_line
    from ingest.frame import check_name
    from linewatch.connect import actor, database_session

    try:
        check_name("line", name)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc
    with database_session(loaded.settings) as session, session.begin():
        added = add_line(session, name, description=description, actor=actor())
        added.audit_rate = loaded.settings.audit_rate
    click.echo(f"added line {name}; give it a model with `linewatch model add {name} DIR`")


@line.command()
@click.argument("name")
@click.argument("wanted", nargs=-1, metavar="[CLASS]...")
@with_settings(quiet=True)
def classes(loaded: Loaded, name: str, wanted: tuple[str, ...]) -> None:
    """List the defect classes of the line NAME, or make them exactly these CLASSes.

    Their order is that of the number keys on the Review page. A class that goes is offered no
    more; reviews keep it.
    """
    from db.defect_classes import list_classes, set_classes
    from db.lines import get_line
    from linewatch.connect import actor, database_session

    with database_session(loaded.settings) as session, session.begin():
        found = get_line(session, name)
        if wanted:
            try:
                set_classes(session, found, wanted, actor=actor())
            except ValueError as exc:
                raise click.BadParameter(str(exc)) from exc
        for known in list_classes(session, found.id):
            click.echo(known.name)


@line.command("list")
@with_settings(quiet=True)
def list_(loaded: Loaded) -> None:
    """List the lines, their active model, and how many frames wait."""
    from db.lines import list_lines
    from db.model_versions import active_version
    from linewatch.connect import database_session
    from linewatch.tables import print_table

    with database_session(loaded.settings) as session:
        rows = []
        for found in list_lines(session):
            version = active_version(session, found.name)
            model = f"{version.number} ({version.detector})" if version else "none"
            rows.append((found.name, model, str(found.frames_waiting), found.description))
    print_table(("line", "active model", "waiting", "description"), rows)
