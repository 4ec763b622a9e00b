"""The services, from `linewatch ingest` to `linewatch dashboard`: they run for months."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from linewatch.commands.options import with_settings

if TYPE_CHECKING:
    from linewatch.loading import Loaded


@click.command()
@with_settings()
def ingest(loaded: Loaded) -> None:
    """Run the configured cameras and send their frames to Redis.

    Cameras are the [[cameras]] tables of linewatch.toml, and reconnect by themselves. This host
    needs nothing but Redis.
    """
    from linewatch.services import run_ingest

    run_ingest(loaded.settings)


@click.command()
@click.option("--heartbeat", type=click.Path(path_type=Path), hidden=True)
@with_settings(worker_processes="--processes", worker_threads="--threads")
def worker(loaded: Loaded, heartbeat: Path | None) -> None:
    """Run scoring workers; one that dies or hangs is started again."""
    from linewatch.services import run_worker_process, run_workers

    if heartbeat is None:
        run_workers(loaded)
    else:
        run_worker_process(loaded.settings, heartbeat)


@click.command()
@click.option("--child", is_flag=True, hidden=True, help="Do the one job it was started for.")
@with_settings(trainer_threads="--threads", models_dir="--models-dir")
def trainer(loaded: Loaded, child: bool) -> None:
    """Train the models that lines ask for, one after the other.

    Each training runs in a process of its own, and yields to scoring on the same machine. Models
    are written to models_dir, which the scoring workers must see on the same path.
    """
    from linewatch.services import run_trainers, run_training_process

    if child:
        run_training_process(loaded.settings)
    else:
        run_trainers(loaded)


@click.command()
@with_settings(sweep_interval_s="--sweep-interval-s")
def scheduler(loaded: Loaded) -> None:
    """Run the scheduled jobs: run one per plant."""
    from linewatch.services import run_schedule

    run_schedule(loaded.settings)


@click.command()
@with_settings(metrics_host="--host", metrics_port="--port")
def metrics(loaded: Loaded) -> None:
    """Serve Prometheus metrics of the whole plant: run one per plant."""
    from linewatch.services import run_metrics

    run_metrics(loaded.settings)


@click.command()
@with_settings(dashboard_host="--host", dashboard_port="--port")
def dashboard(loaded: Loaded) -> None:
    """Run the dashboard."""
    from linewatch.services import run_dashboard

    run_dashboard(loaded.settings)
