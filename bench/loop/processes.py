"""The trainer and the schedule of a benchmark, as processes with arguments in JSON.

`linewatch trainer` would do, but for the hyper-parameters, which no setting changes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from workers.retraining.config import TrainingConfig
from workers.retraining.trainer import run_horse, run_trainer
from workers.schedule import run_scheduler

#: What each process is started with.
COMMAND = [sys.executable, "-m", "bench.loop.processes"]


def main() -> None:
    """Be the trainer, the process of one training, or the schedule."""
    role, told = sys.argv[1], json.loads(sys.argv[2])
    if role == "trainer":
        run_trainer(
            redis_url=told["redis_url"],
            database_url=told["database_url"],
            horse_command=[*COMMAND, "training", sys.argv[2]],
        )
    elif role == "training":
        run_horse(
            redis_url=told["redis_url"],
            database_url=told["database_url"],
            store_url=told["store_url"],
            training=_training(told["training"]),
        )
    else:
        run_scheduler(redis_url=told["redis_url"], sweep_interval_s=2, retrain_interval_s=2)


def _training(told: dict[str, Any]) -> TrainingConfig:
    weights = told.pop("weights")
    return TrainingConfig(
        models_dir=Path(told.pop("models_dir")), weights=Path(weights) if weights else None, **told
    )


if __name__ == "__main__":
    main()
