"""`linewatch bench`."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linewatch.commands.options import LOGGING, json_file, with_settings

if TYPE_CHECKING:
    from linewatch.loading import Loaded

LEAST_SIDE_PX = 8


def _frame_size(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", value)
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if min(size) < LEAST_SIDE_PX:
        raise click.BadParameter(
            f"{value!r}: give height x width in pixels, {LEAST_SIDE_PX} or more each, as in "
            "1024x1280"
        )
    return size


def _number(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if math.isnan(value):  # which no range keeps out
        raise click.BadParameter("nan is no number")
    return value


@click.command()
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.option(
    "--data",
    metavar="DATA",
    help="Score these pictures, as encoded there; a data set as for `linewatch train`. "
    "Default: synthetic JPEGs.",
)
@click.option(
    "--frame-size",
    callback=_frame_size,
    metavar="HxW",
    help="Height and width of the synthetic JPEGs in pixels; default: the model's input size.",
)
@click.option(
    "--fps",
    type=click.FloatRange(min=0, min_open=True, max=10_000),
    default=5.0,
    callback=_number,
    show_default=True,
    metavar="F",
    help="Frames a second that one camera sends.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Measure this number of scoring processes; default: 1, 2, 4 and so on, up to one thread "
    "a core; on a GPU 1.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 3600),
    default=10.0,
    callback=_number,
    show_default=True,
    metavar="S",
    help="Time of each measurement.",
)
@json_file
@with_settings(LOGGING, quiet=True, worker_threads="--threads")
def bench(
    loaded: Loaded,
    model_dir: Path,
    data: str | None,
    frame_size: tuple[int, int] | None,
    fps: float,
    processes: int | None,
    seconds: float,
    json_path: Path | None,
) -> None:
    """Measure how many cameras a model carries on this machine.

    MODEL_DIR is what `linewatch train` wrote. Scoring processes decode and score encoded pictures
    as workers do, all at the same time; then frames come as cameras would send them. Nothing else
    should run on the machine meanwhile.
    """
    from linewatch.capacity.report import measure_capacity
    from linewatch.capacity.words import answer, conditions, rate_table
    from linewatch.figures import write_json
    from linewatch.progress import stage_progress
    from linewatch.stopping import stopped_in_one_line
    from linewatch.tables import print_table

    if data and frame_size:
        raise click.UsageError("--frame-size is of synthetic pictures: leave it out, or --data")
    with stopped_in_one_line(lambda: "nothing was measured"), stage_progress() as progress:
        report = measure_capacity(
            model_dir,
            data=data,
            frame_size=frame_size,
            fps=fps,
            processes=processes,
            threads=loaded.settings.worker_threads,
            max_batch=loaded.settings.max_batch,
            max_pixels=loaded.settings.max_image_pixels,
            seconds=seconds,
            progress=progress,
        )
    if json_path:
        write_json(json_path, report.to_json())
    click.echo("\n".join([*conditions(report), ""]))
    print_table(*rate_table(report))
    click.echo("\n".join(["", *answer(report)]))
