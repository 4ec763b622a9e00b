"""The process of one training; told to, it kills itself at a stage, or pauses there."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import brightness_detector

from workers.retraining.config import TrainingConfig
from workers.retraining.reporter import Reporter
from workers.retraining.trainer import run_horse


def interrupt(at: str, pause_s: float) -> None:
    """Die when `at` is reported, or pause with every word of it."""
    tell = Reporter.tell

    def watched(self: Reporter, stage: str, done: int, total: int) -> None:
        tell(self, stage, done, total)
        if stage == at:
            if not pause_s:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(pause_s)

    Reporter.tell = watched  # type: ignore[method-assign]


def main() -> None:
    brightness_detector.register()
    told: dict[str, Any] = json.loads(sys.argv[1])
    training = told.pop("training")
    for name in ("models_dir", "weights"):
        training[name] = Path(training[name]) if training[name] else None
    if stage := os.environ.get("TEST_INTERRUPT_AT"):
        interrupt(stage, float(os.environ.get("TEST_PAUSE_S", "0")))
    run_horse(**told, training=TrainingConfig(**training))


if __name__ == "__main__":
    main()
