"""What an update learns from."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.cutpaste.batches import Batches
from models.cutpaste.detector import Pasting
from models.cutpaste.parameters import CutPasteParameters

PARAMETERS = CutPasteParameters(
    input_height=48, input_width=64, window=32, batch_images=3, image_jitter=0.0
)
#: Row, column and number of the image as colours: a window shows where it comes from.
IMAGES = np.stack(
    [np.dstack([*np.mgrid[:48, :64], np.full((48, 64), index)]) for index in range(5)]
).astype(np.uint8)


class Marking:
    """Writes down what it is given."""

    def __init__(self, *impossible: int) -> None:
        self.tally: Counter[str] = Counter()
        self.findings: dict[str, Any] = {}
        self.given: list[tuple[int, tuple[int, int]]] = []
        self.impossible = impossible

    def __call__(
        self, image: np.ndarray, index: int, corner: tuple[int, int], rng: np.random.Generator
    ) -> list[np.ndarray] | None:
        self.given.append((index, corner))
        assert image[0, 0].tolist() == [*corner, index]
        return None if index in self.impossible else [image + 100, image + 200]


def test_every_class_has_as_many_images_and_its_label() -> None:
    augment = Marking()

    batch = Batches(IMAGES, augment, PARAMETERS, seed=0).draw(0)

    assert batch is not None
    images, labels = batch
    assert images.shape == (9, 32, 32, 3)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert torch.equal(images[3:6], images[:3] + 100)
    assert torch.equal(images[6:], images[:3] + 200)


def test_an_image_that_cannot_be_made_wrong_is_left_out_of_every_class() -> None:
    augment = Marking(0, 1, 2)
    batches = Batches(IMAGES, augment, replace(PARAMETERS, batch_images=5), seed=0)

    batch = batches.draw(0)

    assert batch is not None
    assert batch[1].tolist() == [0, 0, 1, 1, 2, 2]
    assert Batches(IMAGES, Marking(*range(5)), PARAMETERS, seed=0).draw(0) is None


def test_every_image_comes_once_a_pass() -> None:
    augment = Marking()
    batches = Batches(IMAGES, augment, PARAMETERS, seed=0)
    for number in range(5):
        batches.draw(number)

    order = [index for index, _ in augment.given]
    passes = [order[start : start + 5] for start in (0, 5, 10)]
    assert [sorted(one) for one in passes] == [list(range(5))] * 3
    assert passes[0] != passes[1]
    assert batches.passes(5) == 3.0


def test_a_batch_depends_on_seed_and_number_alone() -> None:
    def draw(seed: int, number: int) -> torch.Tensor:
        batch = Batches(IMAGES, Marking(), PARAMETERS, seed).draw(number)
        assert batch is not None
        return batch[0]

    assert torch.equal(draw(0, 7), draw(0, 7))
    assert not torch.equal(draw(0, 7), draw(0, 8))
    assert not torch.equal(draw(0, 7), draw(1, 7))


def test_windows_lie_anywhere_and_whole_images_where_none_are_wanted() -> None:
    augment = Marking()
    batches = Batches(IMAGES, augment, PARAMETERS, seed=0)
    for number in range(60):
        batches.draw(number)

    rows, columns = np.array([corner for _, corner in augment.given]).T
    assert (rows.min(), rows.max()) == (0, 16)
    assert columns.min() <= 1
    assert columns.max() >= 31
    whole = Batches(IMAGES, Marking(), replace(PARAMETERS, window=None), seed=0).draw(0)
    assert whole is not None
    assert whole[0].shape == (9, 48, 64, 3)


@pytest.mark.parametrize(("scar", "classes"), [(True, 3), (False, 2)])
def test_scars_can_be_left_out(scar: bool, classes: int) -> None:
    parameters = replace(PARAMETERS, scar=scar)

    batch = Batches(IMAGES, Pasting(parameters), parameters, seed=0).draw(0)

    assert batch is not None
    assert batch[1].unique().tolist() == list(range(classes))
