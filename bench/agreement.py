"""That what makes scoring fast costs no accuracy: OpenVINO against torch in 32-bit floats."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.comparison import NONE, markdown, reached
from bench.development import SETS
from bench.results import write_section
from bench.scoring import GOALS, Goal, train_one
from models.evaluation import EvaluationReport, evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

WITHIN = 0.002


def main(arguments: Sequence[str]) -> int:
    """Train every detector on every set, and evaluate it with both runtimes."""
    options = _parse(arguments)
    lines = []
    for goal in (goal for goal in GOALS if goal.detector in options.only):
        for name in options.sets:
            lines.append(_compared(goal, name))
            print(*lines[-1], flush=True)
    write_section(
        "agreement",
        "AUROC on all test images as OpenVINO scores them, PatchCore's search in 8-bit integers, "
        "minus the same model in eager torch, in 32-bit floats, with PatchCore's search by faiss.",
        f"fast presets (tf_efficientnet_lite0, 256 px), seed 0; wanted: within {WITHIN}",
        markdown(["", "set", "image AUROC", "torch's", "pixel AUROC", "torch's", ""], lines),
    )
    return 0


def _compared(goal: Goal, name: str) -> list[str]:
    data = str(SETS[name])
    with tempfile.TemporaryDirectory(prefix="linewatch-agreement-") as folder:
        model = Path(folder) / "model"
        train_one(goal, data, model)
        ours, torchs = (evaluate(model, data, runtime=r) for r in ("openvino", "torch"))
    cells, is_same = [], True
    for a, b in _pairs(ours, torchs):
        if a is None or b is None:
            cells += [NONE, NONE]
        else:
            cells += [f"{a - b:+.4f}", f"{b:.4f}"]
            is_same &= abs(a - b) <= WITHIN
    return [goal.detector, name, *cells, reached(is_same)]


def _pairs(
    ours: EvaluationReport, torchs: EvaluationReport
) -> list[tuple[float | None, float | None]]:
    return [(ours.image_auroc, torchs.image_auroc), (ours.pixel_auroc, torchs.pixel_auroc)]


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    names = [goal.detector for goal in GOALS]
    parser = argparse.ArgumentParser("python -m bench agreement", description=__doc__)
    parser.add_argument("--only", nargs="+", default=names, choices=names)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    return parser.parse_args(arguments)
