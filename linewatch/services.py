"""Start the long-running parts from settings."""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import signal
import socket
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING

import structlog

from linewatch.connect import checked_engine, connect_redis, database_url, redis_url, store_url
from linewatch.errors import PortInUse, SettingsError
from linewatch.hosts import is_loopback
from linewatch.life_sign import life_sign
from linewatch.loading import Origin
from linewatch.logs import take_over_streamlit
from linewatch.settings import ENV_PREFIX

if TYPE_CHECKING:
    from ingest.camera import CameraConfig
    from linewatch.loading import Loaded
    from linewatch.settings import CameraSettings, Settings
    from workers.config import ScoringConfig
    from workers.retention import RetentionConfig
    from workers.retraining.config import TrainingConfig

log = structlog.get_logger()

#: How often `linewatch metrics` looks whether it is to end.
METRICS_LOOK_S = 0.2


def run_ingest(settings: Settings) -> None:
    """Run the configured cameras until their sources end, SIGTERM or Ctrl-C.

    Raises:
        SettingsError: if no camera is configured, or two have the same name.
        SourceError: if a source does not exist, or a camera failed in the end.
    """
    from ingest.connection import connect
    from ingest.errors import SourceError
    from ingest.runner import open_cameras, run_cameras
    from ingest.stream import StreamLimits

    if not settings.cameras:
        raise SettingsError(
            "no camera is configured: add a [[cameras]] table with line, name and source "
            "to linewatch.toml"
        )
    limits = StreamLimits(settings.stream_max_frames, settings.stream_max_bytes)
    redis = connect(redis_url(settings))
    redis.ping()
    stop = Event()
    # Not at once: a signal that comes while the event's lock is held would wait for itself.
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))

    def turn(well: bool) -> None:
        sign.turn(well)
        if asked:
            stop.set()

    try:
        alone = len(settings.cameras) == 1
        configs = [camera_config(camera, alone=alone) for camera in settings.cameras]
        cameras = open_cameras(configs, redis, limits)
        with life_sign(settings.home, "ingest") as sign:
            reports = run_cameras(cameras, stop, turn)
    except ValueError as exc:
        raise SettingsError(f"[[cameras]]: {exc}") from exc
    finally:
        redis.close()
    problems = [f"camera {name}: {r.error}" for name, r in reports.items() if r.error]
    if problems:
        raise SourceError("; ".join(problems))


def camera_config(camera: CameraSettings, *, alone: bool) -> CameraConfig:
    """One camera as ingest wants it.

    Alone, a live camera that gives no picture at the start ends the command with an error. Among
    others it is tried for ever: theirs must go on, and it may be switched on later.
    """
    from ingest.camera import CameraConfig
    from ingest.encoding import Encoding
    from ingest.stream import FullPolicy

    values = camera.model_dump(exclude={"name", "policy", "encoding"})
    if not alone:
        values["first_picture_timeout_s"] = None
    return CameraConfig(
        camera=camera.name,
        policy=FullPolicy(camera.policy) if camera.policy else None,
        encoding=Encoding(camera.encoding),
        **values,
    )


def run_workers(loaded: Loaded) -> None:
    """Run the scoring workers, a process each, and watch over them.

    Raises:
        redis.exceptions.ConnectionError: if Redis is not there at the start.
        DatabaseUnavailable: if the database is not there at the start.
    """
    settings = loaded.settings
    # Say at once what is missing; what goes away later is waited for.
    connect_redis(settings).close()
    checked_engine(settings).dispose()
    from workers.pool import run_pool
    from workers.relay import relaying

    os.environ.update(handed_down(loaded))
    with life_sign(settings.home, "worker") as sign, relaying(redis_url(settings)):
        run_pool(
            own_command("worker"),
            settings.worker_processes,
            hang_limit_s=settings.worker_hang_limit_s,
            turned=sign.turn,
        )


def run_worker_process(settings: Settings, heartbeat: Path) -> None:
    """Be one of the processes that score."""
    from workers.entry import run_worker

    # Aborted, as a pool does to one that hangs, it writes where that was.
    faulthandler.enable()
    run_worker(
        redis_url=redis_url(settings),
        database_url=database_url(settings),
        store_url=store_url(settings),
        config=scoring_config(settings),
        threads=settings.worker_threads,
        retention=retention_config(settings),
        golden_share=settings.golden_share,
        heartbeat=heartbeat,
        trusted_keys=settings.model_trusted_keys_file,
    )


