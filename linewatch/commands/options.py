"""Flags that several commands share, and the settings made from them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

#: Flags every command that reads the settings has.
COMMON = ("home", "redis_url", "database_url", "store_url", "log_level", "log_format")
LOGGING = ("log_level", "log_format")
#: setting -> (type, help); the flag is the setting's name with dashes.
FLAGS: dict[str, tuple[Any, str]] = {
    "home": (click.Path(path_type=Path), "Folder for everything kept locally."),
    "redis_url": (str, "Redis or Valkey; 'embedded' is our own."),
    "database_url": (str, "sqlite:///FILE or postgresql://..."),
    "store_url": (str, "Folder or s3://bucket/prefix for images."),
    "log_level": (click.Choice(["debug", "info", "warning", "error"]), "Least level written."),
    "log_format": (click.Choice(["console", "json"]), "How logs are written."),
    "worker_processes": (int, "Scoring processes."),
    "worker_threads": (int, "Threads each scoring process computes with."),
    "trainer_threads": (int, "Threads a training computes with."),
    "models_dir": (click.Path(path_type=Path), "Folder for retrained models."),
    "dashboard_host": (str, "Address to listen on."),
    "metrics_host": (str, "Address to listen on."),
    "metrics_port": (int, "Port to listen on."),
    "dashboard_port": (int, "Port to listen on."),
    "review_rate": (float, "Share of good parts that may be flagged for review."),
    "reject_rate": (float, "Share of good parts that may be rejected."),
    "sweep_interval_s": (int, "Seconds between two looks for waiting lines."),
}
json_file = click.option(
    "--json",
    "json_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the figures to FILE.",
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Of every random choice.",
)


def with_settings(
    common: tuple[str, ...] = COMMON, *, quiet: bool = False, **renamed: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the common flags and one for each `setting="--flag"`; the command gets `loaded`.

    Args:
        common: settings whose flags are their own names.
        quiet: the command talks to a person: only warnings are logged unless the level was set.
        renamed: settings with flags of other names.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapper(*args: Any, config: Path | None, **values: Any) -> Any:
            from linewatch.loading import Origin, load_settings
            from linewatch.logs import configure_logging

            flags = {name: values.pop(name) for name in (*common, *renamed)}
            loaded = load_settings(flags, config=config)
            level = loaded.settings.log_level
            if quiet and loaded.origins["log_level"] is Origin.DEFAULT:
                level = "warning"
            configure_logging(
                loaded.settings.log_format,
                level,
                process=click.get_current_context().command_path.removeprefix("linewatch "),
                secrets=loaded.settings.passwords,
            )
            return command(*args, loaded=loaded, **values)

        decorated: Callable[..., Any] = wrapper
        for name in reversed(common):
            decorated = _flag(name, f"--{name.replace('_', '-')}")(decorated)
        decorated = click.option(
            "--config",
            type=click.Path(path_type=Path),
            help="Settings file (default: ./linewatch.toml, or linewatch.toml in home).",
        )(decorated)
        for name, flag in reversed(renamed.items()):
            decorated = _flag(name, flag)(decorated)
        return decorated

    return decorate


def _flag(setting: str, flag: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    kind, text = FLAGS[setting]
    return click.option(flag, setting, type=kind, default=None, help=text)
