"""A line with labelled frames, a stand-in detector, and a small BGAD."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from sqlalchemy import select
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

import models.detector
from db import retrainings
from db.access import trusted
from db.lines import get_line
from db.model_versions import activate
from db.tables import (
    DefectClass,
    Line,
    ModelVersion,
    Retraining,
    RetrainingReason,
    Sample,
    SampleLabel,
    SampleSource,
    Side,
)
from models.near_duplicates import signature
from workers.jobs import retrain
from workers.retraining.config import TrainingConfig
from workers.retraining.trainer import run_trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from sqlalchemy import Engine

    from workers.context import WorkerContext

LINE = "line-4"
SIDE = 32
BACKBONE = "test_efficientnet"
#: As in the detector's own tests: a second on one thread.
SMALL: dict[str, Any] = {
    "input_height": SIDE,
    "input_width": SIDE,
    "strides": [4, 8],
    "blocks": 2,
    "position_channels": 8,
    "meta_epochs": 3,
    "normal_epochs": 1,
    "position_batch": 128,
    "mini_batches": 2,
}
TEST = trusted("test")


def part(seed: int, *, scratched: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A blotchy part, each of its own pattern, and where its scratch is."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(90, 170, (6, 6), dtype=np.uint8)
    image = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if scratched:
        mask[12:16, 4:26] = 255
        image[mask > 0] = 250
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), mask


def encode(image: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net of five blocks with random weights."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / f"{BACKBONE}.safetensors"
    save_file(timm.create_model(BACKBONE).state_dict(), file)
    return file


@pytest.fixture(autouse=True)
def brightness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets trainings name a detector that fits in a millisecond."""
    file = Path(__file__).with_name("brightness_detector.py")
    spec = importlib.util.spec_from_file_location("brightness_detector", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "brightness_detector", module)
    spec.loader.exec_module(module)
    place = ("brightness_detector", "Brightness")
    monkeypatch.setitem(models.detector._DETECTORS, "brightness", place)


@pytest.fixture
def training(tmp_path: Path) -> TrainingConfig:
    """For the stand-in."""
    return TrainingConfig(
        models_dir=tmp_path / "models",
        hyperparameters={"input_height": SIDE, "input_width": SIDE},
        threads=1,
        niceness=0,
        heartbeat_s=0.05,
    )


@pytest.fixture
def small_bgad(learning: LearningLine, weights: Path, one_thread: None) -> str:
    """The name of the detector, once the line's trainings are small ones of it."""
    learning.training = learning.context.training = replace(
        learning.training,
        backbone=BACKBONE,
        weights=weights,
        hyperparameters=SMALL,
        runtime="torch",  # OpenVINO takes seconds to convert a net
    )
    return "bgad"


@dataclass
class LearningLine:
    """A line whose labelled frames stand in the database, and its trainer."""

    context: WorkerContext
    training: TrainingConfig

    @property
    def engine(self) -> Engine:
        return self.context.engine

    def label(
        self, count: int, *, defect: bool = False, side: Side = Side.TRAINING, first: int = 0
    ) -> None:
        """Add `count` samples, each of another picture."""
        with Session(self.engine) as session, session.begin():
            line = get_line(session, LINE)
            for seed in range(first, first + count):
                image, mask = part(seed, scratched=defect)
                session.add(
                    Sample(
                        line_id=line.id,
                        frame_id=uuid7(),
                        source=SampleSource.IMPORT.value,
                        label=(SampleLabel.DEFECT if defect else SampleLabel.GOOD).value,
                        defect_class="scratch" if defect else None,
                        image_key=self.context.store.put(encode(image), ".png"),
                        mask_key=self.context.store.put(encode(mask), ".png") if defect else None,
                        signature=signature(image),
                        side=side.value,
                    )
                )

    def label_all(self) -> None:
        """Enough of everything for a training and a gate."""
        self.label(20, first=0)
        self.label(12, first=100, side=Side.GOLDEN)
        self.label(4, first=200, defect=True)
        self.label(4, first=300, defect=True, side=Side.GOLDEN)

    def request(self, detector: str = "brightness", **more: Any) -> int:
        with Session(self.engine) as session, session.begin():
            line = get_line(session, LINE)
            reason = more.pop("reason", RetrainingReason.PERSON)
            return retrainings.request(
                session, line, reason=reason, actor=TEST, detector=detector, **more
            ).id

    def row(self, retraining_id: int) -> Retraining:
        with Session(self.engine) as session:
            return retrainings.get_retraining(session, retraining_id)

    def line(self) -> Line:
        with Session(self.engine) as session:
            return get_line(session, LINE)

    def versions(self) -> list[ModelVersion]:
        with Session(self.engine) as session:
            return list(session.scalars(select(ModelVersion).order_by(ModelVersion.number)))

    def models(self) -> list[Path]:
        """What stands in the folder of the line's models, hidden things too."""
        folder = self.training.models_dir / LINE
        return sorted(folder.iterdir()) if folder.exists() else []

    def train_in_a_child(self, redis_url: str, **environment: str) -> None:
        """Run a real trainer until no job waits."""
        config = asdict(self.training)
        told = {
            "redis_url": redis_url,
            "database_url": self.engine.url.render_as_string(hide_password=False),
            "store_url": self.context.store.url,
            "training": {**config, "models_dir": str(config["models_dir"]),
                         "weights": str(config["weights"] or "")},
        }  # fmt: skip
        program = str(Path(__file__).with_name("training_process.py"))
        run_trainer(
            redis_url=redis_url,
            database_url=told["database_url"],
            horse_command=[sys.executable, program, json.dumps(told)],
            horse_environment=environment,
            burst=True,
        )


@pytest.fixture
def learning(context: WorkerContext, training: TrainingConfig) -> LearningLine:
    context.training = training
    with Session(context.engine) as session, session.begin():
        line = get_line(session, LINE)
        session.add(DefectClass(line_id=line.id, name="scratch", position=1))
        line.false_reject_budget = 1.0  # so few held-out parts promise little
    return LearningLine(context, training)


@pytest.fixture
def labelled(learning: LearningLine) -> LearningLine:
    """A line with enough labelled frames, and no model."""
    learning.label_all()
    return learning


@pytest.fixture
def taught(labelled: LearningLine) -> LearningLine:
    """A line with enough labelled frames, and a champion."""
    assert retrain(labelled.request()) == "done"
    with Session(labelled.engine) as session, session.begin():
        activate(session, get_line(session, LINE), 1, actor=TEST)
    return labelled


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads cost more than they give on a net of a test's size."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