def retention_config(settings: Settings) -> RetentionConfig:
    """How long pictures are kept."""
    from workers.retention import GIB, RetentionConfig

    gib = settings.store_max_gib
    return RetentionConfig(
        pass_days=settings.retain_pass_days or None,
        quarantine_days=settings.retain_quarantine_days or None,
        store_max_bytes=None if gib is None else round(gib * GIB),
    )


def scoring_config(settings: Settings) -> ScoringConfig:
    """The workers' part of the settings."""
    from workers.config import ScoringConfig

    return ScoringConfig(
        max_batch=settings.max_batch,
        max_wait_ms=settings.max_wait_ms,
        drain_budget_s=settings.drain_budget_s,
        visibility_timeout_s=settings.visibility_timeout_s,
        max_deliveries=settings.max_deliveries,
        max_image_pixels=settings.max_image_pixels,
        pass_image_interval_s=settings.pass_image_interval_s,
    )


def run_trainers(loaded: Loaded) -> None:
    """Run a trainer, which starts a process for every training.

    Raises:
        redis.exceptions.ConnectionError: if Redis is not there at the start.
        DatabaseUnavailable: if the database is not there at the start.
        SettingsError: if no model can be written to models_dir.
    """
    from workers.retraining.trainer import run_trainer

    settings = loaded.settings
    connect_redis(settings).close()
    checked_engine(settings).dispose()
    _check_models_dir(settings.models_dir)
    with life_sign(settings.home, "trainer") as sign:
        run_trainer(
            redis_url=redis_url(settings),
            database_url=database_url(settings),
            horse_command=own_command("trainer", "--child"),
            horse_environment=handed_down(loaded),
            turned=sign.turn,
        )


def run_schedule(settings: Settings) -> None:
    """Run the scheduled jobs until SIGTERM or Ctrl-C.

    Raises:
        redis.exceptions.ConnectionError: if Redis is not there at the start.
    """
    from workers.schedule import run_scheduler

    connect_redis(settings).close()
    with life_sign(settings.home, "scheduler") as sign:
        run_scheduler(
            redis_url=redis_url(settings),
            sweep_interval_s=settings.sweep_interval_s,
            retrain_interval_s=settings.retrain_interval_s,
            turned=sign.turn,
        )


def run_training_process(settings: Settings) -> None:
    """Do the one job that a trainer started this process for."""
    from workers.retraining.trainer import run_horse

    run_horse(
        redis_url=redis_url(settings),
        database_url=database_url(settings),
        store_url=store_url(settings),
        training=training_config(settings),
        golden_share=settings.golden_share,
    )


def training_config(settings: Settings) -> TrainingConfig:
    """The trainers' part of the settings."""
    from workers.retraining.config import TrainingConfig

    return TrainingConfig(
        models_dir=settings.models_dir,
        signing_key=settings.model_signing_key_file,
        trusted_keys=settings.model_trusted_keys_file,
        preset=settings.training_preset,
        weights=settings.backbone_weights,
        review_rate=settings.review_rate,
        reject_rate=settings.reject_rate,
        threads=settings.trainer_threads,
        niceness=settings.trainer_niceness,
    )


def _check_models_dir(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".check-"):
            pass
    except OSError as exc:
        raise SettingsError(
            f"no model can be written to {folder}: {exc.strerror}: correct models_dir, or let "
            "this user write there"
        ) from exc


def own_command(*words: str) -> list[str]:
    """The command line of a linewatch process that ends with this one."""
    return [sys.executable, "-m", "linewatch", "--end-with-parent", str(os.getpid()), *words]


def handed_down(loaded: Loaded) -> dict[str, str]:
    """Variables that give a child process the flags of this one; arguments would show passwords."""
    variables = {
        f"{ENV_PREFIX}{name.upper()}": str(getattr(loaded.settings, name))
        for name, origin in loaded.origins.items()
        if origin is Origin.FLAG
    }
    if loaded.config_file:
        variables["LINEWATCH_CONFIG"] = str(loaded.config_file)
    return variables


