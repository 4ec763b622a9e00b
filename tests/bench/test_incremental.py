from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from bench import incremental
from bench.incremental import Case, Compared, compare
from models.evaluation import EvaluationReport

if TYPE_CHECKING:
    from pathlib import Path


def report(auroc: float | None) -> EvaluationReport:
    return EvaluationReport(
        auroc, None, None, None, 0.1, None, None, 9, 0, "patchcore", "net", "openvino", {}
    )


@pytest.fixture
def parts(data: Path) -> Path:
    """Twelve images to train on."""
    for number in range(2, 12):
        file = data / f"train/good/{number}.png"
        cv2.imwrite(str(file), np.full((4, 4), 10 * number, np.uint8))
    return data


def test_new_images_are_a_fifth_and_no_old_ones(parts: Path) -> None:
    case = Case("parts", str(parts), str(parts))

    old, new, tested = case.images(seed=0)

    assert len(new) == 2
    assert sorted([*old, *new], key=str) == sorted(tested.train, key=str)
    assert case.images(seed=0) == (old, new, tested)
    assert any(case.images(seed)[1] != new for seed in (1, 2))


def test_new_images_may_be_of_another_set(parts: Path) -> None:
    old, new, tested = Case("mixed", "elpv:mono", str(parts)).images(seed=0)

    assert len(old) > 100
    assert len(new) == 2
    assert {sample.path.parent for sample in new} == {parts / "train/good"}
    assert tested.name == str(parts)


@pytest.mark.parametrize(("refit", "judged"), [(0.908, "reached"), (0.912, "**not reached**")])
def test_the_mean_difference_is_judged(refit: float, judged: str) -> None:
    one = Compared(report(0.8), report(0.9), report(0.9), report(0.89))
    other = Compared(report(0.8), report(0.9), report(refit), report(refit))

    line = incremental._line("parts", "image_auroc", [one, other])

    assert line is not None
    # Extended minus refit is 0 and -0.008 or -0.012: -0.004 or -0.006 in the mean.
    assert line == [
        *("parts, image AUROC", "0.8000", "0.9000", f"{(0.9 + refit) / 2:.4f}"),
        *(f"{(0.9 - refit) / 2:+.4f}", f"{refit - 0.9:.4f}", "0.0100"),
        *("within 0.005", judged),
    ]
    assert incremental._line("parts", "pixel_auroc", [one, other]) is None


@pytest.mark.slow
def test_four_models_are_measured_on_the_same_images(parts: Path) -> None:
    compared = compare(Case("parts", str(parts), str(parts)), seed=0)

    assert None not in compared.figures("image_auroc")
    assert compared.figures("images") == [10] * 4
