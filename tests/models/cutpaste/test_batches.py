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
    """Writes down what it is given, and adds to colours: everywhere, or in a box."""

    def __init__(self, *impossible: int, box: tuple[slice, slice] | None = None) -> None:
        self.tally: Counter[str] = Counter()
        self.findings: dict[str, Any] = {}
        self.given: list[int] = []
        self.impossible = impossible
        self.box = box or (slice(None), slice(None))

    def __call__(
        self, image: np.ndarray, index: int, rng: np.random.Generator
    ) -> list[np.ndarray] | None:
        self.given.append(index)
        assert image[0, 0].tolist() == [0, 0, index]
        if index in self.impossible:
            return None
        wrong = [image.copy(), image.copy()]
        for one, more in zip(wrong, (100, 150), strict=True):
            one[self.box] += more
        return wrong


def corners(batch: tuple[torch.Tensor, torch.Tensor] | None, label: int) -> np.ndarray:
    """Upper left pixels (b, 2) of a class's windows, read from their colours."""
    assert batch is not None
    images, labels = batch
    return images[labels == label][:, 0, 0, :2].numpy().astype(int)


def test_every_class_has_as_many_images_and_its_label() -> None:
    augment = Marking()

    batch = Batches(IMAGES, augment, PARAMETERS, seed=0).draw(0)

    assert batch is not None
    images, labels = batch
    assert images.shape == (9, 32, 32, 3)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    # The index of the image is its third colour.
    assert torch.equal(images[3:6, 0, 0, 2], images[:3, 0, 0, 2] + 100)
    assert torch.equal(images[6:, 0, 0, 2], images[:3, 0, 0, 2] + 150)


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

    passes = [augment.given[start : start + 5] for start in (0, 5, 10)]
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


def test_windows_hold_a_piece_of_the_outline() -> None:
    rows, columns = slice(20, 44), slice(8, 20)
    batches = Batches(IMAGES, Marking(box=(rows, columns)), PARAMETERS, seed=0)

    found = []
    for number in range(40):
        batch = batches.draw(number)
        assert batch is not None
        images, labels = batch
        changed = (images[labels == 1][..., 2] >= 100).flatten(1)
        # Some of the window is in the box, and some is not.
        assert (changed.any(dim=1) & ~changed.all(dim=1)).all()
        found.append(images[labels == 0][:, 0, 0, :2])

    where = torch.cat(found)
    assert where[:, 0].min() == 0
    assert where[:, 0].max() == 16
    assert where[:, 1].max() - where[:, 1].min() >= 10


def test_the_good_window_lies_where_a_wrong_one_does() -> None:
    batches = Batches(IMAGES, Marking(box=(slice(10, 20), slice(30, 40))), PARAMETERS, seed=0)

    for number in range(10):
        batch = batches.draw(number)
        good, patch, scar = (corners(batch, label) for label in range(3))
        assert ((good == patch).all(axis=1) | (good == scar).all(axis=1)).all()


def test_a_change_that_cannot_be_seen_is_looked_at_anywhere() -> None:
    batches = Batches(IMAGES, Marking(box=(slice(0, 0), slice(0, 0))), PARAMETERS, seed=0)

    where = np.concatenate([corners(batches.draw(number), 1) for number in range(60)])

    assert (where.min(axis=0) <= 1).all()
    assert (where.max(axis=0) >= [15, 31]).all()


def test_whole_images_are_learnt_from_where_no_windows_are_wanted() -> None:
    whole = Batches(IMAGES, Marking(), replace(PARAMETERS, window=None), seed=0).draw(0)

    assert whole is not None
    assert whole[0].shape == (9, 48, 64, 3)


@pytest.mark.parametrize(("scar", "classes"), [(True, 3), (False, 2)])
def test_scars_can_be_left_out(scar: bool, classes: int) -> None:
    parameters = replace(PARAMETERS, scar=scar)

    batch = Batches(IMAGES, Pasting(parameters), parameters, seed=0).draw(0)

    assert batch is not None
    assert batch[1].unique().tolist() == list(range(classes))
