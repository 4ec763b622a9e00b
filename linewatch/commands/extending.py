"""`linewatch extend` and `linewatch forget`: a trained model with some images more, or fewer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from linewatch.commands.options import LOGGING, json_file, seed_option, with_settings

if TYPE_CHECKING:
    from linewatch.loading import Loaded

_out = click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write the changed model to; must not exist.",
)


@click.command()
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.argument("data")
@_out
@seed_option
@json_file
@with_settings(LOGGING, quiet=True)
def extend(
    loaded: Loaded, model_dir: Path, data: str, out: Path, seed: int, json_path: Path | None
) -> None:
    """Add new good images to a trained model, without its old ones.

    DATA is as for `linewatch train`; its training images are all new. A fifth of them is held out
    for the thresholds. Models of patchcore, cutpaste and cutswap can be extended.
    """
    from linewatch.figures import print_figures, write_json
    from linewatch.progress import stage_progress
    from linewatch.stopping import stopped_in_one_line
    from models.datasets import open_dataset
    from models.extending import extend as run

    with stopped_in_one_line(lambda: "nothing was written"), stage_progress() as progress:
        samples = open_dataset(data).train
        report = run(model_dir, samples, out=out, seed=seed, progress=progress)
    figures = report.to_json()
    if json_path:
        write_json(json_path, figures)
    print_figures(figures)


@click.command()
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_out
@with_settings(LOGGING, quiet=True)
def forget(loaded: Loaded, model_dir: Path, names: tuple[str, ...], out: Path) -> None:
    """Take good images out of a trained model, without the others.

    NAME is an image's path below the data folder, as train/good/000.png. What only these images
    showed is anomalous from then on. Models of patchcore, cutpaste and cutswap can forget.
    """
    from linewatch.figures import print_figures
    from linewatch.stopping import stopped_in_one_line
    from models.extending import forget as run

    with stopped_in_one_line(lambda: "nothing was written"):
        report = run(model_dir, names, out=out)
    print_figures(report.to_json())
