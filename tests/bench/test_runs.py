from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from bench.runs import Draw, Run, shown_images
from models.datasets import open_dataset

if TYPE_CHECKING:
    from pathlib import Path

RUN = Run(
    "patchcore",
    settings=(("strides", (8, 16)), ("coreset_fraction", 0.1)),
    shown=Draw(3, ("dent",)),
    smaller_coresets=(0.001,),
)


def test_a_run_survives_json(data: Path) -> None:
    run = RUN.on(str(data), 2)

    assert Run.from_json(run.to_json()) == run


def test_where_a_set_lies_does_not_matter(data: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)

    assert RUN.on(str(moved), 0).digest() == RUN.on(str(data), 0).digest()


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"settings": ()}, {"shown": Draw(2)}, {"threads": 2}, {"apart": ()}]
)
def test_a_run_with_another_setting_is_another_run(data: Path, change: dict[str, object]) -> None:
    run = RUN.on(str(data), 0)

    assert replace(run, **change).digest() != run.digest()  # type: ignore[arg-type]


def test_a_run_on_other_images_is_another_run(data: Path) -> None:
    before = RUN.on(str(data), 0).digest()
    cv2.imwrite(str(data / "train" / "good" / "2.png"), np.zeros((4, 4), np.uint8))

    assert RUN.on(str(data), 0).digest() != before


def test_what_any_run_is_shown_is_left_out_for_all(data: Path) -> None:
    dataset = open_dataset(data)
    runs = [
        Run("bgad", str(data), seed=5, shown=Draw(4)),
        Run("bgad", str(data), seed=5, shown=Draw(2, ("dent",))),
        Run("patchcore", str(data), seed=5),
    ]

    expected = Draw(4).names(dataset, 5) | Draw(2, ("dent",)).names(dataset, 5)
    assert shown_images(dataset, runs) == expected
    assert len(Draw(4).names(dataset, 5)) == 4
