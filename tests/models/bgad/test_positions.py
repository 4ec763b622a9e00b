"""The positions that flows learn from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.bgad.parameters import PRESETS, BgadParameters
from models.bgad.positions import (
    ABNORMAL,
    LEFT_OUT,
    NORMAL,
    RARE,
    Group,
    LevelPositions,
    batches_of_images,
    check_enough,
    least_likely_labels,
    mask_labels,
)
from models.errors import SettingError

#: Every position once, in mini-batches of five.
ALL = replace(PRESETS["paper"], position_batch=5)
#: Two mini-batches of eight, a quarter abnormal.
DRAWN = replace(BgadParameters(), position_batch=8, mini_batches=2, abnormal_share=0.25)


def group(first: int, labels: list[list[int]]) -> Group:
    """Images of 1 x 3 cells whose features are `first` and on, one channel."""
    count = len(labels)
    features = np.arange(first, first + 3 * count, dtype=np.float16).reshape(count, 1, 3, 1)
    return Group(features, np.array(labels, dtype=np.uint8))


def two_groups() -> LevelPositions:
    """Good images of features 0 to 5; a defective one of 10 (left out), 11 (abnormal), 12."""
    good = group(0, [[NORMAL] * 3] * 2)
    bad = group(10, [[LEFT_OUT, ABNORMAL, NORMAL]])
    return LevelPositions([good, bad], np.array([0, 1, 2]))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_all_positions_come_once_and_what_is_left_over_is_dropped() -> None:
    batches = list(two_groups().mini_batches(np.arange(3), replace(ALL, position_batch=4), rng()))

    # Nine positions, one left out: two mini-batches of four.
    values = np.concatenate([batch.features[:, 0].numpy() for batch in batches])
    assert sorted(values) == [0, 1, 2, 3, 4, 5, 11, 12]
    assert len(list(two_groups().mini_batches(np.arange(3), ALL, rng()))) == 1


def test_positions_keep_their_cell_and_label() -> None:
    positions = two_groups()
    for batch in positions.mini_batches(np.arange(3), DRAWN, rng()):
        value = batch.features[:, 0].numpy().astype(int)

        np.testing.assert_array_equal(
            batch.cells.numpy(), np.where(value < 10, value, value - 10) % 3
        )
        np.testing.assert_array_equal(batch.abnormal.numpy(), value == 11)


def test_a_share_of_drawn_positions_is_abnormal_and_none_is_left_out() -> None:
    batches = list(two_groups().mini_batches(np.arange(3), DRAWN, rng()))

    assert [int(batch.abnormal.sum()) for batch in batches] == [2, 2]
    assert all(10 not in batch.features for batch in batches)


def test_without_abnormal_positions_all_are_normal() -> None:
    (batch, _) = two_groups().mini_batches(np.array([0, 1]), DRAWN, rng())

    assert len(batch.features) == 8
    assert not batch.abnormal.any()


def test_without_a_share_abnormal_positions_come_as_they_fall() -> None:
    parameters = replace(DRAWN, abnormal_share=None, position_batch=4000)

    first, _ = two_groups().mini_batches(np.arange(3), parameters, rng())

    # One of eight.
    assert first.abnormal.double().mean().item() == pytest.approx(1 / 8, abs=0.03)


def test_rare_positions_come_more_often_and_are_normal() -> None:
    positions = LevelPositions(
        [
            Group.of_normal(group(0, [[NORMAL] * 3] * 2).features, np.array([4])),
            group(10, [[LEFT_OUT, ABNORMAL, NORMAL]]),
        ],
        np.array([0, 1, 2]),
    )
    parameters = replace(DRAWN, position_batch=4000, rare_share=0.5)

    batch, _ = positions.mini_batches(np.arange(3), parameters, rng())

    # Of 3,000 normal ones half are the rare one; the others are drawn evenly of all seven.
    assert int(batch.abnormal.sum()) == 1000
    is_rare = batch.features[:, 0] == 4
    assert not batch.abnormal[is_rare].any()
    assert int(is_rare.sum()) == pytest.approx(1500 + 1500 / 7, abs=60)


def test_without_a_share_rare_positions_come_as_others_do() -> None:
    labels = [[NORMAL, RARE, NORMAL]] * 2
    positions = LevelPositions([group(0, labels)], np.array([0, 1]))
    parameters = replace(DRAWN, position_batch=6000, rare_share=None)

    batch, _ = positions.mini_batches(np.arange(2), parameters, rng())

    assert int((batch.features[:, 0] == 1).sum()) == pytest.approx(1000, abs=120)
    everything = list(positions.mini_batches(np.arange(2), replace(ALL, position_batch=6), rng()))
    assert sorted(everything[0].features[:, 0].tolist()) == [0, 1, 2, 3, 4, 5]


def test_entries_may_repeat_an_image() -> None:
    positions = LevelPositions([group(0, [[NORMAL] * 3] * 2)], np.array([1, 1, 1, 1]))

    (batch,) = positions.mini_batches(np.arange(4), replace(ALL, position_batch=12), rng())

    assert sorted(batch.features[:, 0].tolist()) == [3] * 4 + [4] * 4 + [5] * 4


def test_the_same_generator_draws_the_same() -> None:
    first, again, other = (
        [b.features.tolist() for b in two_groups().mini_batches(np.arange(3), DRAWN, rng(seed))]
        for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_images_are_shuffled_into_whole_batches() -> None:
    batches = batches_of_images(10, replace(ALL, image_batch=4), rng())

    assert [len(batch) for batch in batches] == [4, 4]
    assert len(set(np.concatenate(batches).tolist())) == 8
    (everything,) = batches_of_images(10, DRAWN, rng())
    assert sorted(everything) == list(range(10))


def test_a_mask_marks_the_cells_that_it_touches() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[3, 5] = True  # within the cell of rows 0 to 3 and columns 4 to 7

    assert mask_labels(mask, 2, 2, "touched").tolist() == [NORMAL, ABNORMAL, NORMAL, NORMAL]
    # Nearest resizing takes pixels (0, 0), (0, 4), (4, 0) and (4, 4).
    assert mask_labels(mask, 2, 2, "nearest").tolist() == [NORMAL] * 4
    mask[4, 0] = True
    assert mask_labels(mask, 2, 2, "nearest").tolist() == [NORMAL, NORMAL, ABNORMAL, NORMAL]


def test_a_mask_may_be_smaller_than_the_grid() -> None:
    mask = np.array([[False, True]])

    assert mask_labels(mask, 2, 4, "nearest").tolist() == [0, 0, 1, 1] * 2


def test_where_nobody_drew_the_defect_the_least_likely_positions_are_it() -> None:
    likelihoods = np.array([[-1.0, -9.0, -2.0], [-8.0, -0.5, -3.0]], dtype=np.float32)

    labels = least_likely_labels(likelihoods, 1 / 3)

    # Two of six: -9 and -8. The others may be defective as well.
    o, x = LEFT_OUT, ABNORMAL
    assert labels.tolist() == [o, x, o, x, o, o]
    assert least_likely_labels(likelihoods, 0.01).tolist() == [o, x, o, o, o, o]


def test_a_level_that_would_never_be_trained_is_named() -> None:
    parameters = replace(PRESETS["paper"], image_batch=8)

    with pytest.raises(
        SettingError,
        match=r"stride 16 has 256 positions an image, 2048 in a batch of 8 images.*image_batch to "
        "16 or more, or position_batch to 2048 or fewer",
    ):
        check_enough(100, [4096, 1024, 256], parameters)
    check_enough(100, [4096, 1024, 256], replace(parameters, image_batch=16))


def test_too_few_images_for_a_batch_are_refused() -> None:
    with pytest.raises(
        SettingError, match=r"20 training images make no batch of 32.*image_batch to 20"
    ):
        check_enough(20, [4096, 1024, 256], PRESETS["paper"])


def test_drawn_mini_batches_need_no_number_of_images() -> None:
    check_enough(1, [1024, 256], PRESETS["fast"])
