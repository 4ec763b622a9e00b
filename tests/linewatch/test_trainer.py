"""`linewatch trainer` from its command line, and the versions it is asked to let score."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.orm import Session

from db import retrainings
from db.access import trusted
from db.engine import make_engine
from db.lines import get_line
from db.tables import RetrainingReason
from linewatch.services import training_config
from linewatch.settings import Settings
from models.artifact import FORMAT, MANIFEST_FILE, Manifest, save_artifact
from models.calibration import Calibration, Thresholds
from workers.retraining.config import TrainingConfig
from workers.retraining.scheduling import enqueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from tests.linewatch.conftest import Outcome

TEST = trusted("test")


def test_a_trainer_is_told_what_the_settings_say(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, trainer_threads=2, review_rate=0.1, reject_rate=0.02)

    assert training_config(settings) == TrainingConfig(
        models_dir=tmp_path / "models", threads=2, review_rate=0.1, reject_rate=0.02
    )


def test_a_models_folder_that_cannot_be_written_is_one_line(
    linewatch: Callable[..., Outcome], redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    home = ("--home", tmp_path / "home")
    linewatch("db", "upgrade", *home)

    outcome = linewatch(
        "trainer", *home, "--redis-url", redis_url, "--models-dir", tmp_path / "file" / "models"
    )

    assert outcome.code == 2
    assert "models_dir" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_the_command_of_its_child_is_for_nobody_else(
    linewatch: Callable[..., Outcome], redis_url: str, tmp_path: Path
) -> None:
    outcome = linewatch("trainer", "--child", "--home", tmp_path, "--redis-url", redis_url)

    assert outcome.code == 2
    assert "only `linewatch trainer` starts this" in outcome.err


@pytest.mark.slow
def test_a_running_trainer_takes_what_waits_and_ends_when_it_is_told_to(
    linewatch: Callable[..., Outcome], redis_url: str, redis_client: Redis, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    linewatch("db", "upgrade", "--home", home)
    linewatch("line", "add", "press", "--home", home)
    engine = make_engine(f"sqlite:///{home}/linewatch.db")
    with Session(engine) as session, session.begin():
        line = get_line(session, "press")
        reason = RetrainingReason.PERSON
        asked = retrainings.request(session, line, reason=reason, actor=TEST).id
    enqueue(redis_client, asked)
    command = [sys.executable, "-m", "linewatch", "trainer", "--home", str(home)]
    environment = os.environ | {
        "LINEWATCH_TRAINER_NICENESS": "0",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }

    trainer = subprocess.Popen([*command, "--redis-url", redis_url], env=environment)
    try:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            with Session(engine) as session:
                row = retrainings.get_retraining(session, asked)
            if row.state not in ("waiting", "running"):
                break
            time.sleep(0.1)
    finally:
        trainer.send_signal(signal.SIGTERM)
        code = trainer.wait(60)
        engine.dispose()

    assert row.state == "failed"
    assert "12 good samples wanted, 0 there" in row.message
    assert code == 0


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An artifact that nothing can be scored with."""
    folder = tmp_path / "model"
    manifest = Manifest(
        format=FORMAT,
        detector="patchcore",
        backbone="none",
        weights_sha256="",
        input_height=8,
        input_width=8,
        hyperparameters={},
        seed=0,
        calibration=Calibration(Thresholds(1, 2), 0.1, 0.1, 9),
        map_thresholds=Thresholds(1, 2),
        findings={},
        train_images=8,
        known_anomalies=[],
        files={},
        code_version="",
    )
    save_artifact(folder, manifest, lambda place: None)
    return folder


def test_a_version_whose_folder_is_gone_or_changed_is_not_activated(
    linewatch: Callable[..., Outcome], model: Path
) -> None:
    linewatch("db", "upgrade")
    linewatch("line", "add", "press")
    assert linewatch("model", "add", "press", model).code == 0
    away = model.rename(model.with_name("away"))

    gone = linewatch("model", "activate", "press", 1)
    away.rename(model)
    whole = (model / MANIFEST_FILE).read_bytes()
    (model / MANIFEST_FILE).write_bytes(whole + b" ")
    changed = linewatch("model", "activate", "press", 1)
    (model / MANIFEST_FILE).write_bytes(whole)

    assert (gone.code, changed.code) == (2, 2)
    assert "is no trained model" in gone.err
    assert "was changed since training" in changed.err
    assert linewatch("model", "activate", "press", 1).code == 0


def test_a_version_that_was_never_compared_is_not_promoted(
    linewatch: Callable[..., Outcome], model: Path
) -> None:
    linewatch("db", "upgrade")
    linewatch("line", "add", "press")
    linewatch("model", "add", "press", model)

    outcome = linewatch("model", "promote", "press", 1)

    assert outcome.code == 2
    assert "never compared" in outcome.err
