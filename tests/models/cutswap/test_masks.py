"""Salient pixels of training images, and the swaps between them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch

from models.classifier import Classifier
from models.cutswap.augmentation import Swapping
from models.cutswap.masks import SalientPixels, find_salient_pixels, salient_pixels
from models.cutswap.parameters import CutSwapParameters

NAME = "test_efficientnet"
PARAMETERS = CutSwapParameters(
    classifier=NAME, input_height=48, input_width=64, window=None, saliency_strides=(4, 8, 32)
)
RNG = np.random.default_rng(0)


def ignore(stage: str, done: int, total: int) -> None:
    pass


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def pixels(*masks: np.ndarray) -> SalientPixels:
    packed = np.stack([np.packbits(mask) for mask in masks])[None]
    return SalientPixels(packed, (48, 64), 0)


def corners() -> np.ndarray:
    mask = np.zeros((48, 64), bool)
    mask[:20, :20] = mask[25:45, 35:60] = True
    return mask


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    torch.manual_seed(0)
    return Classifier(NAME, timm.create_model(NAME))


def test_masks_are_those_of_each_map(classifier: Classifier) -> None:
    images = np.stack([picture(), picture()[::-1]] * 5)
    told = []

    found = find_salient_pixels(
        classifier,
        images,
        PARAMETERS,
        seed=0,
        device="cpu",
        progress=lambda *facts: told.append(facts),
    )

    assert found.packed.shape == (10, 3, 48 * 64 // 8)
    assert told == [("saliency", 8, 10), ("saliency", 10, 10)]
    masks = np.array([[found.mask(image, level) for level in range(3)] for image in range(10)])
    np.testing.assert_array_equal(masks[0], masks[8])
    assert (masks[0] != masks[1]).any()
    assert masks.sum(axis=(2, 3)).min() >= 2
    assert masks.sum(axis=(2, 3)).max() < 48 * 64


def test_masks_keep_every_bit() -> None:
    mask = RNG.random((48, 64)) < 0.5

    np.testing.assert_array_equal(pixels(~mask, mask).mask(0, 1), mask)


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_a_map_that_tells_nothing_is_degenerate(value: float) -> None:
    assert salient_pixels(np.full((48, 64), value, np.float32), PARAMETERS, RNG) is None


def test_a_map_with_a_single_salient_pixel_is_degenerate() -> None:
    saliency = np.zeros((48, 64), np.float32)
    saliency[3, 4] = 1

    assert salient_pixels(saliency, PARAMETERS, RNG) is None


def test_all_pixels_of_a_degenerate_map_are_anchors(classifier: Classifier) -> None:
    nothing = Classifier(NAME, timm.create_model(NAME))
    for parameter in nothing.parameters():
        torch.nn.init.zeros_(parameter)

    found = find_salient_pixels(
        nothing, picture()[None], PARAMETERS, seed=0, device="cpu", progress=ignore
    )

    assert found.degenerate == 3
    assert all(found.mask(0, level).all() for level in range(3))
    assert Swapping(found, PARAMETERS).findings["degenerate_maps"] == 3


def test_sorting_replaces_clusters() -> None:
    saliency = RNG.random((48, 64)).astype(np.float32)

    mask = salient_pixels(saliency, replace(PARAMETERS, selection="sorting"), RNG)

    assert mask is not None
    assert mask.sum() == 300
    assert saliency[mask].min() >= saliency[~mask].max()


@pytest.mark.parametrize(("scar", "count"), [(True, 2), (False, 1)])
def test_one_map_gives_both_wrong_images(scar: bool, count: int) -> None:
    swapping = Swapping(pixels(corners()), replace(PARAMETERS, scar=scar))
    image = picture()

    for seed in range(10):
        wrong = swapping(image, 0, np.random.default_rng(seed))
        assert wrong is not None
        assert len(wrong) == count
        assert all((one != image).any() for one in wrong)

    rules = swapping.findings["anchor_rules"]
    assert sum(rules.values()) == 10 * count
    assert sum(number for rule, number in rules.items() if rule.startswith("swap_")) == 10


def test_a_map_without_room_gives_way_to_another() -> None:
    cramped = np.zeros((48, 64), bool)
    cramped[5, 5:7] = True
    swapping = Swapping(pixels(cramped, corners()), PARAMETERS)

    made = [swapping(picture(), 0, np.random.default_rng(seed)) for seed in range(20)]

    # The other one's anchors may lie too close together as well, but that is rare.
    assert sum(wrong is not None for wrong in made) > 15
    assert swapping.tally["swap_skipped"] > 0


def test_an_image_without_any_room_is_left_out() -> None:
    cramped = np.zeros((48, 64), bool)
    cramped[5, 5:7] = True
    swapping = Swapping(pixels(cramped, cramped), PARAMETERS)

    assert swapping(picture(), 0, RNG) is None
    assert swapping.tally == Counter(swap_skipped=2, scar_skipped=2)
