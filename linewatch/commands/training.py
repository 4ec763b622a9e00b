"""`linewatch train` and `linewatch evaluate`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linewatch.commands.options import LOGGING, json_file, seed_option, with_settings
from models.detector import detector_names

if TYPE_CHECKING:
    from linewatch.loading import Loaded
    from models.detector import Preset, Progress
    from models.evaluation import Evaluation


@click.command()
@click.argument("data")
@click.option(
    "--detector", required=True, metavar="NAME", help=f"Method: {', '.join(detector_names())}."
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write the model to; must not exist.",
)
@click.option("--backbone", metavar="NAME", help="timm name; default: the preset's.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Backbone weights (.safetensors or .pth), or a folder of such files named by backbone; "
    "default: an installed package, then the hub.",
)
@click.option(
    "--preset",
    type=click.Choice(["fast", "paper"]),
    default="fast",
    show_default=True,
    help="fast: minutes on a CPU; paper: the paper's backbone and schedule.",
)
@click.option(
    "--anomalies",
    type=click.IntRange(min=0),
    default=0,
    metavar="K",
    help="Show the method K defective test images; evaluate leaves them out.",
)
@click.option(
    "--defect",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="Kind of defect to draw those from; may be repeated; default: all.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a hyper-parameter of the preset; may be repeated.",
)
@seed_option
@json_file
@with_settings(LOGGING, quiet=True, review_rate="--review-rate", reject_rate="--reject-rate")
def train(
    loaded: Loaded,
    data: str,
    detector: str,
    out: Path,
    backbone: str | None,
    weights: Path | None,
    preset: Preset,
    anomalies: int,
    kinds: tuple[str, ...],
    settings: tuple[str, ...],
    seed: int,
    json_path: Path | None,
) -> None:
    """Train a model on the good images of a data set.

    DATA is a folder in MVTec layout (train/good, test/good, test/DEFECT, ground_truth), a
    category's folder of VisA (with split_csv/1cls.csv beside it), or elpv, elpv:mono or elpv:poly
    for the solar cells of the package elpv-dataset.

    Ctrl-C stops it; where the method trains for long, the same command then goes on.
    """
    from linewatch.figures import print_figures, write_json
    from linewatch.progress import stage_progress
    from linewatch.stopping import stopped_in_one_line
    from models.training import train as run
    from models.training import unfinished_file

    if kinds and not anomalies:
        raise click.UsageError("--defect chooses among the known anomalies: give --anomalies too")
    unfinished = unfinished_file(out)
    if unfinished.exists():
        click.echo(f"going on with the unfinished training in {unfinished}", err=True)

    def advice() -> str:
        again = "go on" if unfinished.exists() else "begin anew, nothing was kept"
        return f"run the same command again to {again}"

    with stopped_in_one_line(advice), stage_progress() as progress:
        report = run(
            data,
            detector=detector,
            out=out,
            backbone=backbone,
            weights=weights,
            preset=preset,
            anomalies=anomalies,
            kinds=kinds,
            settings=_changes(settings),
            seed=seed,
            review_rate=loaded.settings.review_rate,
            reject_rate=loaded.settings.reject_rate,
            progress=progress,
        )
    figures = report.to_json()
    if json_path:
        write_json(json_path, figures)
    print_figures(figures)


def _changes(settings: tuple[str, ...]) -> dict[str, str]:
    for setting in settings:
        if "=" not in setting:
            raise click.BadParameter(f"{setting!r} is not NAME=VALUE", param_hint="--set")
    return dict(setting.split("=", 1) for setting in settings)


@click.command()
@click.argument("model_dir", type=click.Path(path_type=Path))
@click.argument("data")
@click.option(
    "--report",
    "report_dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write a page with charts and pictures to DIR/index.html; DIR must not exist.",
)
@json_file
@with_settings(LOGGING, quiet=True)
def evaluate(
    loaded: Loaded, model_dir: Path, data: str, report_dir: Path | None, json_path: Path | None
) -> None:
    """Measure a trained model on the test images of a data set.

    DATA is as for `linewatch train`; rates are at the thresholds stored in MODEL_DIR.
    """
    from linewatch.figures import print_figures, write_json
    from linewatch.progress import stage_progress
    from linewatch.report.folder import check_free
    from linewatch.stopping import stopped_in_one_line
    from models.evaluation import evaluate_in_detail

    if report_dir:
        check_free(report_dir)
    with stopped_in_one_line(lambda: "nothing was written"), stage_progress() as progress:
        evaluation = evaluate_in_detail(model_dir, data, progress=progress)
        figures = evaluation.report.to_json()
        if json_path:
            write_json(json_path, figures)
        page = _write_report(report_dir, evaluation, model_dir, progress) if report_dir else None
    print_figures(figures)
    if page:
        click.echo(f"\nreport: {page}")


def _write_report(
    folder: Path, evaluation: Evaluation, model_dir: Path, progress: Progress
) -> Path:
    from linewatch.report.page import write_report

    now = datetime.now(UTC)
    return write_report(folder, evaluation, model_dir=model_dir, now=now, progress=progress)