def run_metrics(settings: Settings) -> None:
    """Answer scrapes until SIGTERM or Ctrl-C.

    Raises:
        PortInUse: if another program listens on its port.
    """
    from db.engine import make_engine
    from ingest.connection import connect
    from workers.exporter import serve

    check_port(settings.metrics_host, settings.metrics_port, "metrics")
    redis = connect(redis_url(settings))
    engine = make_engine(database_url(settings))
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    end = serve(redis, engine, settings.metrics_host, settings.metrics_port)
    try:
        while not asked:
            time.sleep(METRICS_LOOK_S)
    finally:
        end()
        engine.dispose()
        redis.close()


def run_dashboard(settings: Settings) -> None:
    """Serve the dashboard from this process until SIGTERM or Ctrl-C.

    Raises:
        PortInUse: if another program listens on its port.
        SettingsError: if nobody needs to log in, and others could reach it.
    """
    from streamlit.web.cli import main as streamlit

    check_login(settings.login, settings.dashboard_host)
    check_port(settings.dashboard_host, settings.dashboard_port)
    checked_engine(settings).dispose()
    address = f"http://{settings.dashboard_host}:{settings.dashboard_port}"
    log.info("dashboard.served", address=address)
    os.environ.update(dashboard_variables(settings))
    take_over_streamlit()
    _, _, _, *arguments = dashboard_command(
        settings.dashboard_host, settings.dashboard_port, local_only=settings.login == "open"
    )
    # In this very process: what the checks above have loaded, the pages need too. Not standalone:
    # Ctrl-C is answered as everywhere else here.
    streamlit(arguments, prog_name="streamlit", standalone_mode=False)


def dashboard_variables(settings: Settings) -> dict[str, str]:
    """How the dashboard is configured: Streamlit passes no arguments on."""
    return {
        "LINEWATCH_DATABASE_URL": database_url(settings),
        "LINEWATCH_STORE_URL": store_url(settings),
        "LINEWATCH_LOGIN": settings.login,
        "LINEWATCH_SESSION_HOURS": str(settings.session_hours),
        "LINEWATCH_SHIFT_STARTS": json.dumps(settings.shift_starts),
        "LINEWATCH_PLANT_TIMEZONE": settings.plant_timezone or "",
    }


def dashboard_command(host: str, port: int, *, local_only: bool = False) -> list[str]:
    """Streamlit's command line for our pages.

    Args:
        local_only: be reached as this machine only. Where nobody logs in, any web site could
            otherwise give itself our address under its own name, and act through a browser here.
    """
    names = ("localhost", "127.0.0.1", "::1", host) if local_only else ()
    package = find_spec("dashboard")
    assert package is not None and package.origin is not None  # noqa: PT018, S101 - it is ours
    return [
        sys.executable, "-m", "streamlit", "run", str(Path(package.origin).with_name("server.py")),
        "--server.address", host,
        "--server.port", str(port),
        "--server.headless", "true",
        "--server.enableXsrfProtection", "true",
        "--server.enableCORS", "true",
        "--server.fileWatcherType", "none",
        "--browser.gatherUsageStats", "false",
        "--logger.hideWelcomeMessage", "true",
        *(word for name in names for word in ("--server.allowedHosts", name)),
    ]  # fmt: skip


def check_login(login: str, host: str) -> None:
    """Raise SettingsError if nobody needs to log in, and more than this machine can reach it."""
    if login == "open" and not is_loopback(host):
        raise SettingsError(
            f"dashboard_host is {host} and login is open: whoever reaches it could change "
            "everything. Set login to local or oidc, or dashboard_host to 127.0.0.1"
        )


def check_port(host: str, port: int, setting: str = "dashboard") -> None:
    """Raise PortInUse, or SettingsError for an address that is not ours, unless one can listen."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, proto, _, address = found[0]
        with socket.socket(family, kind, proto) as probe:
            # As servers do: a port that only waits for old connections to fade is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise PortInUse(host, port) from exc
        raise SettingsError(
            f"cannot listen on port {port} of {host}: {exc.strerror}: "
            f"correct {setting}_host or {setting}_port"
        ) from exc
