"""`linewatch audit`: whether the audit trail is whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from linewatch.commands.options import json_file, with_settings

if TYPE_CHECKING:
    from pathlib import Path

    from linewatch.loading import Loaded

BROKEN_EXIT = 1
_RECEIPT = re.compile(r"(?P<events>\d{1,18}):(?P<hash>[0-9a-f]{64})")


@click.group()
def audit() -> None:
    """Check that nobody changed the audit trail."""


@audit.command()
@click.option("--expect", metavar="EVENTS:HASH", help="What an earlier check said, kept elsewhere.")
@json_file
@with_settings(quiet=True)
def verify(loaded: Loaded, expect: str | None, json_path: Path | None) -> int:
    """Walk along the chain of hashes; exit code 1 where an event was changed, added or removed.

    The line it prints, EVENTS:HASH, is best kept outside the database: whoever may write all of it
    can make a new chain, and only `--expect` shows that.
    """
    from db.audit_chain import verify as walk
    from linewatch.connect import database_session
    from linewatch.figures import write_json

    expected = None
    if expect is not None:
        found = _RECEIPT.fullmatch(expect)
        if found is None:
            raise click.BadParameter(f"{expect!r} is not EVENTS:HASH, as this command prints it")
        expected = int(found["events"]), found["hash"]
    with database_session(loaded.settings) as session:
        verified = walk(session, expected)
    if json_path is not None:
        figures = {"events": verified.events, "hash": verified.newest, "problem": verified.problem}
        write_json(json_path, figures)
    click.echo(f"{verified.events}:{verified.newest}")
    if verified.problem is None:
        click.echo(f"the audit trail is whole: {verified.events} events", err=True)
        return 0
    click.echo(f"the audit trail is broken: {verified.problem}", err=True)
    return BROKEN_EXIT
