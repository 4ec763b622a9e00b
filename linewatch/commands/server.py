"""`linewatch server`: the embedded Valkey server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from linewatch.commands.options import with_settings

if TYPE_CHECKING:
    from linewatch.loading import Loaded


@click.group()
def server() -> None:
    """Start, stop and look at the embedded Valkey server.

    Commands that need it start it by themselves; it runs until it is stopped here.
    """


@server.command()
@with_settings(quiet=True)
def start(loaded: Loaded) -> None:
    """Start the server, unless it runs."""
    from linewatch import embedded

    settings = loaded.settings
    running, started = embedded.start(
        settings.home,
        max_memory_mib=settings.embedded_max_memory_mib,
        appendfsync=settings.embedded_appendfsync,
    )
    click.echo(f"{'started' if started else 'runs already'}: {running.url}")


@server.command()
@with_settings(quiet=True)
def stop(loaded: Loaded) -> None:
    """Stop the server; what it holds is kept on disk."""
    from linewatch import embedded

    click.echo("stopped" if embedded.stop(loaded.settings.home) else "it did not run")


@server.command()
@with_settings(quiet=True)
def status(loaded: Loaded) -> int:
    """Say whether the server runs; exit code 1 if it does not."""
    from linewatch import embedded

    found = embedded.embedded_server(loaded.settings.home)
    runs = found.answers()
    click.echo(f"runs: {found.url}" if runs else f"does not run; its data: {found.folder}")
    return 0 if runs else 1


@server.command()
@click.argument("secrets", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--cameras",
    "hosts",
    metavar="HOST=LINE[,LINE...]",
    multiple=True,
    help="A camera host and the lines it may push frames of; HOST=* for all. Repeat for more.",
)
def acl(secrets: Path, hosts: tuple[str, ...]) -> None:
    """Print an ACL file for a Redis of your own: users with no more rights than each needs.

    Each user's password is made, unless it is there, in a file of the folder SECRETS.
    """
    from linewatch import redis_users

    users = [redis_users.worker(), redis_users.metrics()]
    for host in hosts:
        name, given, lines = host.partition("=")
        if not (given and lines):
            raise click.BadParameter(f"{host!r} is no HOST=LINE", param_hint="--cameras")
        try:
            users.append(redis_users.cameras(name, lines.split(",")))
        except ValueError as exc:
            raise click.BadParameter(str(exc), param_hint="--cameras") from exc
    click.echo(redis_users.acl_file(users, secrets), nl=False)
