"""`linewatch user`: the people who may log in to the dashboard."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linewatch.commands.options import with_settings

if TYPE_CHECKING:
    from datetime import datetime

    from db.tables import User
    from linewatch.loading import Loaded

ROLES = ("operator", "engineer", "admin")
PASSWORD_VARIABLE = "LINEWATCH_NEW_PASSWORD"  # noqa: S105 - its name
password_file = click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"File that holds the password; without it, {PASSWORD_VARIABLE} or the terminal.",
)
role_option = click.option(
    "--role",
    type=click.Choice(ROLES),
    required=True,
    help="What they may do; each role includes the ones before it.",
)


@click.group()
def user() -> None:
    """Add, list and change the people who may log in to the dashboard."""


@user.command()
@click.argument("name")
@role_option
@password_file
@click.option(
    "--no-password", is_flag=True, help="They log in through the identity provider (login = oidc)."
)
@with_settings(quiet=True)
def add(
    loaded: Loaded, name: str, role: str, password_file: Path | None, no_password: bool
) -> None:
    """Add the user NAME; a password is asked for, and never taken from the command line."""
    from db.tables import Role
    from db.users import add_user, check_new_name
    from linewatch.connect import actor, database_session

    if no_password and password_file:
        raise click.UsageError("--no-password and --password-file exclude each other")
    with database_session(loaded.settings) as session:
        check_new_name(session, name)  # before anybody types a password
        session.rollback()
        password = None if no_password else _new_password(password_file)
        with session.begin():
            add_user(session, name, Role(role), password=password, actor=actor())
    click.echo(f"added user {name}, {role}")


@user.command("list")
@with_settings(quiet=True)
def list_(loaded: Loaded) -> None:
    """List the users, their roles, and when they logged in last."""
    from db.users import list_users
    from linewatch.connect import database_session
    from linewatch.tables import print_table

    with database_session(loaded.settings) as session:
        rows = [
            (
                found.name,
                found.role,
                _state(found),
                _day_and_time(found.last_login_at),
                _day_and_time(found.created_at),
            )
            for found in list_users(session)
        ]
    print_table(("user", "role", "state", "last log-in", "added"), rows)


@user.command()
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
@with_settings(quiet=True)
def role(loaded: Loaded, name: str, role: str) -> None:
    """Give the user NAME the role ROLE, from their next click on."""
    from db.tables import Role
    from db.users import set_role
    from linewatch.connect import actor, database_session

    with database_session(loaded.settings) as session, session.begin():
        set_role(session, name, Role(role), actor=actor())
    click.echo(f"{name} is {role} now")


@user.command()
@click.argument("name")
@with_settings(quiet=True)
def disable(loaded: Loaded, name: str) -> None:
    """Log the user NAME out everywhere and let them in no more; what they did stays."""
    from db.users import disable as disable_user
    from linewatch.connect import actor, database_session

    with database_session(loaded.settings) as session, session.begin():
        disable_user(session, name, actor=actor())
    click.echo(f"{name} is disabled; `linewatch user enable {name}` takes it back")


@user.command()
@click.argument("name")
@with_settings(quiet=True)
def enable(loaded: Loaded, name: str) -> None:
    """Let the user NAME log in again, also after too many wrong passwords."""
    from db.users import enable as enable_user
    from linewatch.connect import actor, database_session

    with database_session(loaded.settings) as session, session.begin():
        enable_user(session, name, actor=actor())
    click.echo(f"{name} may log in")


@user.command()
@click.argument("name")
@password_file
@with_settings(quiet=True)
def password(loaded: Loaded, name: str, password_file: Path | None) -> None:
    """Give the user NAME a new password, and log them out everywhere."""
    from db.users import get_user, set_password
    from linewatch.connect import actor, database_session

    with database_session(loaded.settings) as session:
        get_user(session, name)  # before anybody types a password
        session.rollback()
        new = _new_password(password_file)
        with session.begin():
            set_password(session, name, new, actor=actor())
    click.echo(f"{name} has a new password and is logged out everywhere")


def _new_password(file: Path | None) -> str:
    """From the file, else the variable, else typed twice at the terminal."""
    from linewatch.errors import SettingsError
    from linewatch.secrets import read_secret

    if file is not None:
        return read_secret(file, "--password-file")
    given = os.environ.get(PASSWORD_VARIABLE)
    if given:
        return given
    if not sys.stdin.isatty():
        raise SettingsError(
            f"a password is needed, and there is no terminal to ask at: set {PASSWORD_VARIABLE}, "
            "or name a file with --password-file"
        )
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return typed


def _state(found: User) -> str:
    if found.disabled_at is not None:
        return "disabled"
    return "enabled" if found.password_hash else "no password"


def _day_and_time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"
