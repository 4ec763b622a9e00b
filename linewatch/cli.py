"""The command `linewatch`; each of its commands is imported only when called, so help is quick."""

from __future__ import annotations

import sys
from importlib import import_module
from keyword import iskeyword
from typing import cast

import click

USAGE_EXIT = 2
INTERRUPTED_EXIT = 130

#: name -> (module in linewatch.commands, one line of help), in the order people need them.
COMMANDS = {
    "demo": ("demo", "Run everything here on real images: train, inspect, dashboard."),
    "doctor": ("check", "Check the installation and the services, and say what to do."),
    "health": ("health", "Say whether the processes of this host live and are ready."),
    "settings": ("check", "Show every setting, its value and where it was set."),
    "train": ("training", "Train a model on the good images of a data set."),
    "evaluate": ("training", "Measure a trained model on the test images of a data set."),
    "extend": ("extending", "Add new good images to a trained model, without its old ones."),
    "forget": ("extending", "Take good images out of a trained model, without the others."),
    "bench": ("bench", "Measure how many cameras a model carries on this machine."),
    "db": ("db", "Create and migrate the database."),
    "line": ("line", "Add and list production lines."),
    "model": ("model", "Add, activate and list the models of a line."),
    "export": ("labelled", "Write the labelled data of a line to a folder."),
    "import": ("labelled", "Bring the labelled data of a folder into a line."),
    "user": ("user", "Add, list and change the people who may log in to the dashboard."),
    "audit": ("audit", "Check that nobody changed the audit trail."),
    "backup": ("backup", "Save database, pictures and models to a file, while all runs."),
    "restore": ("backup", "Bring a backup into an empty place."),
    "ingest": ("services", "Run the configured cameras and send their frames to Redis."),
    "worker": ("services", "Run scoring workers; one that dies or hangs is started again."),
    "trainer": ("services", "Train the models that lines ask for, one after the other."),
    "scheduler": ("services", "Run the scheduled jobs: run one per plant."),
    "metrics": ("services", "Serve Prometheus metrics of the whole plant: run one per plant."),
    "dashboard": ("services", "Run the dashboard."),
    "server": ("server", "Start, stop and look at the embedded Valkey server."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported only when called; their help lines are in the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"linewatch.commands.{COMMANDS[cmd_name][0]}")
        attribute = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        return cast("click.Command", getattr(module, attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings come from linewatch.toml, LINEWATCH_* variables and flags, in rising "
    "strength. Begin with `linewatch demo`; `linewatch doctor` says what to do when it fails.",
)
@click.version_option(package_name="linewatch", message="linewatch %(version)s")
@click.option("--end-with-parent", type=int, hidden=True)
def linewatch(end_with_parent: int | None) -> None:
    """Visual quality inspection for production lines: cameras in, verdicts out."""
    if end_with_parent is not None:
        from linewatch.parent import end_with_parent as end

        end(end_with_parent)


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; expected errors become one line on stderr."""
    try:
        result = linewatch.main(arguments, prog_name="linewatch", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as exc:
        click.echo(exc.format_message())
        return USAGE_EXIT
    except click.ClickException as exc:
        command = exc.ctx.command_path if isinstance(exc, click.UsageError) and exc.ctx else None
        hint = f" (see `{command} --help`)" if command else ""
        return _fail(f"{exc.format_message()}{hint}")
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED_EXIT
    except Exception as exc:
        from linewatch.errors import expected_message

        message = expected_message(exc)
        if message is None:
            raise
        return _fail(message)
    return result if isinstance(result, int) else 0


def _fail(message: str) -> int:
    text = " ".join(message.split())
    logs = sys.modules.get("linewatch.logs")
    if logs is not None and logs.is_json():
        logs.log_failure(text)
    else:
        click.echo(f"linewatch: {text}", err=True)
    return USAGE_EXIT


def main() -> None:
    """Entry point of the installed program."""
    sys.exit(run())
