"""`linewatch health`: do the processes of this host live, and are they ready for work?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from linewatch.settings import Settings

#: 0 and 1 are what container engines understand.
NOT_WELL_EXIT = 1
#: Repeated here so that `--help` needs no import; a test compares them.
PROCESSES = ("ingest", "worker", "trainer", "scheduler", "dashboard", "metrics")


@click.command()
@click.argument("process", type=click.Choice(PROCESSES), required=False)
@click.option("--ready", is_flag=True, help="Also: can it work, and are its servers there?")
@click.option("--home", type=click.Path(path_type=Path), help="Folder for everything kept locally.")
@click.option("--host", help="Address of the dashboard or the metrics; default: from the settings.")
@click.option("--port", type=int, help="Their port.")
def health(
    process: str | None, ready: bool, home: Path | None, host: str | None, port: int | None
) -> int:
    """Say whether the processes of this host live and are ready.

    PROCESS is one kind of them; without it, all that left a sign of life. The exit code is 0 if
    they are well, else 1. It reads no more settings than it needs: it may be called often.
    """
    from linewatch import health as judging

    if process in judging.SERVERS:
        found = [judging.health_of_server(process, *_address(process, home, host, port))]
    else:
        found = judging.health_of_loops(_home(home), process, ready=ready)
    if ready and process and all(one.well for one in found):
        found += judging.reachable(_settings(home), process)
    for one in found:
        click.echo(one.text, err=not one.well)
    return 0 if all(one.well for one in found) else NOT_WELL_EXIT


def _home(given: Path | None) -> Path:
    """As the settings say; all of them are read only where neither flag nor variable names it."""
    named = given or os.environ.get("LINEWATCH_HOME")
    return Path(named).expanduser().absolute() if named else _settings(None).home


def _address(
    process: str, home: Path | None, host: str | None, port: int | None
) -> tuple[str, int]:
    if host and port:
        return host, port
    settings = _settings(home)
    own = getattr(settings, f"{process}_host"), getattr(settings, f"{process}_port")
    return host or own[0], port or own[1]


def _settings(home: Path | None) -> Settings:
    from linewatch.loading import load_settings

    return load_settings({"home": home}).settings
