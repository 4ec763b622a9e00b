"""`linewatch doctor` and `linewatch settings`: what is set, and whether it works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from linewatch.commands.options import json_file, with_settings

if TYPE_CHECKING:
    from pathlib import Path

    from linewatch.doctor.findings import Finding
    from linewatch.loading import Loaded


@click.command()
@click.option("--describe", is_flag=True, help="Say below each what it means, with its unit.")
@with_settings(quiet=True)
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


#: The names are repeated here so that `--help` needs no import; a test compares them.
CHECK_NAMES = (
    "python", "packages", "weights", "disk", "redis", "database", "store", "lines", "workers",
    "dashboard",
)  # fmt: skip


@click.command()
@click.option(
    "--check",
    "names",
    multiple=True,
    type=click.Choice(CHECK_NAMES),
    help="Only this check; may be given several times.",
)
@json_file
@with_settings(quiet=True)
def doctor(loaded: Loaded, names: tuple[str, ...], json_path: Path | None) -> int:
    """Check the installation and the services, and say what to do.

    The exit code is 2 if a check failed, and 0 if there are only warnings.
    """
    from dataclasses import asdict

    from linewatch.doctor.checks import run_checks
    from linewatch.doctor.findings import State
    from linewatch.figures import write_json

    findings = []
    for finding in run_checks(loaded.settings, names or CHECK_NAMES):
        findings.append(finding)
        _print(finding)
    broken = sum(finding.state is State.FAILED for finding in findings)
    if json_path:
        write_json(json_path, {"failed": broken, "findings": [asdict(f) for f in findings]})
    return 2 if broken else 0


def _print(finding: Finding) -> None:
    colours = {"ok": "green", "warning": "yellow", "failed": "red"}
    state = click.style(f"{finding.state:7}", fg=colours[finding.state])
    advice = f" -> {finding.remedy}" if finding.remedy else ""
    click.echo(f"{state}  {finding.check:9}  {finding.message}{advice}")
