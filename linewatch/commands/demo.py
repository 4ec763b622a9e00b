"""`linewatch demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from linewatch.commands.options import json_file, with_settings
from models.detector import detector_names

if TYPE_CHECKING:
    from pathlib import Path

    from linewatch.loading import Loaded


@click.command()
@click.option(
    "--frames",
    type=click.IntRange(min=1),
    metavar="N",
    help="End after N frames, exit code 0 only if every one has its verdict.",
)
@click.option(
    "--fps",
    type=click.FloatRange(min=0, min_open=True),
    metavar="F",
    help="Frames per second of both cameras together; default: as fast as the workers keep up.",
)
@click.option(
    "--detector",
    default="patchcore",
    show_default=True,
    metavar="NAME",
    help=f"Method: {', '.join(detector_names())}.",
)
@click.option("--no-dashboard", is_flag=True, help="Leave the dashboard out.")
@click.option(
    "--data",
    default="elpv:mono",
    show_default=True,
    help="Image set: elpv, elpv:mono, elpv:poly, or a folder in MVTec or VisA layout.",
)
@json_file
@with_settings(
    worker_processes="--processes",
    worker_threads="--threads",
    dashboard_host="--host",
    dashboard_port="--port",
)
def demo(
    loaded: Loaded,
    frames: int | None,
    fps: float | None,
    detector: str,
    no_dashboard: bool,
    data: str,
    json_path: Path | None,
) -> int:
    """Run everything here on real images: train, inspect, dashboard.

    Trains on the good images of a data set unless it did before, then plays the rest to two cameras
    of one line. Everything is kept in demo/ in home, and nothing else is touched. Ctrl-C ends it.
    """
    from linewatch.demo.run import DemoOptions, run_demo
    from linewatch.figures import print_figures, write_json
    from linewatch.logs import configure_logging

    settings = loaded.settings
    logs = settings.home / "demo" / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The terminal belongs to the progress.
    configure_logging(settings.log_format, settings.log_level, logs / "demo.log")
    options = DemoOptions(frames, fps, detector, data, "fast", not no_dashboard)
    figures, finished = run_demo(settings, options)
    if json_path:
        write_json(json_path, figures)
    print_figures(figures)
    if frames is None:
        return 0  # Ctrl-C is how it is meant to end
    if not finished:
        return 130
    if figures["frames_scored"] == frames and not figures["duplicates"]:
        return 0
    click.echo(f"linewatch: not every frame has exactly one verdict: see {logs}", err=True)
    return 1
